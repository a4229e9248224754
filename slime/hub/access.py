"""The access log: one line for each request, without secrets and without query strings.

Lines are collected and written together, because a write for each would cost more than the rest of the exchange.
Whatever becomes of the lines, no request suffers from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from slime.hub.accessfile import Losses, Sink
from slime.hub.accessline import Entry, LineFormat, answered_entry, exchange_entry

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from slime.hub.answers import Answered
    from slime.hub.exchange import Exchange

__all__ = ["AccessLog", "NoAccessLog"]

FLUSH_INTERVAL = 0.5
FLUSH_LINES = 256
#: Requests that the hub answered by itself and that are logged in one FLUSH_INTERVAL; anybody can cause any number.
ANSWERED_SHOWN = 100


class AccessLog:
    """Formats and writes the lines.

    A line costs half as much among others as it would in the middle of an exchange, with all else to be fetched anew.

    :param sink: takes the lines.
    :param line_format: makes them.
    :param wall_clock: seconds since the epoch.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        sink: Sink,
        line_format: LineFormat,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._sink = sink
        self._losses = Losses(clock, sink.place)
        self._format = line_format
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

    def reopen(self) -> bool:
        """The file may have been moved away: what is collected goes there, and what comes into a new one.

        :returns: whether there is a file.
        """
        self.flush()
        try:
            return self._sink.reopen()
        except OSError as error:
            self._losses.lost(0, error)
            return True

    def close(self) -> None:
        """The hub ends."""
        self.flush()
        self._sink.close()

    def _add(self, entry: Entry) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(FLUSH_INTERVAL, self.flush)
        self._entries.append(entry)
        if len(self._entries) == FLUSH_LINES:
            self._write()

    def _write(self) -> None:
        if self._entries:
            entries, self._entries = self._entries, []
            line = self._format.line
            self._put("".join([line(self._stamp_of(entry.when), entry) for entry in entries]), len(entries))

    def _put(self, text: str, lines: int) -> None:
        try:
            self._sink.write(text)
        except OSError as error:
            self._losses.lost(lines, error)
        else:
            self._losses.written()

    def _stamp_of(self, when: float) -> str:
        if int(when) != self._second:
            self._second = int(when)
            self._stamp = self._format.stamp(when)
        return self._stamp


class NoAccessLog:
    """Notes nothing."""

    def finished(self, exchange: Exchange) -> None:
        """See :meth:`AccessLog.finished`."""

    def answered(self, answered: Answered) -> None:
        """See :meth:`AccessLog.answered`."""

    def reopen(self) -> bool:
        """See :meth:`AccessLog.reopen`."""
        return False

    def close(self) -> None:
        """See :meth:`AccessLog.close`."""
