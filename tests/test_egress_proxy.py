"""Proxies as people name them, and what is reached without one."""

from twisted.trial.unittest import SynchronousTestCase

from slime.agent.egress.proxy import ProxyAddress, authority, is_exempt
from slime.values import NO_PROXY, PROXY

#: URL: the proxy it means.
PROXIES = {
    "http://proxy": ProxyAddress("proxy", 80),
    "https://proxy": ProxyAddress("proxy", 443, True),
    "http://Proxy:3128": ProxyAddress("proxy", 3128),
    "http://[::1]:3128": ProxyAddress("::1", 3128),
    "http://us%20er:p%40w%3A@proxy:1": ProxyAddress("proxy", 1, False, b"Basic dXMgZXI6cEB3Og=="),
    "http://user@proxy:1": ProxyAddress("proxy", 1, False, b"Basic dXNlcjo="),
    "http://:word@proxy:1": ProxyAddress("proxy", 1, False, b"Basic OndvcmQ="),
    "http://@proxy:1": ProxyAddress("proxy", 1),
}

#: NO_PROXY: what it exempts, what it does not; each is host and port.
EXEMPT: dict[str, tuple[list[tuple[str, int]], list[tuple[str, int]]]] = {
    "*": ([("a.example", 1), ("::1", 443)], []),
    "a.example": ([("a.example", 1), ("A.Example.", 1), ("b.a.example", 1)], [("ba.example", 1), ("example", 1)]),
    ".a.example": ([("a.example", 1), ("b.a.example", 1)], [("ba.example", 1)]),
    "*.A.example": ([("b.a.example", 1)], [("ba.example", 1)]),
    "a.example:443": ([("a.example", 443)], [("a.example", 80)]),
    "*:80": ([("x", 80)], [("x", 443)]),
    "b, a.example": ([("a.example", 1), ("b", 1)], [("c", 1)]),
    "127.0.0.1": ([("127.0.0.1", 1)], [("127.0.0.2", 1), ("localhost", 1)]),
    "127.0.0.1:81": ([("127.0.0.1", 81)], [("127.0.0.1", 80)]),
    "10.0.0.0/8": ([("10.1.2.3", 1)], [("11.0.0.1", 1), ("10.example", 1)]),
    "10.1.2.3/8": ([("10.9.9.9", 1)], []),
    "::1": ([("::1", 1), ("0:0::1", 1)], [("::2", 1)]),
    "[::1]": ([("::1", 1)], [("::2", 1)]),
    "[fd00::1]:443": ([("fd00::1", 443)], [("fd00::1", 80)]),
    "fd00::/8": ([("fd12::1", 1)], [("fe80::1", 1), ("10.0.0.1", 1)]),
    ".": ([], [("a", 1)]),
    "localhost": ([("localhost", 1)], [("127.0.0.1", 1)]),
}


class ProxyTests(SynchronousTestCase):
    """Its address and its credentials."""

    def test_parse(self) -> None:
        for url, proxy in PROXIES.items():
            self.assertEqual(ProxyAddress.parse(PROXY.parse(url)), proxy, url)

    def test_without_scheme(self) -> None:
        self.assertEqual(ProxyAddress.parse(PROXY.parse("proxy:3128")), ProxyAddress("proxy", 3128))

    def test_no_proxy_at_all(self) -> None:
        """What is something else is refused, and not shown, for it may hold a password."""
        for text in ("", "socks5://proxy", "http://", "http://a/b", "http://a?b", "http://a#b", "a:0", "a:x", "http://[a"):
            error = self.assertRaises(ValueError, PROXY.parse, text)
            self.assertRegex(str(error), "^not an HTTP proxy; write one like")
        self.assertTrue(PROXY.private)

    def test_credentials_are_not_shown(self) -> None:
        proxy = ProxyAddress.parse("http://user:secret@proxy:1")
        self.assertEqual(proxy.label, "proxy:1")
        self.assertNotIn("Basic", repr(proxy))

    def test_authority(self) -> None:
        self.assertEqual([authority("a", 1), authority("::1", 2)], ["a:1", "[::1]:2"])


class ExemptTests(SynchronousTestCase):
    """``NO_PROXY``."""

    def test_exempt(self) -> None:
        for text, (exempt, others) in EXEMPT.items():
            entries = [NO_PROXY.parse(entry) for entry in NO_PROXY.split(text)]  # type: ignore[misc]
            self.assertEqual([place for place in exempt if not is_exempt(*place, entries)], [], text)
            self.assertEqual([place for place in others if is_exempt(*place, entries)], [], text)

    def test_nothing(self) -> None:
        self.assertFalse(is_exempt("localhost", 80, []))
