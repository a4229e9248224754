"""How a process starts and ends."""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import subprocess
import sys
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from slime.process import LAST_STEPS, run_service, supervised

TAKEN = "end the program that has the port, or choose another one"
PRIVILEGED = "choose a port above 1023, or let this user have the lower ones (CAP_NET_BIND_SERVICE)"
LOCKED = (
    "end the program that listens there, or choose another file; if there is none, remove the lock, which is beside it "
    "and ends in .lock"
)


def system(number: int) -> OSError:
    """An error as the system reports it."""
    return OSError(number, os.strerror(number))


class Worker(Service):
    """A service that notes what happens to it, and fails to start or stops late when told to."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.seen: list[str] = []
        self.stopped: Deferred[None] | None = None
        self._fault = fault

    def privilegedStartService(self) -> None:
        self.seen.append("privileged")

    def startService(self) -> None:
        self.seen.append("start")
        if self._fault:
            raise self._fault

    def stopService(self) -> Deferred[None] | None:
        self.seen.append("stop")
        return self.stopped


class Case(SynchronousTestCase):
    """A reactor in memory, and the log."""

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))

    def last_message(self) -> str:
        """What the log says last."""
        event = list(self.log)[-1]
        return str(event["log_format"].format(**event))


class StartTests(Case):
    """Starting."""

    def test_passes_on(self) -> None:
        """Both steps of starting reach the service."""
        worker = Worker()
        service: Any = supervised(self.reactor, worker, 30.0)
        service.privilegedStartService()
        service.startService()
        self.assertEqual(worker.seen, ["privileged", "start"])
        self.assertTrue(service.running)

    def test_memory_settles(self) -> None:
        """What a started process consists of is no longer looked at by the collector of cycles."""
        self.addCleanup(gc.unfreeze)
        service: Any = supervised(self.reactor, Worker(), 30.0)
        service.startService()
        self.assertEqual(gc.get_freeze_count(), 0)
        for hook, arguments, keywords in self.reactor.whenRunningHooks:
            hook(*arguments, **keywords)
        self.assertGreater(gc.get_freeze_count(), 1000)

    def refuse(self, error: Exception, foreground: bool) -> str:
        """Start a service that cannot listen; how that ends, and what the log says."""
        service: Any = supervised(self.reactor, Worker(error), 30.0, foreground)
        ending = self.assertRaises(SystemExit if foreground else type(error), service.startService)
        if foreground:
            self.assertEqual(ending.code, 1)
        return self.last_message()

    def said_of(self, interface: str | None, port: int | str | bytes, reason: object, setting: str = "--listen") -> str:
        """The one line that ends a process which cannot listen."""
        error = CannotListenError(interface, port, reason)
        error.setting = setting
        return self.refuse(error, foreground=True)

    def test_no_port(self) -> None:
        """One line ends the process, and says which setting it is about and what to do."""
        for interface, reason, address, mend in (
            ("127.0.0.1", system(errno.EADDRINUSE), "127.0.0.1:80", TAKEN),
            ("", system(errno.EACCES), "80", PRIVILEGED),
            ("2001:db8::1", system(errno.EADDRNOTAVAIL), "[2001:db8::1]:80", "choose an address of this machine"),
            ("x", socket.gaierror(socket.EAI_NONAME, "Unknown"), "x:80", "choose an address of this machine"),
        ):  # fmt: skip
            said = f"cannot listen on {address} (--listen): {reason.strerror}; {mend}"
            self.assertEqual(self.said_of(interface, 80, reason), said)

    def test_no_socket(self) -> None:
        """A UNIX socket has no interface, and the reason may be words."""
        for reason, mend in (
            (system(errno.EADDRINUSE), "remove what is there if no program listens on it, or choose another path"),
            (system(errno.EACCES), "let this user write to the folder, or choose another one"),
            (system(errno.ENOENT), "make the folder, or choose another one"),
            ("Cannot acquire lock", LOCKED),
            (OSError("AF_UNIX path too long"), "choose a shorter one"),
        ):
            words = getattr(reason, "strerror", None) or reason
            said = f"cannot listen on /run/x (--listen): {words}; {mend}"
            self.assertEqual(self.said_of(None, b"/run/x", reason), said)

    def test_other_reasons(self) -> None:
        """They are given as the system gives them, with the setting if it is known."""
        reason = system(errno.ENOBUFS)
        said = reason.strerror
        self.assertEqual(self.said_of("", 80, reason, "--port"), f"cannot listen on 80 (--port): {said}")
        self.assertEqual(self.said_of(None, "/run/x", reason, ""), f"cannot listen on /run/x: {said}")
        self.assertEqual(
            self.refuse(CannotListenError("", 80, reason), foreground=True), f"cannot listen on 80: {said}"
        )

    def test_daemon(self) -> None:
        """A daemon fails the way twistd waits for."""
        self.addCleanup(sys.__dict__.pop, "tracebacklimit")
        error = CannotListenError("", 80, OSError(errno.EADDRINUSE, "Address already in use"))
        self.assertIn("cannot listen", self.refuse(error, foreground=False))
        # The interpreter says it again, in a line.
        self.assertEqual((sys.tracebacklimit, error.__suppress_context__), (0, True))

    def test_other_errors(self) -> None:
        """An error of our own is not dressed up."""
        service: Any = supervised(self.reactor, Worker(ValueError("bug")), 30.0)
        self.assertRaises(ValueError, service.startService)


class StopTests(Case):
    """Stopping."""

    def test_at_once(self) -> None:
        """A service without anything to finish stops at once."""
        worker = Worker()
        self.successResultOf(self.stop(worker))
        self.assertEqual(worker.seen[-1], "stop")

    def stop(self, worker: Worker) -> Deferred[None]:
        """Start and stop a service with a grace of thirty seconds."""
        service: Any = supervised(self.reactor, worker, 30.0)
        service.startService()
        stopping: Deferred[None] = service.stopService()
        return stopping

    def test_waits(self) -> None:
        """What a service finishes is waited for."""
        worker = Worker()
        worker.stopped = Deferred()
        stopping = self.stop(worker)
        self.reactor.advance(29.0)
        self.assertNoResult(stopping)
        worker.stopped.callback(None)
        self.successResultOf(stopping)

    def test_not_for_ever(self) -> None:
        """A service that does not end is ended, some seconds after its own grace."""
        worker = Worker()
        worker.stopped = Deferred()
        stopping = self.stop(worker)
        self.reactor.advance(30.0)
        self.assertNoResult(stopping)
        self.reactor.advance(LAST_STEPS)
        self.successResultOf(stopping)
        self.assertEqual(self.last_message(), "some work did not end within its grace; ending without it")

    def test_failure(self) -> None:
        """A failure to stop is for Twisted to log."""
        worker = Worker()
        worker.stopped = Deferred()
        stopping = self.stop(worker)
        worker.stopped.errback(ValueError("bug"))
        self.failureResultOf(stopping, ValueError)

    def test_second_signal(self) -> None:
        """From the moment the process begins to stop, a signal ends it without more ado."""
        self.assertEqual(self.handlers_while_stopping(), {signal.SIG_DFL})

    def test_first_of_a_container(self) -> None:
        """Signals that the system keeps from a container's first process are asked for."""
        self.patch(os, "getpid", lambda: 1)
        ended: list[int] = []
        self.patch(os, "_exit", ended.append)
        (handler,) = self.handlers_while_stopping()
        handler(signal.SIGTERM, None)
        self.assertEqual(ended, [128 + signal.SIGTERM])

    def handlers_while_stopping(self) -> set[Any]:
        """What SIGINT and SIGTERM do once the process has begun to stop."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number, handler in before.items():
            self.addCleanup(signal.signal, number, handler)
        service: Any = supervised(self.reactor, Worker(), 30.0)
        service.startService()
        ((trigger, arguments, _),) = self.reactor.triggers["before"]["shutdown"]
        trigger(*arguments)
        return {signal.getsignal(number) for number in before}


class RunTests(Case):
    """Running in the foreground."""

    def test_run(self) -> None:
        """The service is started, runs with the reactor, and is stopped with it."""
        worker = Worker()
        run_service(self.reactor, worker)
        self.assertTrue(self.reactor.hasRun)
        self.assertEqual(worker.seen, ["privileged", "start"])
        self.assertIn((worker.stopService, (), {}), self.reactor.triggers["before"]["shutdown"])

    def test_real_signals(self) -> None:
        """In a real process: the first SIGTERM begins to stop, the second ends although work remains."""
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for line in ("started", "stopping"):
            self.assertEqual(process.stdout.readline().strip(), line)
            process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), -signal.SIGTERM)


STUBBORN = """
from twisted.application.service import Service
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from slime.process import run_service, supervised

class Stubborn(Service):
    def startService(self):
        reactor.callWhenRunning(print, "started", flush=True)
    def stopService(self):
        reactor.callLater(0, print, "stopping", flush=True)
        return Deferred()

run_service(reactor, supervised(reactor, Stubborn(), 60.0))
"""


class Punctual(Worker):
    """A service that says when it is ready, and how it is."""

    def __init__(self) -> None:
        super().__init__()
        self.readiness: Deferred[None] = Deferred()

    def when_ready(self) -> Deferred[None]:
        return self.readiness

    def status(self) -> str:
        return "well"


class HeraldTests(Case):
    """What the service manager is told, and when."""

    def setUp(self) -> None:
        super().setUp()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        path = self.mktemp()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.manager.bind(path)
        self.manager.setblocking(False)
        self.patch(os, "environ", {**os.environ, "NOTIFY_SOCKET": path})

    def told(self) -> list[str]:
        """Everything it was told since this was asked last."""
        messages = []
        while True:
            try:
                messages.append(self.manager.recv(1000).decode())
            except BlockingIOError:
                return messages

    def test_readiness(self) -> None:
        """Not before the service is of use."""
        worker = Punctual()
        service: Any = supervised(self.reactor, worker, 30.0)
        service.startService()
        self.assertEqual(self.told(), ["STATUS=well"])
        worker.readiness.callback(None)
        self.assertEqual(self.told(), ["READY=1", "STATUS=well"])
        self.reactor.advance(10.0)
        self.assertEqual(self.told(), ["STATUS=well"])
        service.stopService()
        self.assertEqual(self.told(), ["STOPPING=1"])

    def test_without_a_word(self) -> None:
        """A service that cannot say when is ready at once."""
        service: Any = supervised(self.reactor, Worker(), 30.0)
        service.startService()
        self.assertIn("READY=1", self.told())
