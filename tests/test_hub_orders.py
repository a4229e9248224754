"""What follows from heads that are remembered: byte for byte what follows from them without a memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import BadMessage
from slime.http.forwarding import Peer, upstream_fields
from slime.http.head import DEFAULT, RequestHead, serialise_request_head
from slime.http.known import Conclusion, KnownHead, KnownHeads
from slime.http.route import Route
from slime.hub.orders import Order, read_order
from slime.hub.terms import Wishes
from tests.http_strategies import fields, hosts, targets, tokens

PATIENCE = 600.0
PEERS = [
    Peer("192.0.2.1", "http"),
    Peer("192.0.2.1", "https"),
    Peer("2001:db8::7", "http"),
    Peer("unknown", "http"),
    Peer("192.0.2.9", "http", Route()),
    Peer("192.0.2.9", "http", Route("192.0.2.1", 80, (b"192.0.2.1",), b"https", b"far.example", b"for=192.0.2.1")),
]

#: Lines that the hub has an interest in.
LINES = [
    b"Connection: keep-alive, X-Hop",
    b"Connection: close",
    b"Connection: Upgrade, TE, Slime-Request-Id",
    b"X-Hop: 1",
    b"TE: trailers",
    b"Upgrade: websocket",
    b"Keep-Alive: timeout=5",
    b"Proxy-Authorization: Basic eDp5",
    b"Expect: 100-continue",
    b"Forwarded: for=1.2.3.4",
    b"X-Forwarded-For: 1.2.3.4",
    b"X-Forwarded-Host: evil",
    b"X-Forwarded-Port: 1",
    b"x_forwarded_proto: https",
    b"Via: 1.1 before",
    b"Slime-Block: 1",
    b"slime-block: no",
    b"Slime-Retry: yes",
    b"Slime-Scope: gpu",
    b"Slime-Timeout: 5s",
    b"Slime-Timeout: soon",
    b"Slime-Request-Id: 1",
    b"Slime-App-Password: hush",
    b"Max-Forwards: 3",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Host: other.example",
]

methods = st.one_of(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"TRACE"]), tokens)

ORDER: Conclusion[Order] = Conclusion()


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """Heads, most of them good ones, as they come from the socket."""
    line = b"%b %b HTTP/%b" % (draw(methods), draw(targets), draw(st.sampled_from([b"1.1", b"1.0"])))
    host = [b"Host: " + draw(hosts)] if draw(st.integers(0, 9)) else []
    others = [b": ".join(field) for field in draw(fields)]
    known = draw(st.lists(st.sampled_from(LINES), max_size=5))
    return b"\r\n".join([line, *draw(st.permutations([*host, *others, *known])), b""])


class OrderTests(SynchronousTestCase):
    """Orders as the gateway has them: concluded once for each head."""

    def setUp(self) -> None:
        self.heads = KnownHeads(DEFAULT)

    def order(self, head: KnownHead, peer: Peer) -> Order:
        known = head.meaning.conclusions.get(ORDER) or read_order(head, peer, PATIENCE)
        head.meaning.conclusions[ORDER] = known
        return known

    def remembered(self, block: bytes, peer: Peer, number: bytes) -> tuple[Wishes, bytes] | str:
        """Wishes and what is passed on, by way of all that is remembered; or why there is neither."""
        try:
            head, _ = self.heads.read(block)
            order = self.order(head, peer)
        except BadMessage as error:
            return error.detail
        return order.wishes, order.text(head, peer, number)

    def strict(self, block: bytes, peer: Peer, number: bytes) -> tuple[Wishes, bytes] | str:
        """The same without."""
        try:
            head, _ = KnownHeads(DEFAULT).read(block)
            wishes = read_order(head, peer, PATIENCE).wishes
        except BadMessage as error:
            return error.detail
        fields = upstream_fields(head, peer, number)
        return wishes, serialise_request_head(RequestHead(head.method, head.target, b"1.1", fields))

    @settings(max_examples=250)
    @given(st.lists(blocks(), min_size=1, max_size=3), st.data())
    def test_any(self, some: list[bytes], data: st.DataObject) -> None:
        """Any heads, any senders, in any order."""
        self.heads = KnownHeads(DEFAULT)
        comings = st.lists(st.tuples(st.sampled_from(some), st.sampled_from(PEERS)), min_size=3, max_size=12)
        for number, (block, peer) in enumerate(data.draw(comings)):
            came = block, peer, b"7a-%x" % number
            self.assertEqual(self.remembered(*came), self.strict(*came), came)

    def read(self, *lines: bytes, method: bytes = b"GET", peer: Peer = PEERS[0], times: int = 2) -> Order:
        """The order of a head that has come so many times."""
        for _ in range(times):
            head, _ = self.heads.read(b"\r\n".join([method + b" / HTTP/1.1", b"Host: h.example", *lines, b""]))
        return read_order(head, peer, PATIENCE)

    def test_lines(self) -> None:
        """Each line alone, from each sender."""
        for line in LINES:
            block = b"\r\n".join([b"POST /x?y HTTP/1.1", b"Host: h.example", line, b""])
            for peer in PEERS * 2:
                self.assertEqual(self.remembered(block, peer, b"1"), self.strict(block, peer, b"1"), line)

    def test_parts(self) -> None:
        """Most heads that come again are divided; some are not, and those of which nobody knows whether they will."""
        self.assertIsNotNone(self.read(b"Accept: */*").parts)
        self.assertIsNone(self.read(b"Accept: text/html", times=1).parts)
        self.assertIsNone(self.read(b"Forwarded: for=1.2.3.4").parts)
        self.assertIsNone(self.read(method=b"TRACE").parts)
        self.assertIsNone(self.read(peer=PEERS[4]).parts)

    def test_wishes(self) -> None:
        for lines, wishes in (
            ([], Wishes(False, PATIENCE, False, None)),
            ([b"Slime-Block: 1", b"slime-RETRY: on", b"Slime-Scope: gpu"], Wishes(True, PATIENCE, True, "gpu")),
            ([b"Slime-Block: Off", b"Slime-Retry: 0", b"Slime-Scope:"], Wishes(False, PATIENCE, False, None)),
            ([b"Slime-Timeout: 1m", b"Slime-Timeout: 2m"], Wishes(False, 60.0, False, None)),
            ([b"Slime-Timeout: 2h"], Wishes(False, PATIENCE, False, None)),
        ):
            self.assertEqual(self.read(*lines).wishes, wishes)

    def test_wish_that_makes_no_sense(self) -> None:
        """Refused each time."""
        for _ in range(3):
            error = self.assertRaises(BadMessage, self.read, b"Slime-Timeout: soon")
            self.assertIn("Slime-Timeout", error.detail)
