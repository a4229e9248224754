"""The channel over TLS, which Twisted's transports close, pause and count in ways of their own; in memory."""

from __future__ import annotations

import gc
import weakref

from OpenSSL import SSL
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.server import Site

from slime.errors import ErrorCode
from slime.hub.channel import ChannelLimits
from tests.certificates import self_signed
from tests.hub_fixture import Application, Hub, HubTestCase, MemoryTransport, Response, Wanted, read_responses, request

CERTIFICATE = self_signed("hub.example").options()
CHUNKED = b"Transfer-Encoding: chunked"


class SecureApplication(Application):
    """A client that speaks TLS."""

    def __init__(self, hub: Hub) -> None:
        self.clock = hub.clock
        self.transport = MemoryTransport(hub.clock)
        factory = TLSMemoryBIOFactory(CERTIFICATE, False, hub.site, hub.clock)
        self.transport.protocol = factory.buildProtocol(self.transport.getPeer())
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_alpn_protos([b"h2", b"http/1.1"])
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        self.heard = b""
        self.closed = False
        self.transport.protocol.makeConnection(self.transport)
        self.channel = self.transport.protocol.wrappedProtocol

    def handshake(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                break
            except SSL.WantReadError:
                self.exchange()
        self.exchange()

    def exchange(self) -> None:
        """Carry records both ways until there are none."""
        moved = True
        while moved:
            moved = False
            try:
                self.transport.deliver(self.tls.bio_read(10**6))
                moved = True
            except SSL.WantReadError:
                pass
            self.clock.advance(0)
            if self.transport.taken:
                taken, self.transport.taken = bytes(self.transport.taken), bytearray()
                self.tls.bio_write(taken)
                moved = True
            self.hear()

    def hear(self) -> None:
        try:
            while not self.closed:
                self.heard += self.tls.recv(10**6)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.tls.send(piece)
            self.exchange()

    def say_goodbye(self) -> None:
        self.tls.shutdown()
        self.exchange()

    def responses(self, *methods: bytes) -> list[Response]:
        self.exchange()
        return list(read_responses(self.heard, methods, self.closed or self.transport.lost))


class TlsTests(HubTestCase):
    """One application, one agent."""

    wanted: Wanted | None = None

    def setUp(self) -> None:
        super().setUp()
        self.begin()

    def begin(self) -> None:
        self.agent = self.hub.agent()
        self.app = SecureApplication(self.hub)
        self.addCleanup(self.app.transport.close_sockets)
        self.app.handshake()

    def test_conversation(self) -> None:
        self.app.send(request(b"/1") + request(b"/2", method=b"POST", body=b"hello"))
        self.agent.answer(body=b"one")
        self.assertEqual(self.agent.last.body, b"hello")
        self.agent.answer(body=b"two")
        self.assertEqual([response.body for response in self.app.responses()], [b"one", b"two"])
        self.assertFalse(self.app.closed)

    def test_secure(self) -> None:
        """The upstream is told, and the socket's options are set."""
        self.app.send(request())
        self.assertIn((b"X-Forwarded-Proto", b"https"), self.agent.last.head.fields)
        self.assertTrue(self.app.transport.options["no delay"])

    def test_only_http_1(self) -> None:
        """HTTP/2 would go past everything that the channel checks."""
        self.assertEqual(self.app.tls.get_alpn_proto_negotiated(), b"http/1.1")
        self.assertEqual(Site.acceptableProtocols(self.hub.site)[-1], b"http/1.1")

    def test_closes(self) -> None:
        """Nothing else would close such a connection as long as a producer is registered."""
        self.app.send(request(b"/", b"Connection: close"))
        self.agent.answer(body=b"x" * 10**6)
        [response] = self.app.responses()
        self.assertEqual((len(response.body), response.complete, self.app.closed), (10**6, True, True))
        self.app.say_goodbye()
        self.assertTrue(self.app.transport.lost)

    def test_closes_on_somebody_who_does_not(self) -> None:
        """The hub says goodbye and listens for a while, as with a half-closed connection."""
        self.app.send(request(b"/", CHUNKED, method=b"POST"))
        self.agent.answer(b"413 Too Large", b"big")
        self.app.exchange()
        self.assertTrue(self.app.closed)
        self.app.send(b"more\r\n")
        self.assertFalse(self.app.transport.lost)
        self.hub.wait(4)
        self.assertTrue(self.app.transport.lost)

    def test_garbage_behind_a_refusal(self) -> None:
        """TLS delivers what it has after the end: nobody looks at it."""
        self.app.send(b"nonsense\r\n\r\n", request(), b"nonsense")
        self.assertEqual([response.status for response in self.app.responses()], [400])
        self.assertEqual(self.agent.streams, {})

    def test_cut_short(self) -> None:
        """TLS keeps what is written for a turn; it is the application's all the same if the answer breaks off then."""
        self.app.send(request())
        self.agent.started()
        self.agent.head(b"200 OK", 9)
        self.agent.data(b"bad")
        self.agent.confirm(code=ErrorCode.UPSTREAM_BROKE)
        [response] = self.app.responses()
        self.assertEqual((response.body, response.complete), (b"bad", False))

    def test_leaving(self) -> None:
        self.app.send(request())
        self.app.say_goodbye()
        self.hub.clock.advance(0)
        self.assertIsNotNone(self.agent.last.reset)

    def test_slow_reader(self) -> None:
        self.app.send(request())
        self.app.transport.reading = False
        self.agent.head(b"200 OK")
        while not self.app.channel.write_blocked:
            self.agent.data(b"x" * 16384)
            self.hub.clock.advance(0)
        before = self.agent.last.consumed
        self.agent.data(b"x" * 16384)
        self.assertEqual(self.agent.last.consumed, before)
        self.app.transport.reading = True
        for _ in range(5):
            self.app.transport.take()
            self.app.exchange()
        self.assertGreater(self.agent.last.consumed, before)
        self.assertFalse(self.app.channel.write_blocked)

    def test_slow_reader_is_cut_off(self) -> None:
        self.app.send(request())
        self.app.transport.reading = False
        self.agent.head(b"200 OK")
        for _ in range(10):
            self.agent.data(b"x" * 16384)
            self.hub.clock.advance(0)
        self.hub.wait(62)
        self.assertTrue(self.app.transport.lost)
        self.assertIsNotNone(self.agent.last.reset)

    def test_no_handshake(self) -> None:
        """It is part of the head's time."""
        silent = SecureApplication(self.hub)
        self.addCleanup(silent.transport.close_sockets)
        self.hub.wait(32)
        self.assertTrue(silent.transport.lost)

    def test_too_many_connections(self) -> None:
        self.rebuild(Wanted(ChannelLimits(max_connections=1)))
        self.begin()
        late = SecureApplication(self.hub)
        self.addCleanup(late.transport.close_sockets)
        self.hub.clock.advance(0)
        self.assertTrue(late.transport.lost)
        self.hub.site.sweep()

    def test_memory(self) -> None:
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        self.app.send(request())
        self.agent.answer()
        self.app.exchange()
        gone = weakref.ref(self.app.channel)
        self.app.say_goodbye()
        self.hub.clock.advance(0)
        self.app.transport.close_sockets()
        del self.app
        self.assertIsNone(gone())
