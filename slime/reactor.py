"""The event loop of a process that is slime's own: Twisted's for Linux, less what it does for older ways of logging.

Twisted has each event of a socket handled within a context that tells its older logging functions whom it is about.
Nothing of slime, or in its log, asks that context, which costs as much for each event as reading the socket does.
"""

from __future__ import annotations

import select
import sys
from typing import Any

from twisted.internet.main import installReactor
from twisted.logger import Logger

__all__ = ["install"]

if hasattr(select, "epoll"):
    from twisted.internet.epollreactor import EPollReactor

    _READABLE = select.EPOLLIN

    class LeanReactor(EPollReactor):
        """Hands events to whoever they are for, and nothing else."""

        _log = Logger()

        def doPoll(self, timeout: float | None) -> None:
            """Wait for events, for ``timeout`` seconds at most, and have each handled.

            (``_poller``, ``_selectables``, ``_doReadOrWrite`` and ``_disconnectSelectable`` are Twisted's own; a test
            holds them to what is done with them here.)
            """
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
            find = self._selectables.get
            for descriptor, event in events:
                selectable = find(descriptor)
                if selectable is None:
                    continue  # closed by one before it
                try:
                    if event == _READABLE:
                        self._read(selectable)
                    else:
                        self._doReadOrWrite(selectable, descriptor, event)
                except Exception:
                    self._log.failure("an event of {selectable} could not be handled", selectable=selectable)

        def _read(self, selectable: Any) -> None:
            """Nearly every event is just this. (Whoever has no descriptor any more is no selectable any more.)"""
            try:
                why = selectable.doRead()
            except Exception as error:
                self._log.failure("{selectable} could not read", selectable=selectable)
                why = error
            if why:
                self._disconnectSelectable(selectable, why, True)

        doIteration = doPoll


def install() -> None:
    """Make it the process' reactor, unless there is one, or this system has no epoll."""
    if "twisted.internet.reactor" not in sys.modules and hasattr(select, "epoll"):
        installReactor(LeanReactor())
