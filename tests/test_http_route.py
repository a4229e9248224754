"""The way that proxies tell a request came, and whom of them the hub believes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.http.fields import Fields
from slime.http.route import (
    UNKNOWN,
    Route,
    TrustedProxies,
    canonical_address,
    forwarded_element,
    parse_forwarded,
    read_route,
)

PROXIES = TrustedProxies(["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"])

#: X-Forwarded-For: who is believed to be the application.
CLIENTS = {
    b"": ("", 0),
    b"203.0.113.7": ("203.0.113.7", 0),
    b"203.0.113.7, 10.0.0.1": ("203.0.113.7", 0),
    b"198.51.100.1, 203.0.113.7, 10.0.0.1": ("203.0.113.7", 0),
    b"10.0.0.9, 203.0.113.7": ("203.0.113.7", 0),
    b"10.0.0.9,10.0.0.1": ("10.0.0.9", 0),
    b"203.0.113.7:4711": ("203.0.113.7", 4711),
    b"203.0.113.7:99999": ("203.0.113.7", 0),
    b"203.0.113.7:_hidden": ("203.0.113.7", 0),
    b"2001:db8::7": ("2001:db8::7", 0),
    b"[2001:DB8:0::7]": ("2001:db8::7", 0),
    b"[2001:db8::7]:80": ("2001:db8::7", 80),
    b"::ffff:203.0.113.7": ("203.0.113.7", 0),
    b"203.0.113.7, fd00::1": ("203.0.113.7", 0),
    b"unknown": ("", 0),
    b"_hidden, 10.0.0.1": ("10.0.0.1", 0),
    b"203.0.113.7, unknown": ("", 0),
    b"203.0.113.7, unknown, 10.0.0.1": ("10.0.0.1", 0),
    b"203.0.113.7, 1.2.3.4.5": ("", 0),
    b"203.0.113.7, fe80::1%eth0": ("", 0),
    b"203.0.113.7, \xff": ("", 0),
    b"203.0.113.7 10.0.0.1": ("", 0),
}

#: Forwarded: the hops in it.
FORWARDED: dict[bytes, list[dict[bytes, bytes]]] = {
    b"for=192.0.2.43": [{b"for": b"192.0.2.43"}],
    b"For=192.0.2.43;Proto=http;by=203.0.113.43": [{b"for": b"192.0.2.43", b"proto": b"http", b"by": b"203.0.113.43"}],
    b'for="[2001:db8:cafe::17]:4711"': [{b"for": b"[2001:db8:cafe::17]:4711"}],
    b"for=192.0.2.43, for=198.51.100.17": [{b"for": b"192.0.2.43"}, {b"for": b"198.51.100.17"}],
    b'for="_gazonk"; proto=https ;host="h:80"': [{b"for": b"_gazonk", b"proto": b"https", b"host": b"h:80"}],
    b"for=1.2.3.4:80": [{b"for": b"1.2.3.4:80"}],
    b',for=a,, ,for=b;;host="",': [{b"for": b"a"}, {b"for": b"b", b"host": b""}],
    b'secret="a\\"b\\\\,c;d=e"': [{b"secret": b'a"b\\,c;d=e'}],
    b"": [],
    b"for": [],
    b"for=": [],
    b"=x": [],
    b'for="x': [],
    b'for="x"y': [],
    b"for=a for=b": [],
    b"for =a": [],
    b"for=a;for=b": [],
    b"for=a, x": [],
    b"for=\xff": [],
    b" " * 5000 + b"x": [],
    b"for=a" + b" " * 50000 + b"x": [],
    b'for="' + b"\\" * 50001: [],
}


def route(*fields: tuple[bytes, bytes]) -> Route:
    """What is believed of what a trusted proxy says."""
    return read_route(list(fields), PROXIES)


def forwarded_for(value: bytes) -> tuple[bytes, bytes]:
    return (b"X-Forwarded-For", value)


class AddressTests(SynchronousTestCase):
    """Addresses and networks."""

    def test_canonical(self) -> None:
        addresses = {
            "192.0.2.1": "192.0.2.1",
            "::ffff:192.0.2.1": "192.0.2.1",
            "2001:DB8:0:0::1": "2001:db8::1",
            "fe80::1%eth0": "fe80::1",
            "fe80::1%a\nb": "fe80::1",
            "a\nb": None,
            "localhost": None,
            "1.2.3": None,
            "": None,
        }
        self.assertEqual({text: canonical_address(text) for text in addresses}, addresses)

    def test_nobody(self) -> None:
        """Unless somebody is named, nobody is trusted."""
        proxies = TrustedProxies()
        self.assertFalse(proxies.include("127.0.0.1") or proxies.include_sender("127.0.0.1"))
        self.assertFalse(proxies.include_sender(UNKNOWN))

    def test_networks(self) -> None:
        addresses = ("10.255.0.1", "fd12::1", "192.0.2.1", "192.0.2.2", "11.0.0.1", "fe80::1")
        self.assertEqual([PROXIES.include(address) for address in addresses], [True] * 3 + [False] * 3)
        self.assertTrue(PROXIES.include_sender("10.0.0.1"))

    def test_unix(self) -> None:
        """Whoever comes by a UNIX socket; nobody is believed to have come so to a proxy."""
        proxies = TrustedProxies(["unix", "10.0.0.0/8"])
        self.assertTrue(proxies.include_sender(UNKNOWN))
        self.assertFalse(PROXIES.include_sender(UNKNOWN))
        told = read_route([forwarded_for(b"203.0.113.7, unknown")], proxies)
        self.assertEqual(told.client, "")


class ClientTests(SynchronousTestCase):
    """Who is believed to be the application."""

    def test_clients(self) -> None:
        for value, expected in CLIENTS.items():
            found = route(forwarded_for(value))
            self.assertEqual((found.client, found.port), expected, value)

    def test_lines(self) -> None:
        """A list may be spread over lines; all of it is handed on."""
        found = route(forwarded_for(b"x, 203.0.113.7"), forwarded_for(b""), (b"x-forwarded-for", b",10.0.0.1 ,"))
        self.assertEqual((found.client, found.nodes), ("203.0.113.7", (b"x", b"203.0.113.7", b"10.0.0.1")))

    def test_nothing_said(self) -> None:
        self.assertEqual(route((b"Host", b"x")), Route())

    @given(st.lists(st.sampled_from([b"198.51.100.1", b"10.0.0.1", b"unknown"])), st.binary(max_size=20))
    def test_nobody_can_pretend(self, hops: list[bytes], claim: bytes) -> None:
        """What the application claims itself stands before what the proxies say, and changes nothing."""
        said = b", ".join([b"203.0.113.7", *[b"10.0.0.1" for _ in hops]])
        claims = b",".join([*hops, claim.replace(b",", b"")])
        self.assertEqual(route(forwarded_for(claims + b"," + said)).client, "203.0.113.7")


class WordTests(SynchronousTestCase):
    """Scheme and host."""

    def test_scheme(self) -> None:
        for value, expected in (
            (b"https", b"https"), (b"HTTP", b"http"), (b"wss", b"wss"), (b"gopher", None), (b"", None),
        ):
            self.assertEqual(route((b"X-Forwarded-Proto", value)).scheme, expected)

    def test_host(self) -> None:
        self.assertEqual(route((b"X-Forwarded-Host", b"App.example:80")).host, b"App.example:80")
        self.assertIsNone(route((b"X-Forwarded-Host", b"")).host)

    def test_lists(self) -> None:
        """What the same proxy has written as the application's address is taken, not what stands first."""
        hops = forwarded_for(b"198.51.100.1, 203.0.113.7, 10.0.0.1")
        found = route(hops, (b"X-Forwarded-Proto", b"ws, https, http"), (b"X-Forwarded-Host", b"evil, app, inner"))
        self.assertEqual((found.scheme, found.host), (b"https", b"app"))
        short = (b"X-Forwarded-Host", b"app, inner")
        self.assertEqual(route(hops, short).host, b"app")
        found = route(forwarded_for(b"203.0.113.7, 10.0.0.1, 10.0.0.2"), short)
        self.assertIsNone(found.host)


class ForwardedTests(SynchronousTestCase):
    """RFC 7239."""

    def test_parse(self) -> None:
        for value, hops in FORWARDED.items():
            self.assertEqual(parse_forwarded(value), hops, value[:80])

    def test_route(self) -> None:
        """It tells as much as the other fields."""
        value = b'for=x;proto=ws, for="[2001:db8::7]:80";proto=https;host="app:1";by=_a, for=10.0.0.1;proto=http'
        found = route((b"Forwarded", value))
        nodes = (b"x", b"[2001:db8::7]:80", b"10.0.0.1")
        self.assertEqual(found, Route("2001:db8::7", 80, nodes, b"https", b"app:1", value))

    def test_gaps(self) -> None:
        """A hop may say nothing of who came to it, or what would make another list of this."""
        found = route((b"Forwarded", b'by=a, for="1.1.1.1, 2.2.2.2";proto=http'), (b"forwarded", b"for=10.0.0.1"))
        self.assertEqual((found.client, found.nodes), ("10.0.0.1", (b"unknown", b"unknown", b"10.0.0.1")))
        self.assertIsNone(found.scheme)

    def test_both(self) -> None:
        """The fields that everybody speaks count more."""
        found = route((b"Forwarded", b"for=198.51.100.1;proto=http"), forwarded_for(b"203.0.113.7"))
        self.assertEqual((found.client, found.scheme), ("203.0.113.7", None))
        self.assertEqual(found.forwarded, b"for=198.51.100.1;proto=http")

    def test_nonsense(self) -> None:
        self.assertEqual(route((b"Forwarded", b"for=a b")), Route())

    def test_written(self) -> None:
        """What is written can be read."""
        for address, host, text in (
            ("192.0.2.1", b"h", b"for=192.0.2.1;proto=http;host=h"),
            ("2001:db8::1", b"h:80", b'for="[2001:db8::1]";proto=http;host="h:80"'),
            (UNKNOWN, b"", b"for=unknown;proto=http"),
        ):
            self.assertEqual(forwarded_element(address, "http", host), text)
            self.assertEqual(parse_forwarded(text)[0].get(b"host", b""), host)

    @given(st.binary())
    def test_any_value(self, value: bytes) -> None:
        """No value is too much."""
        fields: Fields = [(b"Forwarded", value)]
        self.assertIsInstance(read_route(fields, PROXIES), Route)
