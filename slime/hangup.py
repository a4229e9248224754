"""What SIGHUP does: files that are written to are opened anew, as after ``logrotate``.

It ends a process only where it says what it was made for: the terminal that the process was started from is gone. Then
the process stops in good order, as by SIGTERM. Daemons have no terminal, and whoever starts a process with
:program:`nohup` has said that it should stay.
"""

from __future__ import annotations

import os
import signal
from typing import Any, Protocol, runtime_checkable

from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

__all__ = ["Hangup", "Reopening"]

_TERMINAL = "/dev/tty"


@runtime_checkable
class Reopening(Protocol):
    """A service that writes to files which somebody may move away."""

    def reopen(self) -> bool:
        """Close them, and go on in new ones of the same names; whether there are any."""


def has_terminal() -> bool:
    """Whether this process has a terminal, and it is still there."""
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


class Hangup:
    """Acts on SIGHUP, in the reactor's own turn.

    :param reactor: the process' own.
    :param service: what the process is for.
    """

    _log = Logger()

    def __init__(self, reactor: Any, service: object) -> None:
        self._reactor = reactor
        self._service = service
        self._attended: bool | None = None

    def install(self) -> None:
        """From now on the signal does not end the process. For the main thread, once a daemon is one."""
        if self._attended is None:
            before = signal.signal(signal.SIGHUP, self._signalled)
            self._attended = before is not signal.SIG_IGN and has_terminal()

    def _signalled(self, number: int, frame: object) -> None:
        # What is thread-safe is safe here as well, and wakes the reactor.
        self._reactor.callFromThread(self._act)

    def _act(self) -> None:
        if self._attended and not has_terminal():
            self._log.info("the terminal is gone: stopping")
            self._stop()
        elif not (isinstance(self._service, Reopening) and self._service.reopen()):
            self._log.info("SIGHUP: there is no file to open anew")

    def _stop(self) -> None:
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            self._log.info("it is stopping already")
