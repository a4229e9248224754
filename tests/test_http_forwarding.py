"""What is taken out of a message on its way, and what is put in."""

from twisted.trial.unittest import SynchronousTestCase

from slime.http.forwarding import (
    HOP_BY_HOP,
    PROTECTED,
    Peer,
    UpstreamAddress,
    added_fields,
    agent_response_fields,
    client_response_fields,
    rewrite_for_upstream,
    upstream_fields,
)
from slime.http.head import Fields, RequestHead, ResponseHead
from slime.http.route import Route
from tests.http_cases import each_case

HOST = (b"Host", b"h.example")
VIA = (b"Via", b"1.1 slime")

# name: (fields of a request beside Host, those that the upstream sees of them)
REQUEST_FIELDS: dict[str, tuple[Fields, Fields]] = {
    "nothing": ([], []),
    "order_case_and_repetition": (
        [(b"x-B", b"1"), (b"A", b""), (b"X-b", b"2"), (b"a", b"\xff")],
        [(b"x-B", b"1"), (b"A", b""), (b"X-b", b"2"), (b"a", b"\xff")],
    ),
    "hop_by_hop": (
        [
            (b"Connection", b"keep-alive"),
            (b"Keep-Alive", b"timeout=5"),
            (b"Proxy-Connection", b"keep-alive"),
            (b"Proxy-Authorization", b"Basic x"),
            (b"TE", b"gzip"),
            (b"Trailer", b"X"),
            (b"Upgrade", b"foo"),
            (b"X", b"y"),
        ],
        [(b"X", b"y")],
    ),
    "framing": ([(b"Content-Length", b"5"), (b"transfer-encoding", b"chunked")], []),
    "named": ([(b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"x-hop", b"2"), (b"X", b"y")], [(b"X", b"y")]),
    "named_on_two_lines": (
        [(b"Connection", b",x-A ,"), (b"X-a", b"1"), (b"connection", b"\tX-B"), (b"x-b", b"2")],
        [],
    ),
    "named_h2c": ([(b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"A")], []),
    "named_in_vain": ([(b"Connection", b"close, keep-alive, te, upgrade"), (b"Close", b"1")], [(b"Close", b"1")]),
    "named_by_the_hundred": (
        [(b"Connection", b", ".join(b"x-%d" % number for number in range(100))), (b"X-7", b"1"), (b"X-100", b"2")],
        [(b"X-100", b"2")],
    ),
    "slimes_own": ([(b"Slime-Block", b"1"), (b"SLIME-App-Password", b"secret"), (b"Slime", b"x")], [(b"Slime", b"x")]),
    "underscores": (
        [(b"Slime_App_Password", b"secret"), (b"X_Forwarded_For", b"1"), (b"x-forwarded_proto", b"1"),
         (b"X_FORWARDED-Host", b"1"), (b"X_Forwarded", b""), (b"Content_Length", b"5")],
        [(b"X_Forwarded", b""), (b"Content_Length", b"5")],
    ),
    "trailers_wanted": ([(b"TE", b"gzip;q=0.5, Trailers ;q=1"), (b"Connection", b"TE")], [(b"TE", b"trailers")]),
    "trailers_wanted_by_itself": ([(b"te", b"trailers")], [(b"TE", b"trailers")]),
    "trailers_not_wanted": ([(b"TE", b"x;y=trailers, trailersx")], []),
    "expectation": ([(b"Expect", b"100-continue")], [(b"Expect", b"100-continue")]),
    "credentials": ([(b"Authorization", b"Bearer x"), (b"Cookie", b"a=1")],) * 2,
    "route_so_far": ([(b"Via", b"1.1 before")],) * 2,
    "way_that_somebody_claims": (
        [(b"Forwarded", b"for=x"), (b"X-Forwarded-For", b"1.1.1.1"), (b"x-forwarded-x", b"1"), (b"X-Forwarded", b"")],
        [(b"X-Forwarded", b"")],
    ),
}


def passed_on(head: RequestHead) -> Fields:
    """What the upstream sees of ``head``, after hub and agent, less what they added."""
    fields = upstream_fields(head, Peer("192.0.2.1", "http"), b"r1")
    sent = rewrite_for_upstream(
        RequestHead(head.method, head.target, b"1.1", fields), UpstreamAddress(b"up", preserve_host=True)
    )
    added = {b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"Slime-Request-Id", b"Connection",
             b"Forwarded"}  # fmt: skip
    return [field for field in sent.fields if field[0] not in added and field != (b"Via", b"1.1 slime")]


@each_case(REQUEST_FIELDS)
class RequestFieldTests(SynchronousTestCase):
    """RFC 9110 section 7.6.1."""

    def check(self, sent: Fields, seen: Fields) -> None:
        self.assertEqual(passed_on(RequestHead(b"GET", b"/", b"1.1", [HOST, *sent])), [HOST, *seen])

    def test_protected(self) -> None:
        """No field that everybody is to see can be taken away by naming it."""
        claims = {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
        for name in sorted(PROTECTED - claims):
            fields = [(b"Connection", b"x, " + name.upper()), (name, b"1")]
            if name != b"host":
                fields.insert(0, HOST)
            seen = passed_on(RequestHead(b"GET", b"/", b"1.1", fields))
            self.assertIn((name, b"1"), seen)

    def test_hop_by_hop_at_the_agent(self) -> None:
        """An agent removes everything itself: the hub is another program."""
        fields = [HOST, *((name, b"1") for name in HOP_BY_HOP), (b"X", b"y"), (b"Connection", b"z"), (b"Z", b"1")]
        sent = rewrite_for_upstream(RequestHead(b"GET", b"/", b"1.1", fields), UpstreamAddress(b"up"))
        self.assertEqual(sent.fields, [(b"Host", b"up"), (b"X", b"y")])


class RouteTests(SynchronousTestCase):
    """What tells an upstream where a request comes from (RFC 9110 section 7.6.3)."""

    def added(self, *fields: tuple[bytes, bytes], version: bytes = b"1.1", route: Route | None = None) -> Fields:
        head = RequestHead(b"GET", b"/", version, list(fields))
        return upstream_fields(head, Peer("192.0.2.1", "https", route), b"r1")

    def way(self, *fields: tuple[bytes, bytes], route: Route | None = None) -> dict[bytes, bytes]:
        """What is said of the way; nothing twice."""
        said = [field for field in self.added(HOST, *fields, route=route) if b"orwarded" in field[0]]
        self.assertEqual(len(dict(said)), len(said))
        return dict(said)

    def test_added(self) -> None:
        self.assertEqual(
            self.added(HOST),
            [
                HOST,
                (b"X-Forwarded-For", b"192.0.2.1"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-Host", b"h.example"),
                (b"Via", b"1.1 slime"),
                (b"Slime-Request-Id", b"r1"),
            ],
        )

    OURS = {b"X-Forwarded-For": b"192.0.2.1", b"X-Forwarded-Proto": b"https", b"X-Forwarded-Host": b"h.example"}
    OUR_ELEMENT = b"for=192.0.2.1;proto=https;host=h.example"
    CLAIMS = (
        (b"X-Forwarded-For", b"192.0.2.7, 192.0.2.8"),
        (b"x-forwarded-for", b"::1"),
        (b"X-Forwarded-Proto", b"x"),
        (b"x-forwarded-host", b"evil.example"),
        (b"X-Forwarded-Port", b"1"),
        (b"x-forwarded-anything", b"1"),
    )

    def test_claims_are_replaced(self) -> None:
        """Anybody can say anything."""
        self.assertEqual(self.way(*self.CLAIMS), self.OURS)
        claims = ((b"Forwarded", b"for=192.0.2.7"), (b"forwarded", b"for=x"))
        self.assertEqual(self.way(*claims), {**self.OURS, b"Forwarded": self.OUR_ELEMENT})

    def test_proxy_is_continued(self) -> None:
        """A proxy that is trusted is believed, and its word handed on; it need not have said anything."""
        route = Route("203.0.113.7", 0, (b"203.0.113.7", b"10.0.0.1"), b"http", b"app.example", b"for=203.0.113.7")
        passed_by_proxies = (b"X_Forwarded_For", b"198.51.100.1")
        expected = {
            b"X-Forwarded-Port": b"1",
            b"x-forwarded-anything": b"1",
            b"X-Forwarded-For": b"203.0.113.7, 10.0.0.1, 192.0.2.1",
            b"X-Forwarded-Proto": b"http",
            b"X-Forwarded-Host": b"app.example",
        }
        self.assertEqual(self.way(*self.CLAIMS, passed_by_proxies, route=route), expected)
        self.assertEqual(self.way(route=Route()), self.OURS)

    def test_forwarded_is_continued(self) -> None:
        """Where it has been begun; what makes no sense is not continued."""
        said = (b"Forwarded", b"...")
        way = self.way(said, route=Route(forwarded=b"for=203.0.113.7"))
        self.assertEqual(way[b"Forwarded"], b"for=203.0.113.7, " + self.OUR_ELEMENT)
        self.assertEqual(self.way(said, route=Route())[b"Forwarded"], self.OUR_ELEMENT)

    def test_forwarded_without_host(self) -> None:
        fields = self.added((b"Forwarded", b"for=x"), version=b"1.0")
        self.assertIn((b"Forwarded", b"for=192.0.2.1;proto=https"), fields)

    def test_1_0(self) -> None:
        fields = self.added(HOST, (b"Expect", b"100-continue"), version=b"1.0")
        self.assertIn((b"Via", b"1.0 slime"), fields)
        self.assertNotIn(b"Expect", dict(fields))

    def test_no_host(self) -> None:
        """The head that crosses the link is one of HTTP/1.1, and needs a Host; no upstream ever sees it."""
        fields = self.added((b"X", b"y"), version=b"1.0")
        self.assertNotIn(b"X-Forwarded-Host", dict(fields))
        head = RequestHead(b"GET", b"/", b"1.1", fields)
        sent = rewrite_for_upstream(head, UpstreamAddress(b"up:1", preserve_host=True))
        self.assertEqual(sent.fields[:2], [(b"Host", b"up:1"), (b"X", b"y")])


class UpstreamAddressTests(SynchronousTestCase):
    """What an agent makes of a request for its upstream."""

    def rewrite(self, address: UpstreamAddress, *fields: tuple[bytes, bytes], target: bytes = b"/p?q") -> RequestHead:
        return rewrite_for_upstream(RequestHead(b"GET", target, b"1.0", [*fields, HOST]), address)

    def test_host(self) -> None:
        sent = self.rewrite(UpstreamAddress(b"up:1"), (b"X", b"y"))
        self.assertEqual(sent, RequestHead(b"GET", b"/p?q", b"1.1", [(b"X", b"y"), (b"Host", b"up:1")]))

    def test_no_host_at_all(self) -> None:
        sent = rewrite_for_upstream(RequestHead(b"GET", b"/", b"1.1", []), UpstreamAddress(b"up"))
        self.assertEqual(sent.fields, [(b"Host", b"up")])

    def test_host_preserved(self) -> None:
        self.assertEqual(self.rewrite(UpstreamAddress(b"up", preserve_host=True)).fields, [HOST])

    def test_base_path(self) -> None:
        self.assertEqual(self.rewrite(UpstreamAddress(b"up", b"/base")).target, b"/base/p?q")
        self.assertEqual(self.rewrite(UpstreamAddress(b"up", b"/base"), target=b"*").target, b"*")

    def test_authorization(self) -> None:
        sent = self.rewrite(UpstreamAddress(b"up", authorization=b"Basic x"), (b"authorization", b"Bearer y"))
        self.assertEqual(sent.fields, [(b"Host", b"up"), (b"Authorization", b"Basic x")])

    def test_authorization_passed_on(self) -> None:
        sent = self.rewrite(UpstreamAddress(b"up"), (b"Authorization", b"Bearer y"))
        self.assertEqual(sent.fields, [(b"Authorization", b"Bearer y"), (b"Host", b"up")])

    def test_trailers_wanted(self) -> None:
        sent = self.rewrite(UpstreamAddress(b"up"), (b"TE", b"trailers"))
        self.assertEqual(sent.fields, [(b"Host", b"up"), (b"TE", b"trailers"), (b"Connection", b"TE")])

    def test_request_id_passes(self) -> None:
        self.assertIn((b"Slime-Request-Id", b"r1"), self.rewrite(UpstreamAddress(b"up"), ADDED_ID).fields)


ADDED_ID = (b"Slime-Request-Id", b"r1")


class ResponseFieldTests(SynchronousTestCase):
    """What the application sees of an upstream's response."""

    def response(self, *fields: tuple[bytes, bytes], status: int = 200) -> ResponseHead:
        return ResponseHead(b"1.1", status, b"OK", list(fields))

    def test_passed_on(self) -> None:
        fields = [
            (b"Set-Cookie", b"a=1"),
            (b"date", b"now"),
            (b"Set-Cookie", b"b=2"),
            (b"WWW-Authenticate", b"Basic"),
            (b"WWW-Authenticate", b"Bearer"),
            (b"Server", b"x"),
            (b"X", b"\xe9"),
        ]
        head = self.response(*fields)
        self.assertEqual(agent_response_fields(head, b"GET"), fields)
        self.assertEqual(client_response_fields(head), [*fields, VIA])

    def test_hop_by_hop(self) -> None:
        head = self.response(
            *((name, b"1") for name in sorted(HOP_BY_HOP)),
            (b"Connection", b"X-Hop"),
            (b"x-hop", b"secret"),
            (b"Slime-Agent-Id", b"forged"),
            (b"slime-error", b"forged"),
            (b"X", b"y"),
        )
        self.assertEqual(agent_response_fields(head, b"GET"), [(b"X", b"y")])
        self.assertEqual(client_response_fields(head), [(b"X", b"y"), VIA])

    def test_length_that_frames_nothing(self) -> None:
        length = (b"Content-Length", b"5")
        for status, method, expected in (
            (200, b"HEAD", [length]),
            (304, b"GET", [length]),
            (200, b"GET", []),
            (204, b"GET", []),
        ):
            head = self.response(length, status=status)
            self.assertEqual(agent_response_fields(head, method), expected)
            self.assertEqual(client_response_fields(head, method), [*expected, VIA])

    def test_via_1_0(self) -> None:
        head = ResponseHead(b"1.0", 200, b"OK", [(b"Via", b"1.1 before")])
        self.assertEqual(
            client_response_fields(head), [(b"Via", b"1.1 before"), (b"Via", b"1.0 slime")]
        )

    def test_added(self) -> None:
        """Who answered, and the request's number."""
        for agent_id, number in (("a1", b"r1"), ("a1", b"r2"), ("a2", b"r3")):
            self.assertEqual(
                added_fields(agent_id, "quick fox \u2728", number),
                [
                    (b"Slime-Agent-Id", agent_id.encode()),
                    (b"Slime-Agent-Name", b"quick fox \xe2\x9c\xa8"),
                    (b"Slime-Request-Id", number),
                ],
            )
