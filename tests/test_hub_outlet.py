"""Outlet, inlet and what the kernel says of a socket."""

from __future__ import annotations

import socket

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from slime import sockets
from slime.direct import Corks
from slime.hub.channel import ChannelLimits
from slime.hub.inlet import PIPELINE, UPLOAD, Inlet, Wait
from slime.hub.outlet import Outlet
from tests.hub_fixture import MemoryTransport

LIMITS = ChannelLimits(send_timeout=60.0, linger_timeout=2.0)


class TransportTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.transport = MemoryTransport(self.clock)
        self.addCleanup(self.transport.close_sockets)


class Owner:
    def __init__(self) -> None:
        self.told: list[str] = []

    def blocked(self) -> None:
        self.told.append("blocked")

    def drained(self) -> None:
        self.told.append("drained")


class OutletTests(TransportTestCase):
    """Writing."""

    def setUp(self) -> None:
        super().setUp()
        self.owner = Owner()
        self.corks = Corks()
        self.outlet = Outlet(self.owner, self.transport, self.clock.seconds, self.corks)
        self.transport.reading = False

    def test_order(self) -> None:
        """What waits here goes before what comes later, in slices, each as soon as the one before is out."""
        pieces = [b"%d" % (number % 10) * 20_000 for number in range(30)]
        for piece in pieces:
            self.outlet.write(piece)
        self.assertEqual(self.transport.pending, 80_000)
        self.transport.reading = True
        self.transport.take()
        for _ in range(20):
            self.clock.advance(0)
        self.assertEqual(bytes(self.transport.taken), b"".join(pieces))
        self.assertEqual((self.owner.told[0], self.owner.told[-1]), ("blocked", "drained"))

    def test_told_again(self) -> None:
        """A transport may say with every write that it is full."""
        self.outlet.pauseProducing()
        self.outlet.pauseProducing()
        self.assertEqual(self.owner.told, ["blocked"])

    def test_ends_once(self) -> None:
        self.outlet.end(linger=False)
        self.outlet.end(linger=True)
        self.outlet.end_half()
        self.assertEqual(self.transport.ended, "close")

    def test_ends_its_half_first(self) -> None:
        """A half that is closed is not closed again."""
        self.transport.reading = True
        for _ in range(2):
            self.outlet.end_half()
            self.clock.advance(0)
        self.outlet.end(linger=True)
        self.clock.advance(0)
        self.assertEqual(self.transport.ended, "half-closed")

    def test_cut_when_all_has_come(self) -> None:
        """Neither what waits here nor what waits in the kernel is lost."""
        self.outlet.write(b"x" * 100_000)
        self.outlet.write(b"x")
        self.transport.ours.send(b"x")
        self.outlet.cut()
        self.assertEqual((self.outlet.to_be_cut, self.outlet.may_be_cut()), (True, False))
        self.transport.take()
        self.clock.advance(0)
        self.transport.take()
        self.clock.advance(0)
        self.assertEqual((len(self.transport.taken), self.outlet.may_be_cut()), (100_001, False))
        self.transport.theirs.recv(1)
        self.assertEqual((self.transport.ended, self.outlet.has_arrived()), ("", True))
        # TLS may have been given something in this turn.
        self.assertEqual([self.outlet.may_be_cut() for _ in range(2)], [False, True])

    def test_cut_behind_what_was_collected(self) -> None:
        """A kernel that has it may get rid of it; nothing is written once the connection is cut."""
        order: list[object] = []
        self.patch(self.transport, "write", order.append)
        self.patch(self.transport, "abortConnection", lambda: order.append("abort"))
        self.corks.during(lambda: (self.outlet.write(b"the last"), self.outlet.abort()))
        self.outlet.write(b"too late")
        self.assertEqual(order, [b"the last", "abort"])

    def test_told_too_late(self) -> None:
        """When the connection is lost, its owner is not to be bothered."""
        self.outlet.connection_lost()
        self.outlet.pauseProducing()
        self.outlet.resumeProducing()
        self.outlet.abort()
        self.assertEqual((self.owner.told, self.transport.ended), ([], ""))

    def test_stalled(self) -> None:
        """Only when there is something to take, and nothing of it is taken."""
        self.assertFalse(self.outlet.stalled(1000.0, LIMITS))
        self.outlet.write(b"x" * 100_000)
        self.assertFalse(self.outlet.stalled(60.0, LIMITS))
        self.transport.ours.send(b"x" * 1000)
        self.assertFalse(self.outlet.stalled(61.0, LIMITS))
        self.assertFalse(self.outlet.stalled(121.0, LIMITS))
        self.assertTrue(self.outlet.stalled(121.1, LIMITS))


class InletTests(TransportTestCase):
    """Reading."""

    def setUp(self) -> None:
        super().setUp()
        self.inlet = Inlet(self.transport, self.clock.seconds)

    def test_reasons(self) -> None:
        """Paused while there is any, however often it is given."""
        for step, reason, paused in (
            (self.inlet.pause, UPLOAD, True),
            (self.inlet.pause, UPLOAD, True),
            (self.inlet.pause, PIPELINE, True),
            (self.inlet.resume, UPLOAD, True),
            (self.inlet.resume, PIPELINE, False),
            (self.inlet.resume, PIPELINE, False),
        ):
            step(reason)
            self.assertEqual(self.transport.paused, paused)

    def test_deadline(self) -> None:
        self.assertFalse(self.inlet.expired(1000.0))
        self.inlet.wait_for(Wait.BODY, 10.0)
        self.assertEqual((self.inlet.expired(10.0), self.inlet.expired(10.1)), (False, True))

    def test_hung_up(self) -> None:
        """Asked only when nobody is reading; then the kernel knows, even if there is more to be read."""
        self.transport.theirs.send(b"more")
        self.transport.theirs.close()
        self.assertFalse(self.inlet.hung_up())
        self.inlet.pause(UPLOAD)
        self.assertTrue(self.inlet.hung_up())


class SocketTests(SynchronousTestCase):
    """The kernel's word, over TCP."""

    def setUp(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.theirs = socket.create_connection(listener.getsockname())
        self.ours, _ = listener.accept()
        for one in (listener, self.ours, self.theirs):
            self.addCleanup(one.close)
        self.ours.setblocking(False)

    def test_hung_up(self) -> None:
        self.assertFalse(sockets.hung_up(self.ours.fileno()))
        self.theirs.sendall(b"more")
        self.theirs.shutdown(socket.SHUT_WR)
        self.assertTrue(sockets.hung_up(self.ours.fileno()))

    def test_unsent(self) -> None:
        """Falls as the peer reads."""
        self.assertEqual(sockets.unsent(self.ours.fileno()), 0)
        sent = 0
        try:
            while True:
                sent += self.ours.send(b"x" * 65536)
        except BlockingIOError:
            before = sockets.unsent(self.ours.fileno())
        self.assertGreater(before, 0)
        while sent:
            sent -= len(self.theirs.recv(min(sent, 10**6)))
        self.assertLess(sockets.unsent(self.ours.fileno()), before)

    def test_passed(self) -> None:
        """What went each way, whether anybody has read it or not; the socket is as it was."""
        self.ours.send(b"x" * 1000)
        self.theirs.sendall(b"y" * 300)
        self.assertEqual(len(self.theirs.recv(1000)), 1000)
        while sockets.unsent(self.ours.fileno()):
            continue
        # (A connection's first byte that is acknowledged is the one that opens it.)
        acknowledged, received = sockets.passed(self.ours.fileno()) or (0, 0)
        self.assertIn(acknowledged, (1000, 1001))
        self.assertEqual(received, 300)
        self.assertEqual(self.ours.send(b"z"), 1)

    def test_no_socket(self) -> None:
        self.assertEqual((sockets.hung_up(-1), sockets.unsent(-1)), (True, 0))
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertEqual((sockets.passed(-1), sockets.passed(ours.fileno())), (None, None))
