"""SIGHUP."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from slime import hangup
from slime.hangup import Hangup


class Reactor:
    """What is needed of one."""

    def __init__(self) -> None:
        self.stopped = 0

    def callFromThread(self, function: Any) -> None:
        function()

    def stop(self) -> None:
        self.stopped += 1
        if self.stopped > 1:
            raise ReactorNotRunning


class Files:
    """A service with files."""

    reopened = 0
    there = True

    def reopen(self) -> bool:
        self.reopened += 1
        return self.there


class TerminalTests(SynchronousTestCase):
    """A terminal that can be opened is there; one that cannot is gone, or there never was one."""

    def test_terminal(self) -> None:
        for path, expected in (("/dev/null", True), ("/dev/no/such/terminal", False)):
            self.patch(hangup, "_TERMINAL", path)
            self.assertIs(hangup.has_terminal(), expected)


class HangupTests(SynchronousTestCase):
    """What becomes of it."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        # Whoever runs the tests may have ignored it.
        self.addCleanup(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_DFL))
        self.terminal = False
        self.patch(hangup, "has_terminal", lambda: self.terminal)
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    def install(self, service: object) -> None:
        Hangup(self.reactor, service).install()

    def test_reopens(self) -> None:
        """As often as it comes."""
        files = Files()
        self.install(files)
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual((files.reopened, self.reactor.stopped), (2, 0))

    def test_nothing_to_reopen(self) -> None:
        """A service without files goes on, whether it never has any or has none now."""
        without = Files()
        without.there = False
        for service in (object(), without):
            self.install(service)
            signal.raise_signal(signal.SIGHUP)
        self.assertEqual([event["log_format"] for event in self.log], ["SIGHUP: there is no file to open anew"] * 2)
        self.assertEqual(self.reactor.stopped, 0)

    def test_terminal_gone(self) -> None:
        """With its terminal a process stops, in good order; the signal may come twice."""
        files = Files()
        self.terminal = True
        self.install(files)
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual((files.reopened, self.reactor.stopped), (1, 0))
        self.terminal = False
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual((files.reopened, self.reactor.stopped), (1, 2))

    def test_nohup(self) -> None:
        """Who was started to outlive the terminal does."""
        files = Files()
        self.terminal = True
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.install(files)
        self.terminal = False
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual((files.reopened, self.reactor.stopped), (1, 0))
