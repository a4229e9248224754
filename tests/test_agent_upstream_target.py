"""Where upstreams are, and the race to connect to a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostResolution, IResolutionReceiver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.egress.dial import NamedEndpoint
from slime.agent.upstream import UpstreamClient, UpstreamTarget
from slime.errors import ErrorCode
from slime.http.forwarding import UpstreamAddress
from slime.testing_upstream import RecordingSink
from tests.test_agent_upstream import request

GOOD = {
    "localhost:8000": ("http://localhost:8000", UpstreamAddress(b"localhost:8000")),
    "localhost:80": ("http://localhost", UpstreamAddress(b"localhost")),
    "127.0.0.1:8000": ("http://127.0.0.1:8000", UpstreamAddress(b"127.0.0.1:8000")),
    "[::1]:8000": ("http://[::1]:8000", UpstreamAddress(b"[::1]:8000")),
    "http://Model/": ("http://model", UpstreamAddress(b"model")),
    "http://model:80": ("http://model", UpstreamAddress(b"model")),
    "https://model": ("https://model", UpstreamAddress(b"model")),
    "https://model:80/v1/": ("https://model:80/v1", UpstreamAddress(b"model:80", b"/v1")),
    "http://a/b/c": ("http://a/b/c", UpstreamAddress(b"a", b"/b/c")),
    "http://m%C3%BC:p%40%3Aw@model": ("http://model", UpstreamAddress(b"model", b"", b"Basic bcO8OnBAOnc=")),
    "http://user@model": ("http://model", UpstreamAddress(b"model", b"", b"Basic dXNlcjo=")),
    "http://bücher.example": ("http://xn--bcher-kva.example", UpstreamAddress(b"xn--bcher-kva.example")),
    "unix:/run/model.sock": ("unix:/run/model.sock", UpstreamAddress(b"localhost")),
}

BAD = (
    "",
    "localhost",
    "localhost:",
    ":8000",
    "http://",
    "http://:80",
    "localhost:x",
    "localhost:0",
    "localhost:65536",
    "http://[::1",
    "http://a b/",
    "http://a\n/",
    "http://a/?q",
    "http://a/?",
    "http://a/#f",
    "http://a/ü",
    "http://a..b/",
    "http://a,b/",
    "ftp://a/",
    "unix:run/model.sock",
    "http://secret:secret@/",
)


class ParseTests(SynchronousTestCase):
    """The address as people write it."""

    def test_good(self) -> None:
        """All forms; no label shows credentials."""
        for text, (label, address) in GOOD.items():
            target = UpstreamTarget.parse(text)
            self.assertEqual((target.label, target.address), (label, address), text)
            self.assertNotIn("Basic", repr(target))

    def test_origin(self) -> None:
        """The origin has neither path nor credentials."""
        self.assertEqual(UpstreamTarget.parse("http://u:p@model:81/v1").origin, "http://model:81")
        self.assertEqual(UpstreamTarget.parse("unix:/a").origin, "http://localhost")

    def test_bad(self) -> None:
        """What is wrong is said in a sentence without credentials."""
        for text in BAD:
            with self.subTest(text):
                error = self.assertRaises(ValueError, UpstreamTarget.parse, text)
                self.assertRegex(str(error), r"^An? [^\n]+\.$")
                self.assertNotIn("secret", str(error))

    def test_preserve_host(self) -> None:
        """The application's Host may be let through."""
        for text in ("a:1", "unix:/a"):
            self.assertTrue(UpstreamTarget.parse(text, preserve_host=True).address.preserve_host)

    def test_endpoints(self) -> None:
        """Numbers need no name server."""
        kinds = {
            "127.0.0.1:1": TCP4ClientEndpoint,
            "[::1]:1": TCP6ClientEndpoint,
            "localhost:1": NamedEndpoint,
            "unix:/a": UNIXClientEndpoint,
        }
        for text, kind in kinds.items():
            self.assertIsInstance(UpstreamTarget.parse(text).endpoint(MemoryReactorClock(), 1.0), kind)

    def test_client_connects(self) -> None:
        """A client dials where its target says."""
        reactor = MemoryReactorClock()
        UpstreamClient(reactor, UpstreamTarget.parse("127.0.0.1:8000")).start(request(), 0, RecordingSink())
        UpstreamClient(reactor, UpstreamTarget.parse("https://127.0.0.1")).start(request(), 0, RecordingSink())
        UpstreamClient(reactor, UpstreamTarget.parse("unix:/a")).start(request(), 0, RecordingSink())
        self.assertEqual([client[:2] for client in reactor.tcpClients], [("127.0.0.1", 8000), ("127.0.0.1", 443)])
        self.assertEqual(reactor.unixClients[0][0], "/a")

    def test_time_out(self) -> None:
        """Whoever notices it first, it is said in the same words."""
        reactor = MemoryReactorClock()
        sink = RecordingSink()
        UpstreamClient(reactor, UpstreamTarget.parse("127.0.0.1:8000")).start(request(), 0, sink)
        reactor.advance(10)
        self.assertEqual(sink.events, [("failed", ErrorCode.UPSTREAM_UNREACHABLE)])
        self.assertEqual(sink.detail, "it accepts no connection in time")


V6 = IPv6Address("TCP", "::1", 80)
V4 = IPv4Address("TCP", "127.0.0.1", 80)


class Resolver:
    """Knows one name, and can take its time."""

    def __init__(self, addresses: Sequence[IPv4Address | IPv6Address], at_once: bool = True) -> None:
        self.addresses = addresses
        self.at_once = at_once
        self.receiver: Any = None

    def resolveHostName(self, resolutionReceiver: IResolutionReceiver, *_: object) -> IHostResolution:
        resolution: Any = object()
        resolutionReceiver.resolutionBegan(resolution)
        self.receiver = resolutionReceiver
        if self.at_once:
            self.answer()
        return resolution  # type: ignore[no-any-return]

    def answer(self) -> None:
        """Say all that is known."""
        for address in self.addresses:
            self.receiver.addressResolved(address)
        self.receiver.resolutionComplete()


class DialTests(SynchronousTestCase):
    """Connecting to a name with several addresses."""

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.resolver = Resolver([V6, V4])
        self.reactor.nameResolver = self.resolver  # type: ignore[assignment]
        self.endpoint = NamedEndpoint(self.reactor, "localhost", 80, 10.0)

    def connect(self) -> Deferred[Any]:
        """Dial."""
        return self.endpoint.connect(Factory.forProtocol(Protocol))

    @property
    def dialled(self) -> list[str]:
        """Every address dialled so far."""
        return [client[0] for client in self.reactor.tcpClients]

    def accept(self, index: int) -> None:
        """An attempt succeeds."""
        factory = self.reactor.tcpClients[index][2]
        factory.buildProtocol(None).makeConnection(StringTransport())

    def refuse(self, index: int) -> None:
        """An attempt fails."""
        self.reactor.tcpClients[index][2].clientConnectionFailed(None, Failure(Refused()))

    def test_first(self) -> None:
        """The first address that answers is taken, and no second one asked."""
        connected = self.connect()
        self.accept(0)
        self.assertIsInstance(self.successResultOf(connected), Protocol)
        self.reactor.advance(1)
        self.assertEqual(self.dialled, ["::1"])

    def test_refused(self) -> None:
        """After a refusal the next is tried at once, and is first the next time."""
        connected = self.connect()
        self.refuse(0)
        self.assertEqual(self.dialled, ["::1", "127.0.0.1"])
        self.accept(1)
        self.successResultOf(connected)
        self.connect()
        self.assertEqual(self.dialled[2:], ["127.0.0.1"])

    def test_silence(self) -> None:
        """After a silence it is tried beside the first, which may still win; the loser is dropped."""
        connected = self.connect()
        self.reactor.advance(0.2)
        self.assertEqual(self.dialled, ["::1"])
        self.reactor.advance(0.1)
        self.assertEqual(self.dialled, ["::1", "127.0.0.1"])
        self.accept(0)
        self.successResultOf(connected)
        self.assertTrue(self.reactor.connectors[1].stoppedConnecting)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_none(self) -> None:
        """When all refuse, that is the news, as soon as it is known."""
        connected = self.connect()
        self.refuse(0)
        self.assertNoResult(connected)
        self.refuse(1)
        self.failureResultOf(connected, Refused)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one_fails_one_is_silent(self) -> None:
        """One that refuses does not end the wait for another."""
        connected = self.connect()
        self.reactor.advance(0.3)
        self.refuse(0)
        self.assertNoResult(connected)
        self.accept(1)
        self.successResultOf(connected)

    def test_unknown_name(self) -> None:
        """A name without an address."""
        self.resolver.addresses = []
        self.failureResultOf(self.connect(), DNSLookupError)

    def test_cancel(self) -> None:
        """Giving up ends all attempts."""
        connected = self.connect()
        connected.cancel()
        self.failureResultOf(connected)
        self.assertTrue(self.reactor.connectors[0].stoppedConnecting)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancel_while_resolving(self) -> None:
        """An answer to nobody's question does no harm."""
        self.resolver.at_once = False
        connected = self.connect()
        connected.cancel()
        self.failureResultOf(connected)
        self.resolver.answer()
        self.assertEqual(self.dialled, [])
