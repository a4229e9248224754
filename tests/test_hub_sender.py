"""Who is taken to have sent a request: behind a proxy that is trusted, one that is not, and HAProxy."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from slime.http.route import TrustedProxies
from slime.hub.gateway import GatewayPolicy
from slime.hub.listening import hub_endpoint
from slime.hub.sender import known_address
from tests.hub_fixture import Application, HubTestCase, Wanted

#: What a transport says of its peer: what is made of it.
ADDRESSES: dict[IAddress, IAddress] = {
    IPv4Address("TCP", "192.0.2.7", 80): IPv4Address("TCP", "192.0.2.7", 80),
    IPv6Address("TCP", "2001:DB8::0:7", 80): IPv6Address("TCP", "2001:db8::7", 80),
    IPv6Address("TCP", "::ffff:192.0.2.7", 80): IPv4Address("TCP", "192.0.2.7", 80),
    IPv6Address("TCP", "fe80::1%eth0", 80): IPv6Address("TCP", "fe80::1", 80),
    IPv4Address("TCP", "a\nX: b", 80): UNIXAddress(None),
    UNIXAddress(b"/run/x"): UNIXAddress(b"/run/x"),
}


def told(address: Any) -> str:
    """An address as logs have it."""
    return f"{getattr(address, 'host', '-')}:{getattr(address, 'port', '-')}"


class AddressTests(SynchronousTestCase):
    """Addresses as others are told them."""

    def test_known(self) -> None:
        for address, known in ADDRESSES.items():
            self.assertEqual(known_address(address), known)


class SenderCase(HubTestCase):
    """A proxy at 192.0.2.7, and an agent."""

    def setUp(self) -> None:
        super().setUp()
        self.agent = self.hub.agent()

    def ask(self, app: Application, *fields: bytes) -> dict[bytes, bytes]:
        """What the upstream is told of the request's way."""
        app.get(b"/", *fields)
        fields = dict(self.agent.last.head.fields)
        self.agent.answer()
        return fields

    def noted(self) -> str:
        """Whom the access log names."""
        return told(self.hub.finished[-1].request.client)


class TrustedTests(SenderCase):
    """``--trusted-proxies``, and a proxy that is one."""

    wanted = Wanted(gateway=GatewayPolicy(b"xyzzy", 600.0, TrustedProxies(["192.0.2.0/24"])))
    PASSWORD = b"Slime-App-Password: xyzzy"

    def test_believed(self) -> None:
        way = b"X-Forwarded-For: 198.51.100.1, 203.0.113.7:4711"
        more = b"X-Forwarded-Proto: https", b"X-Forwarded-Port: 443"
        said = self.ask(self.application(), self.PASSWORD, way, *more)
        self.assertEqual(said[b"X-Forwarded-For"], b"198.51.100.1, 203.0.113.7:4711, 192.0.2.7")
        self.assertEqual((said[b"X-Forwarded-Proto"], said[b"X-Forwarded-Port"]), (b"https", b"443"))
        self.assertEqual(self.noted(), "203.0.113.7:4711")

    def test_each_request(self) -> None:
        """Many applications may share a proxy's connection."""
        app = self.application()
        for address in (b"203.0.113.7", b"2001:db8::7"):
            self.ask(app, self.PASSWORD, b"X-Forwarded-For: " + address)
            self.assertEqual(self.noted(), f"{address.decode()}:0")
        self.ask(app, self.PASSWORD)
        self.assertRegex(self.noted(), r"^192\.0\.2\.7:")

    def test_refused(self) -> None:
        """Who sent what the hub refuses is believed as well."""
        self.application().get(b"/", b"X-Forwarded-For: 203.0.113.7")
        self.assertEqual(told(self.hub.answered[-1].peer), "203.0.113.7:0")


class OtherTests(SenderCase):
    """A proxy that is not trusted."""

    wanted = Wanted(gateway=GatewayPolicy(proxies=TrustedProxies(["198.51.100.0/24"])))

    def test_replaced(self) -> None:
        way = (b"X-Forwarded-For: 203.0.113.7", b"X-Forwarded-Port: 443", b"Forwarded: for=203.0.113.7")
        said = self.ask(self.application(), *way)
        self.assertEqual(said[b"X-Forwarded-For"], b"192.0.2.7")
        self.assertEqual(said[b"Forwarded"], b"for=192.0.2.7;proto=http;host=hub.example")
        self.assertNotIn(b"X-Forwarded-Port", said)
        self.assertRegex(self.noted(), r"^192\.0\.2\.7:")


class Told(Application):
    """A client whose address is told by HAProxy."""

    def __init__(self, case: HubTestCase, header: bytes) -> None:
        reactor = MemoryReactorClock()
        hub_endpoint(reactor, "haproxy:tcp:80").listen(case.hub.site)
        super().__init__(case.hub.clock, reactor.tcpServers[0][1])
        case.addCleanup(self.transport.close_sockets)
        self.send(header)


class ToldTests(SenderCase):
    """``haproxy:`` endpoints."""

    wanted = Wanted(gateway=GatewayPolicy(proxies=TrustedProxies(["10.0.0.0/8"])))
    V2 = b"\r\n\r\n\x00\r\nQUIT\n"

    def test_told(self) -> None:
        """By the first version of the protocol or the second, for all requests of the connection."""
        addresses = b"\xcb\x00\x71\x07\xc0\x00\x02\x07\x12\x67\x00\x50"
        for header in (b"PROXY TCP4 203.0.113.7 192.0.2.7 4711 80\r\n", self.V2 + b"\x21\x11\x00\x0c" + addresses):
            app = Told(self, header)
            for _ in range(2):
                self.assertEqual(self.ask(app)[b"X-Forwarded-For"], b"203.0.113.7")
                self.assertEqual(self.noted(), "203.0.113.7:4711")

    def test_told_by_itself(self) -> None:
        """HAProxy asks whether we are well."""
        for header in (b"PROXY UNKNOWN \r\n", self.V2 + b"\x20\x00\x00\x00"):
            self.assertEqual(self.ask(Told(self, header))[b"X-Forwarded-For"], b"192.0.2.7")

    def test_told_nonsense(self) -> None:
        """No address; least of all one that would be a field of its own."""
        for address in (b"a\nX-Evil:1", b"203.0.113.7,", b"localhost"):
            said = self.ask(Told(self, b"PROXY TCP4 %b 192.0.2.7 4711 80\r\n" % address))
            self.assertEqual(said[b"X-Forwarded-For"], b"unknown")
            self.assertEqual(self.noted(), "-:-")

    def test_trusted_behind_it(self) -> None:
        """Whether a proxy is trusted is decided by the address that was told."""
        for address, believed in ((b"10.0.0.1", b"198.51.100.1, 10.0.0.1"), (b"203.0.113.7", b"203.0.113.7")):
            app = Told(self, b"PROXY TCP4 %b 192.0.2.7 4711 80\r\n" % address)
            self.assertEqual(self.ask(app, b"X-Forwarded-For: 198.51.100.1")[b"X-Forwarded-For"], believed)

    def test_nothing_told(self) -> None:
        """Who does not speak it is not heard at all."""
        app = Told(self, b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        self.assertTrue(app.gone)
        self.assertEqual((app.received, self.agent.streams), (b"", {}))
