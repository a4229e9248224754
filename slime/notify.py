"""What a process tells the service manager that started it, by the protocol of ``sd_notify(3)``.

Nothing is told to a process' terminal, and nothing at all without ``$NOTIFY_SOCKET``: whoever runs slime by hand is
not concerned.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

__all__ = ["Herald"]

#: Seconds between two reports of the status, unless the watchdog wants to hear of us more often.
STATUS_INTERVAL = 10.0


class Herald:
    """Tells the service manager that the process has started, lives, and is about to end.

    :param reactor: times the signs of life; they stop when the reactor does, which is what a watchdog is for.
    :param environ: says whom to tell, and how often.
    :param status: what the process is doing, in one line.
    """

    _log = Logger()

    def __init__(self, reactor: Any, environ: Mapping[str, str], status: Callable[[], str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog = watchdog_seconds(environ)
        self._status = status
        self._beat = LoopingCall(self._report)
        self._beat.clock = reactor

    @property
    def interval(self) -> float:
        """Seconds between two signs of life: half of what the watchdog allows."""
        return min(self._watchdog / 2, STATUS_INTERVAL) if self._watchdog else STATUS_INTERVAL

    def ready(self) -> None:
        """The process does what it is for."""
        if self._address and not self._beat.running:
            self._tell("READY=1")
            self._beat.start(self.interval)

    def waiting(self) -> None:
        """The process has begun, and is not ready yet."""
        self._tell(f"STATUS={self._status()}")

    def stopping(self) -> None:
        """The process has begun to end, which may take as long as its grace; the watchdog goes on watching."""
        self._tell("STOPPING=1")

    def _report(self) -> None:
        self._tell(f"STATUS={self._status()}", *(["WATCHDOG=1"] if self._watchdog else []))

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # A name that starts with @ is in the abstract namespace of Linux.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(lines).encode("utf-8"), address)
        except OSError as error:
            self._log.warn("the service manager cannot be told: {error}", error=error)


def watchdog_seconds(environ: Mapping[str, str]) -> float:
    """How long this process may be silent before it is taken for dead; 0 if nobody watches it."""
    microseconds, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or process not in ("", str(os.getpid())):
        return 0.0
    return int(microseconds) / 1e6
