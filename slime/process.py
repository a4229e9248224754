"""How a process of slime starts and ends: one clear line when it cannot listen, and a grace when told to stop.

Both ways of running a service, ``slime`` and ``twistd``, come through :func:`supervised`, so both behave alike.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn, Protocol, cast, runtime_checkable

from twisted.application.service import IService, Service
from twisted.internet import defer
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.hangup import Hangup
from slime.notify import Herald

__all__ = ["Reporting", "run_service", "supervised"]

#: Seconds after the grace in which a service, having given up on what ran, closes what is left.
LAST_STEPS = 5.0


_NO_SUCH_ADDRESS = "choose an address of this machine"

#: What to do when there is no port, by what the system says.
_PORT_MENDS: dict[int | str, str] = {
    errno.EADDRINUSE: "end the program that has the port, or choose another one",
    errno.EACCES: "choose a port above 1023, or let this user have the lower ones (CAP_NET_BIND_SERVICE)",
    errno.EADDRNOTAVAIL: _NO_SUCH_ADDRESS,
    socket.EAI_NONAME: _NO_SUCH_ADDRESS,
}

#: The same for UNIX sockets, of which Twisted and Python say some things in words.
_SOCKET_MENDS: dict[int | str, str] = {
    errno.EADDRINUSE: "remove what is there if no program listens on it, or choose another path",
    errno.EACCES: "let this user write to the folder, or choose another one",
    errno.ENOENT: "make the folder, or choose another one",
    "Cannot acquire lock": "end the program that listens there, or choose another file; if there is none, remove the "
    "lock, which is beside it and ends in .lock",
    "AF_UNIX path too long": "choose a shorter one",
}


@runtime_checkable
class Reporting(Protocol):
    """A service that can say how it is; service managers want to know."""

    def when_ready(self) -> Deferred[None]:
        """Fires once, when the service, having been started, does what it is for."""

    def status(self) -> str:
        """What it is doing, in one line."""


class _Supervised(Service):
    """The service of a whole process: starts, watches over the end of, and gives up on another service.

    :param reactor: the process' own.
    :param inner: what the process is for.
    :param grace: seconds that ``inner`` allows what runs when told to stop.
    :param foreground: whether someone sees this process; otherwise twistd waits to be told how its start went.
    """

    _log = Logger()

    def __init__(self, reactor: Any, inner: IService, grace: float, foreground: bool) -> None:
        self._reactor = reactor
        self._inner = inner
        self._grace = grace
        self._foreground = foreground
        self._hangup = Hangup(reactor, inner)
        self._herald = Herald(reactor, os.environ, inner.status if isinstance(inner, Reporting) else str)

    def privilegedStartService(self) -> None:
        self._hangup.install()
        self._start(self._inner.privilegedStartService)

    def startService(self) -> None:
        super().startService()
        self._start(self._inner.startService)
        self._hangup.install()
        self._reactor.addSystemEventTrigger("before", "shutdown", _next_signal_ends_at_once)
        self._reactor.callWhenRunning(_settle_memory)
        self._herald.waiting()
        if isinstance(self._inner, Reporting):
            self._inner.when_ready().addCallback(self._ready)
        else:
            self._herald.ready()

    def _ready(self, result: object) -> None:
        self._herald.ready()

    def _start(self, step: Callable[[], object]) -> None:
        try:
            step()
        except CannotListenError as error:
            self._explain(error)
            if self._foreground:
                raise SystemExit(1) from None
            # twistd tells whoever started it, and the interpreter says it in the log again: in a line, not fifty.
            sys.tracebacklimit = 0
            raise error from None

    def _explain(self, error: CannotListenError) -> None:
        """The one thing that fails between a good configuration and a running process."""
        reason = error.socketError
        mends = _SOCKET_MENDS if error.interface is None else _PORT_MENDS
        mend = mends.get(getattr(reason, "errno", None) or str(reason))
        setting = getattr(error, "setting", "")
        self._log.critical(
            "cannot listen on {address}{setting}: {reason}{mend}",
            address=_address(error),
            setting=f" ({setting})" if setting else "",
            reason=getattr(reason, "strerror", None) or reason,
            mend=f"; {mend}" if mend else "",
        )

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self._herald.stopping()
        stopped: Deferred[Any] = maybeDeferred(self._inner.stopService)
        stopped.addTimeout(self._grace + LAST_STEPS, self._reactor)
        return stopped.addErrback(self._out_of_time)

    def _out_of_time(self, failure: Failure) -> None:
        failure.trap(defer.TimeoutError)
        self._log.warn("some work did not end within its grace; ending without it")


def supervised(reactor: Any, inner: IService, grace: float, foreground: bool = True) -> IService:
    """The service to run a process with: ``inner``, started and stopped as a process should be.

    Ends the process with status 1 and one line in the log if ``inner`` raises
    :exc:`~twisted.internet.error.CannotListenError` from ``privilegedStartService`` or ``startService``.
    """
    return cast(IService, _Supervised(reactor, inner, grace, foreground))


def _address(error: CannotListenError) -> str:
    if error.interface is None:
        return os.fsdecode(error.port)
    interface = f"[{error.interface}]" if ":" in error.interface else error.interface
    return f"{interface}:{error.port}".removeprefix(":")


def _settle_memory() -> None:
    """What a started process consists of stays: the collector of cycles need not look at it again and again."""
    gc.collect()
    gc.freeze()


def _next_signal_ends_at_once() -> None:
    """Called when the process begins to stop. The system itself ends it then: no code of ours can be in the way."""
    # The first process of a container is spared by the system, unless it asks for signals.
    at_once = _exit if os.getpid() == 1 else signal.SIG_DFL
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, at_once)


def _exit(number: int, frame: object) -> NoReturn:
    os._exit(128 + number)


def run_service(reactor: Any, service: IService) -> None:
    """Run a service in the foreground until SIGINT or SIGTERM."""
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
