"""The event loop of slime's own processes, and what of Twisted's it relies on."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor as the_tests_reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

import slime.reactor
from slime.reactor import LeanReactor, install


class Noted(Protocol):
    """Notes what happens, and does something about it."""

    def __init__(self, then: Callable[[bytes], object] = bytes) -> None:
        self.got: list[bytes] = []
        self.then = then

    def dataReceived(self, data: bytes) -> None:
        self.got.append(data)
        self.then(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.got.append(b"lost")
        self.then(b"lost")


def fail(data: bytes) -> None:
    raise ValueError(data)


def fail_at_the_end(data: bytes) -> None:
    if data == b"lost":
        raise ValueError(data)


class LeanReactorTests(SynchronousTestCase):
    """One turn at a time, as with Twisted's own."""

    def setUp(self) -> None:
        self.adopted: list[Noted] = []
        self.addCleanup(self.close_all)
        self.reactor: Any = LeanReactor()
        self.addCleanup(self.reactor._poller.close)
        self.addCleanup(self.reactor.removeAll)

    def close_all(self) -> None:
        for protocol in self.adopted:
            transport: Any = protocol.transport
            if hasattr(transport, "socket"):  # one that is lost has none
                transport.socket.close()

    def connection(self, protocol: Noted) -> socket.socket:
        """The far end of a connection to the protocol."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        with ours:
            ours.setblocking(False)
            self.reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: protocol))
        self.adopted.append(protocol)
        return theirs

    def turn(self) -> None:
        self.reactor.runUntilCurrent()
        self.reactor.doIteration(5.0)

    def test_reads_and_writes(self) -> None:
        """Events reach whoever they are for."""
        noted = Noted()
        peer = self.connection(noted)
        peer.send(b"hello")
        self.turn()
        assert noted.transport is not None
        noted.transport.write(b"and you")
        self.turn()
        self.assertEqual((noted.got, peer.recv(100)), ([b"hello"], b"and you"))

    def test_failures(self) -> None:
        """Whoever raises, be it when told of its end, loses its connection; all others go on."""
        bad, worse, good = Noted(fail), Noted(fail_at_the_end), Noted()
        self.connection(bad).send(b"x")
        self.connection(worse).close()
        self.connection(good).send(b"x")
        self.turn()
        self.assertEqual((bad.got, worse.got, good.got), ([b"x", b"lost"], [b"lost"], [b"x"]))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 3)

    def test_no_longer_watched(self) -> None:
        """What one handler takes off the reactor's list is not handled any more in this turn."""
        def rival(other: int) -> Callable[[bytes], object]:
            return lambda data: both[other].transport.pauseProducing()

        both: list[Any] = [Noted(rival(1)), Noted(rival(0))]
        for one in both:
            self.connection(one).send(b"x")
        self.turn()
        self.assertEqual(sorted([both[0].got, both[1].got]), [[], [b"x"]])

    def test_no_time(self) -> None:
        """Without a limit the wait is for an event, whenever it comes."""
        noted = Noted()
        self.connection(noted).send(b"x")
        self.reactor.doIteration(None)
        self.assertEqual(noted.got, [b"x"])


class InstallTests(SynchronousTestCase):
    """Making it the reactor of a process."""

    def setUp(self) -> None:
        self.installed: list[Any] = []
        self.patch(slime.reactor, "installReactor", self.installed.append)

    def test_first(self) -> None:
        """In a process that has none yet."""
        self.patch(slime.reactor, "sys", SimpleNamespace(modules={}))
        install()
        (reactor,) = self.installed
        self.addCleanup(reactor._poller.close)
        self.addCleanup(reactor.removeAll)
        self.assertIsInstance(reactor, LeanReactor)

    def test_late(self) -> None:
        """Who has chosen a reactor keeps it."""
        install()
        self.assertEqual(self.installed, [])
        self.assertNotIsInstance(the_tests_reactor, LeanReactor)

    def test_no_epoll(self) -> None:
        """Elsewhere Twisted's own choice stands."""
        self.addCleanup(setattr, select, "epoll", select.epoll)
        del select.epoll
        spec = find_spec("slime.reactor")
        assert spec is not None
        assert spec.loader is not None
        elsewhere = module_from_spec(spec)
        spec.loader.exec_module(elsewhere)
        self.patch(elsewhere, "installReactor", self.installed.append)
        self.patch(elsewhere, "sys", SimpleNamespace(modules={}))
        elsewhere.install()
        self.assertEqual(self.installed, [])
