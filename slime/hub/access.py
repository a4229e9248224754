"""The access log: one line for each request, without secrets and without query strings.

Lines are collected and written together, because a write for each would cost more than the rest of the exchange.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime

    from slime.hub.answers import Answered
    from slime.hub.exchange import Exchange

__all__ = ["AccessLog", "Entry", "NoAccessLog", "json_line", "text_line"]

FLUSH_INTERVAL = 0.5
FLUSH_LINES = 256
PATH_SHOWN = 1024
#: Requests that the hub answered by itself and that are logged in one FLUSH_INTERVAL; anybody can cause any number.
ANSWERED_SHOWN = 100

_BARE = re.compile(r"[!#-~]+")


class Entry(NamedTuple):
    """What is worth knowing of a request; durations in seconds, sizes in bytes."""

    when: float
    request_id: bytes
    app: IAddress | None
    agent: str
    method: bytes
    path: bytes
    status: int
    outcome: str
    queued: float = 0.0
    ran: float = 0.0
    received: int = 0
    sent: int = 0
    requeues: int = 0
    detail: str | None = None


def exchange_entry(when: float, exchange: Exchange) -> Entry:
    """A finished exchange."""
    request = exchange.request
    began = exchange.assigned_at or exchange.finished_at
    return Entry(
        when,
        exchange.request_id,
        request.client,
        exchange.agent_name,
        request.method,
        request.path[:PATH_SHOWN],
        exchange.status,
        exchange.outcome,
        began - (exchange.queued_at or began),
        exchange.finished_at - began,
        exchange.bytes_in,
        request.answer_bytes,
        exchange.requeues,
    )


def answered_entry(when: float, answered: Answered) -> Entry:
    """A request that the hub answered before it became an exchange, with the reason."""
    head = answered.head
    method, target = (head.method, head.target) if head else (b"-", b"-")
    path = target.partition(b"?")[0][:PATH_SHOWN]
    return Entry(
        when, answered.request_id, answered.peer, "", method, path, answered.status, answered.outcome,
        detail=answered.detail or None,
    )  # fmt: skip


def _application(address: IAddress | None) -> str:
    return f"{getattr(address, 'host', '-')}:{getattr(address, 'port', '-')}"


def text_line(stamp: str, entry: Entry) -> str:
    """One line of ``key=value`` pairs; path and detail are quoted as JSON quotes, and the agent's name if need be."""
    detail = "" if entry.detail is None else f" detail={json.dumps(entry.detail)}"
    agent = entry.agent or "-"
    if not _BARE.fullmatch(agent):
        agent = json.dumps(agent)
    return (
        f"{stamp} access id={entry.request_id.decode() or '-'} app={_application(entry.app)} agent={agent}"
        f" method={entry.method.decode()} path={json.dumps(entry.path.decode())} status={entry.status}"
        f" outcome={entry.outcome} queued={entry.queued:.6f} ran={entry.ran:.6f} in={entry.received}"
        f" out={entry.sent} requeues={entry.requeues}{detail}\n"
    )


def json_line(stamp: str, entry: Entry) -> str:
    """One JSON object."""
    members = {
        "time": stamp,
        "log": "access",
        "id": entry.request_id.decode() or "-",
        "app": _application(entry.app),
        "agent": entry.agent or "-",
        "method": entry.method.decode(),
        "path": entry.path.decode(),
        "status": entry.status,
        "outcome": entry.outcome,
        "queued": round(entry.queued, 6),
        "ran": round(entry.ran, 6),
        "in": entry.received,
        "out": entry.sent,
        "requeues": entry.requeues,
    }
    detail = {} if entry.detail is None else {"detail": entry.detail}
    return json.dumps(members | detail) + "\n"


class AccessLog:
    """Formats and writes the lines.

    A line costs half as much among others as it would in the middle of an exchange, with all else to be fetched anew.

    :param sink: writes text to wherever the log goes.
    :param line: :func:`text_line` or :func:`json_line`.
    :param wall_clock: seconds since the epoch.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        sink: Callable[[str], object],
        line: Callable[[str, Entry], str],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._sink = sink
        self._line = line
        self._wall_clock = wall_clock
        self._entries: list[Entry] = []
        self._timer: IDelayedCall | None = None
        self._answered = 0
        self._second = -1
        self._stamp = ""

    def finished(self, exchange: Exchange) -> None:
        """Note a finished exchange; it is written within half a second."""
        self._add(exchange_entry(self._wall_clock(), exchange))

    def answered(self, answered: Answered) -> None:
        """Note a request that the hub answered by itself, unless there were very many of them lately."""
        self._answered += 1
        if self._answered <= ANSWERED_SHOWN:
            self._add(answered_entry(self._wall_clock(), answered))

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

    def _add(self, entry: Entry) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(FLUSH_INTERVAL, self.flush)
        self._entries.append(entry)
        if len(self._entries) == FLUSH_LINES:
            self._write()

    def _write(self) -> None:
        if self._entries:
            entries, self._entries = self._entries, []
            self._sink("".join([self._line(self._stamp_of(entry.when), entry) for entry in entries]))

    def _stamp_of(self, when: float) -> str:
        if int(when) != self._second:
            self._second = int(when)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
        return f"{self._stamp}.{int(when % 1 * 1000):03d}Z"


class NoAccessLog:
    """Notes nothing."""

    def finished(self, exchange: Exchange) -> None:
        """See :meth:`AccessLog.finished`."""

    def answered(self, answered: Answered) -> None:
        """See :meth:`AccessLog.answered`."""

    def flush(self) -> None:
        """See :meth:`AccessLog.flush`."""
