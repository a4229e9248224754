"""The access log: one line for each request, without secrets and without query strings.

Lines are collected and written together, because a write for each would cost more than the rest of the exchange.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime

    from slime.hub.answers import Answered
    from slime.hub.exchange import Exchange

__all__ = ["AccessLog", "NoAccessLog", "answered_record", "exchange_record", "json_line", "text_line"]

FLUSH_INTERVAL = 0.5
FLUSH_LINES = 256
PATH_SHOWN = 1024
#: Requests that the hub answered by itself and that are logged in one FLUSH_INTERVAL; anybody can cause any number.
ANSWERED_SHOWN = 100

Record = dict[str, Any]

_BARE = re.compile(r"[!#-~]+")


def exchange_record(exchange: Exchange) -> Record:
    """What is worth knowing of a finished exchange; durations in seconds, sizes in bytes."""
    request = exchange.request
    began = exchange.assigned_at or exchange.finished_at
    return {
        "id": exchange.request_id.decode("ascii"),
        "app": _application(request.client),
        "agent": exchange.agent_name or "-",
        "method": request.head.method.decode("ascii"),
        "path": request.path[:PATH_SHOWN].decode("ascii"),
        "status": exchange.status,
        "outcome": exchange.outcome,
        "queued": round(began - (exchange.queued_at or began), 6),
        "ran": round(exchange.finished_at - began, 6),
        "in": exchange.bytes_in,
        "out": request.answer_bytes,
        "requeues": exchange.requeues,
    }


def answered_record(answered: Answered) -> Record:
    """The same of a request that the hub answered before it became an exchange, with the reason."""
    head = answered.head
    return {
        "id": answered.request_id.decode("ascii") or "-",
        "app": _application(answered.peer),
        "agent": "-",
        "method": head.method.decode("ascii") if head else "-",
        "path": head.target.partition(b"?")[0][:PATH_SHOWN].decode("ascii") if head else "-",
        "status": answered.status,
        "outcome": answered.outcome,
        "queued": 0.0,
        "ran": 0.0,
        "in": 0,
        "out": 0,
        "requeues": 0,
        "detail": answered.detail,
    }


def _application(address: IAddress | None) -> str:
    return f"{getattr(address, 'host', '-')}:{getattr(address, 'port', '-')}"


def text_line(stamp: str, entry: Record) -> str:
    """One line of ``key=value`` pairs; path and detail are quoted as JSON quotes, and the agent's name if need be."""
    detail = f" detail={json.dumps(entry['detail'])}" if "detail" in entry else ""
    agent = entry["agent"]
    if not _BARE.fullmatch(agent):
        agent = json.dumps(agent)
    return (
        f"{stamp} access id={entry['id']} app={entry['app']} agent={agent} method={entry['method']}"
        f" path={json.dumps(entry['path'])} status={entry['status']} outcome={entry['outcome']}"
        f" queued={entry['queued']:.6f} ran={entry['ran']:.6f} in={entry['in']} out={entry['out']}"
        f" requeues={entry['requeues']}{detail}\n"
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

    _log = Logger()

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
        self._timer: IDelayedCall | None = None
        self._answered = 0
        self._second = -1
        self._stamp = ""

    def finished(self, exchange: Exchange) -> None:
        """Note a finished exchange; it is written within half a second."""
        self._add(exchange_record(exchange))

    def answered(self, answered: Answered) -> None:
        """Note a request that the hub answered by itself, unless there were very many of them lately."""
        self._answered += 1
        if self._answered <= ANSWERED_SHOWN:
            self._add(answered_record(answered))

    def flush(self) -> None:
        """Write what has been collected."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self._write()
        if self._answered > ANSWERED_SHOWN:
            count = self._answered - ANSWERED_SHOWN
            self._log.warn("{count} more requests were refused and are not in the access log", count=count)
        self._answered = 0

    def _add(self, entry: Record) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(FLUSH_INTERVAL, self.flush)
        self._lines.append(self._line(self._time(), entry))
        if len(self._lines) == FLUSH_LINES:
            self._write()

    def _write(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            self._sink("".join(lines))

    def _time(self) -> str:
        now = self._wall_clock()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{self._stamp}.{int(now % 1 * 1000):03d}Z"


class NoAccessLog:
    """Notes nothing."""

    def finished(self, exchange: Exchange) -> None:
        """See :meth:`AccessLog.finished`."""

    def answered(self, answered: Answered) -> None:
        """See :meth:`AccessLog.answered`."""

    def flush(self) -> None:
        """See :meth:`AccessLog.flush`."""
