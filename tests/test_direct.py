"""Writes that go straight to the socket, and work whose writes go out in one piece."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from slime.direct import Cork, Corks, DirectWriter, connection_below, is_delivered


class Sink(Protocol):
    """Counts what arrives, and may be slow to take it."""

    def __init__(self) -> None:
        self.got = b""
        self.wanted = 0
        self.enough: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.got += data
        if len(self.got) >= self.wanted and not self.enough.called:
            self.enough.callback(self.got)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)


class DirectWriterTests(TestCase):
    """On a real socket, since it is Twisted's own buffers that it must not overtake."""

    async def setUp(self) -> None:
        self.sink = Sink()
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Factory.forProtocol(lambda: self.sink)
        )
        self.addCleanup(port.stopListening)
        source = Sink()
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await endpoint.connect(Factory.forProtocol(lambda: source))
        self.transport: Any = source.transport
        self.addCleanup(lambda: source.lost)
        self.addCleanup(self.transport.abortConnection)
        self.writer = DirectWriter(self.transport)

    async def test_at_once(self) -> None:
        """Nothing is left to the reactor: what Twisted would keep is empty."""
        self.sink.wanted = 5
        self.writer.write(b"hello")
        self.assertEqual((self.transport.dataBuffer, self.transport._tempDataBuffer), (b"", []))
        self.assertEqual(await self.sink.enough, b"hello")

    async def test_behind_what_waits(self) -> None:
        """Bytes are never overtaken, whichever way those before them took."""
        pieces = [bytes([65 + n % 26]) * 100_000 for n in range(120)]
        expected = b"".join(pieces)
        self.sink.wanted = len(expected)
        for n, piece in enumerate(pieces):
            (self.writer if n % 3 else self.transport).write(piece)
        self.assertTrue(self.transport._tempDataBuffer or self.transport.dataBuffer, "nothing had to wait")
        self.assertFalse(is_delivered(self.transport))
        self.assertEqual(await self.sink.enough, expected)

    async def test_closing(self) -> None:
        """Between the wish to close and the close, writes are the transport's own affair."""
        self.sink.wanted = 5
        self.writer.write(b"hello")
        self.transport.loseConnection()
        self.writer.write(b" again")
        await self.sink.lost
        self.assertEqual(self.sink.got, b"hello again")


class PlainWriterTests(SynchronousTestCase):
    """On a transport that is no socket, such as TLS."""

    def test_as_ever(self) -> None:
        transport = StringTransport()
        DirectWriter(transport).write(b"hello")
        self.assertEqual(transport.value(), b"hello")
        self.assertIsNone(connection_below(transport))


class BrokenConnectionTests(TestCase):
    """A socket that fails."""

    async def test_left_to_the_reactor(self) -> None:
        sink, source = Sink(), Sink()
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(lambda: sink))
        self.addCleanup(port.stopListening)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await endpoint.connect(Factory.forProtocol(lambda: source))
        transport: Any = source.transport
        transport.socket.shutdown(1)
        DirectWriter(transport).write(b"hello")
        self.assertFalse(source.lost.called)
        await source.lost
        await sink.lost


class CorkTests(SynchronousTestCase):
    """What is written while work goes on."""

    def setUp(self) -> None:
        self.sent: list[bytes] = []
        self.corks = Corks()
        self.cork = Cork(self.corks, self.sent.append)

    def test_no_work(self) -> None:
        self.cork.write(b"a")
        self.cork.write(b"b")
        self.assertEqual(self.sent, [b"a", b"b"])

    def test_one_piece(self) -> None:
        other = Cork(self.corks, self.sent.append)

        def work() -> None:
            self.cork.write(b"a")
            other.write(b"x")
            self.corks.during(self.cork.write, b"b")
            self.assertEqual(self.sent, [])

        self.corks.during(work)
        self.assertEqual(sorted(self.sent), [b"ab", b"x"])

    def test_pulled_early(self) -> None:
        """What must be out before something else happens goes out."""

        def work() -> None:
            self.cork.write(b"a")
            self.cork.pull()
            self.assertEqual(self.sent, [b"a"])
            self.cork.write(b"b")

        self.corks.during(work)
        self.assertEqual(self.sent, [b"a", b"b"])

    def test_dropped(self) -> None:
        """Nothing is sent any more, whoever is to send it."""
        def work() -> None:
            self.cork.write(b"a")
            self.cork.drop()

        self.corks.during(work)
        self.cork.turn_to(self.sent.append)
        self.cork.write(b"b")
        self.assertEqual(self.sent, [])

    def test_turned(self) -> None:
        """What has been collected is sent by whoever is to send now."""
        others: list[bytes] = []

        def work() -> None:
            self.cork.write(b"a")
            self.cork.turn_to(others.append)

        self.corks.during(work)
        self.assertEqual((self.sent, others), ([], [b"a"]))

    def test_failed_work(self) -> None:
        """What was written before the failure is out, and the next piece of work starts afresh."""

        def work() -> None:
            self.cork.write(b"a")
            raise ValueError("no more")

        self.assertRaises(ValueError, self.corks.during, work)
        self.assertEqual(self.sent, [b"a"])
        self.assertFalse(self.corks.busy)
