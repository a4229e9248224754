"""The way through a proxy: what it is asked, and everything that it may answer."""

from __future__ import annotations

from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, DNSLookupError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from slime import __version__
from slime.agent.egress import ProxyError, ProxyRefusal
from slime.agent.egress.connect import MAX_ANSWER, ConnectEndpoint
from slime.agent.egress.proxy import ProxyAddress

ADDRESS = IPv4Address("TCP", "192.0.2.1", 3128)

#: What a proxy says first: what is made of it.
NO_WAY: dict[bytes, str] = {
    b"HTTP/1.1 403 Forbidden\r\n\r\n": "it allows no connection to hub.example:443 (status 403)",
    b"HTTP/1.0 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nhi": (
        "it wants a user and a password, or others than it was given (status 407)"
    ),
    b"HTTP/1.1 502 No\r\n\r\n": "it cannot reach hub.example:443 (status 502)",
    b"HTTP/1.1 503 No\r\n\r\n": "it cannot reach hub.example:443 (status 503)",
    b"HTTP/1.1 504 No\r\n\r\n": "it cannot reach hub.example:443 in time (status 504)",
    b"HTTP/1.1 405 No\r\n\r\n": "it does not connect to hub.example:443 (status 405)",
    b"HTTP/1.1 302 There\r\nLocation: /\r\n\r\n": "it does not connect to hub.example:443 (status 302)",
    b"HTTP/1.1 101 Well\r\n\r\n": "it does not connect to hub.example:443 (status 101)",
    b"SSH-2.0\r\n\r\n": "its answer is not HTTP: ",
    b"HTTP/1.1 200 OK\r\n folded\r\n\r\n": "its answer is not HTTP: ",
    b"x" * (MAX_ANSWER + 1): "its answer has no end",
}


class Inner(Protocol):
    """Whoever speaks through the proxy."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.heard.append(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost = reason


class Way:
    """The endpoint of the proxy."""

    def __init__(self) -> None:
        self.connecting: Deferred[Any] = Deferred()
        self.factory: Any = None

    def connect(self, factory: Any) -> Deferred[Any]:
        self.factory = factory
        return self.connecting

    def accept(self) -> StringTransport:
        """The proxy is connected to."""
        self.guide = self.factory.buildProtocol(ADDRESS)
        self.transport = StringTransport()
        self.guide.makeConnection(self.transport)
        self.connecting.callback(self.guide)
        return self.transport


class ConnectTests(SynchronousTestCase):
    """One attempt."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.way = Way()

    def connect(self, authorization: bytes | None = None) -> Deferred[Any]:
        """Set out."""
        proxy = ProxyAddress("proxy", 3128, False, authorization)
        way = cast(IStreamClientEndpoint, self.way)
        endpoint = ConnectEndpoint(self.clock, way, proxy, "hub.example:443", 5.0)
        return endpoint.connect(Factory.forProtocol(Inner))

    def failure(self, connecting: Deferred[Any], kind: type[Exception] = ProxyError) -> str:
        """The words it failed with."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        words = str(self.failureResultOf(connecting, kind).value)
        self.assertNotIn("\n", words)
        return words

    def test_asked(self) -> None:
        self.connect()
        agent = b"User-Agent: slime/%b" % __version__.encode()
        lines = [b"CONNECT hub.example:443 HTTP/1.1", b"Host: hub.example:443", agent, b"", b""]
        self.assertEqual(self.way.accept().value(), b"\r\n".join(lines))

    def test_asked_with_credentials(self) -> None:
        self.connect(b"Basic dTpw")
        self.assertIn(b"\r\nProxy-Authorization: Basic dTpw\r\n\r\n", self.way.accept().value())

    def test_open(self) -> None:
        """From then on the two ends have each other; a 2xx answer to CONNECT has no body, whatever it says."""
        connecting = self.connect()
        transport = self.way.accept()
        for byte in b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n":
            self.assertNoResult(connecting)
            self.way.guide.dataReceived(bytes([byte]))
        inner = self.successResultOf(connecting)
        self.assertIsInstance(inner, Inner)
        self.assertIs(inner.transport, transport)
        self.way.guide.dataReceived(b"hello")
        self.way.guide.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(inner.heard, [b"hello"])
        self.assertTrue(inner.lost.check(ConnectionDone))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_open_and_more(self) -> None:
        """What the other end says at once is not lost."""
        connecting = self.connect()
        self.way.accept()
        self.way.guide.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n220 ready")
        self.assertEqual(self.successResultOf(connecting).heard, [b"220 ready"])

    def test_no_way(self) -> None:
        for answer, words in NO_WAY.items():
            with self.subTest(answer[:20]):
                self.setUp()
                connecting = self.connect()
                transport = self.way.accept()
                self.way.guide.dataReceived(answer)
                self.assertTrue(self.failure(connecting).startswith(f"the proxy proxy:3128: {words}"))
                self.assertTrue(transport.disconnecting or transport.disconnected)
                self.way.guide.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
                self.way.guide.connectionLost(Failure(ConnectionDone()))

    def test_refusals(self) -> None:
        """What will be said again is told apart."""
        for status, kind in ((403, ProxyRefusal), (407, ProxyRefusal), (502, ProxyError)):
            self.setUp()
            connecting = self.connect(b"Basic c2VjcmV0")
            self.way.accept()
            self.way.guide.dataReceived(b"HTTP/1.1 %d No\r\n\r\n" % status)
            self.assertIs(self.failureResultOf(connecting).type, kind)

    def test_silence(self) -> None:
        connecting = self.connect()
        transport = self.way.accept()
        self.clock.advance(4.9)
        self.assertNoResult(connecting)
        self.clock.advance(0.2)
        self.assertEqual(self.failure(connecting), "the proxy proxy:3128: it does not answer")
        self.assertTrue(transport.disconnected)

    def test_given_up(self) -> None:
        """Whoever waits for the connection loses patience first."""
        connecting = self.connect()
        transport = self.way.accept()
        connecting.cancel()
        self.assertEqual(self.failure(connecting), "the proxy proxy:3128: it does not answer")
        self.assertTrue(transport.disconnected)

    def test_closed(self) -> None:
        connecting = self.connect()
        self.way.accept()
        self.way.guide.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.failure(connecting), "the proxy proxy:3128: it closed the connection")

    def test_tls_fails(self) -> None:
        connecting = self.connect()
        self.way.accept()
        self.way.guide.connectionLost(Failure(SSL.Error([("SSL routines", "", "certificate verify failed")])))
        self.assertIn("the proxy proxy:3128: TLS: its certificate is out of date", self.failure(connecting))

    def test_unreachable(self) -> None:
        for error, words in ((Refused(), "Connection was refused"), (DNSLookupError("x"), "DNS lookup failed: x")):
            self.setUp()
            connecting = self.connect()
            self.way.connecting.errback(error)
            self.assertTrue(self.failure(connecting).startswith(f"the proxy proxy:3128 cannot be reached: {words}"))
