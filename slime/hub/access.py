"""The access log: one line for each exchange, without secrets and without query strings.

Lines are collected and written together, because a write for each would cost more than the rest of the exchange.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from slime.hub.exchange import Exchange

__all__ = ["AccessLog", "json_line", "record", "text_line"]

FLUSH_INTERVAL = 0.5
FLUSH_LINES = 256

Record = dict[str, Any]


def record(exchange: Exchange) -> Record:
    """What is worth knowing of a finished exchange; durations in seconds, sizes in bytes."""
    request = exchange.request
    peer = request.getClientAddress()
    began = exchange.assigned_at or exchange.finished_at
    return {
        "id": exchange.request_id.decode("ascii"),
        "app": f"{getattr(peer, 'host', '-')}:{getattr(peer, 'port', '-')}",
        "agent": exchange.agent_name or "-",
        "method": request.head.method.decode("ascii"),
        "path": request.path.decode("ascii"),
        "status": exchange.status,
        "outcome": exchange.outcome,
        "queued": round(began - exchange.queued_at, 6),
        "ran": round(exchange.finished_at - began, 6),
        "in": exchange.bytes_in,
        "out": request.answer_bytes,
        "requeues": exchange.requeues,
    }


def text_line(stamp: str, entry: Record) -> str:
    """One line of ``key=value`` pairs; the path is quoted as JSON quotes."""
    return (
        f"{stamp} access id={entry['id']} app={entry['app']} agent={entry['agent']} method={entry['method']}"
        f" path={json.dumps(entry['path'])} status={entry['status']} outcome={entry['outcome']}"
        f" queued={entry['queued']:.6f} ran={entry['ran']:.6f} in={entry['in']} out={entry['out']}"
        f" requeues={entry['requeues']}\n"
    )


def json_line(stamp: str, entry: Record) -> str:
    """One JSON object."""
    return json.dumps({"time": stamp, "log": "access", **entry}) + "\n"


class AccessLog:
    """Formats and writes the lines.

    :param sink: writes text to wherever the log goes.
    :param line: :func:`text_line` or :func:`json_line`.
    :param wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        clock: IReactorTime,
        sink: Callable[[str], object],
        line: Callable[[str, Record], str],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._sink = sink
        self._line = line
        self._wall_clock = wall_clock
        self._lines: list[str] = []
        self._second = -1
        self._stamp = ""

    def add(self, exchange: Exchange) -> None:
        """Note a finished exchange; it is written within half a second."""
        if not self._lines:
            self._clock.callLater(FLUSH_INTERVAL, self.flush)
        self._lines.append(self._line(self._time(), record(exchange)))
        if len(self._lines) == FLUSH_LINES:
            self._write()

    def flush(self) -> None:
        """Write what has been collected."""
        if self._lines:
            self._write()

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        self._sink("".join(lines))

    def _time(self) -> str:
        now = self._wall_clock()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{self._stamp}.{int(now % 1 * 1000):03d}Z"
