"""Which requests may switch protocols, and which answers do (RFC 9110 section 7.8, RFC 6455 section 4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import BadMessage, ErrorCode
from slime.http.forwarding import Peer as Sender
from slime.http.forwarding import UpstreamAddress, rewrite_for_upstream, upstream_fields
from slime.http.head import Fields, RequestHead, ResponseHead, field_values, tokens
from slime.http.upgrade import Upgrade, switching_fields, wanted_upgrade

# The key and what it leads to are the example of RFC 6455 section 1.3.
KEY = (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")
ACCEPT = (b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
VERSION = (b"Sec-WebSocket-Version", b"13")
CONNECTION = (b"Connection", b"keep-alive, Upgrade")
WEBSOCKET = (b"Upgrade", b"WebSocket")
HANDSHAKE = [(b"Host", b"h"), CONNECTION, WEBSOCKET, KEY, VERSION]
SWITCH = [(b"connection", b"upgrade"), (b"upgrade", b"websocket"), ACCEPT]


def get(fields: Fields, version: bytes = b"1.1", method: bytes = b"GET") -> RequestHead:
    return RequestHead(method, b"/chat", version, fields)


def without(name: bytes, *more: tuple[bytes, bytes]) -> Fields:
    """The handshake with other lines in place of those of one name."""
    return [*(field for field in HANDSHAKE if field[0] != name), *more]


class RequestTests(SynchronousTestCase):
    """What a request may ask for."""

    def test_websocket(self) -> None:
        upgrade = wanted_upgrade(get(HANDSHAKE), 0, ())
        self.assertEqual(upgrade, Upgrade([WEBSOCKET], ACCEPT[1]))
        assert upgrade is not None
        self.assertEqual(upgrade.hop_fields, [WEBSOCKET, (b"Connection", b"Upgrade")])

    def test_names_on_lines_of_their_own(self) -> None:
        fields = without(b"Connection", (b"connection", b"foo"), (b"CONNECTION", b",UPGRADE ,"), (b"Upgrade", b""))
        self.assertIsNotNone(wanted_upgrade(get(fields), 0, ()))

    def test_not_as_it_has_to(self) -> None:
        """Then it is an ordinary request."""
        bad = {
            "nothing asked": [],
            "not named": without(b"Connection"),
            "another one named": without(b"Connection", (b"Connection", b"upgraded, close")),
            "no protocol": without(b"Upgrade"),
            "two protocols": without(b"Upgrade", (b"Upgrade", b"websocket, foo")),
            "two lines": [*HANDSHAKE, WEBSOCKET],
            "another version of it": without(b"Upgrade", (b"Upgrade", b"websocket/2")),
            "no key": without(KEY[0]),
            "two keys": [*HANDSHAKE, KEY],
            "a short key": without(KEY[0], (KEY[0], b"dGhlIHNhbXBsZSBub25jZQ=")),
            "a long key": without(KEY[0], (KEY[0], b"dGhlIHNhbXBsZSBub25jZQAA")),
            "a key of other characters": without(KEY[0], (KEY[0], b"dGhlIHNhbXBsZS-ub25jZQ==")),
            "no version": without(VERSION[0]),
            "two versions": [*HANDSHAKE, VERSION],
            "a list of versions": without(VERSION[0], (VERSION[0], b"13, 8")),
        }
        for name, fields in bad.items():
            self.assertIsNone(wanted_upgrade(get(fields), 0, ()), name)

    def test_wrong_requests(self) -> None:
        self.assertIsNone(wanted_upgrade(get(HANDSHAKE, b"1.0"), 0, ()))
        self.assertIsNone(wanted_upgrade(get(HANDSHAKE, method=b"POST"), 0, ()))
        self.assertIsNone(wanted_upgrade(get(HANDSHAKE), 5, ()))
        self.assertIsNone(wanted_upgrade(get(HANDSHAKE), None, ()))

    def test_other_protocols(self) -> None:
        """Only those that are listed, with any method."""
        fields = without(b"Upgrade", (b"Upgrade", b"TCP"))
        self.assertIsNone(wanted_upgrade(get(fields), 0, {b"foo/2"}))
        upgrade = wanted_upgrade(get(fields, method=b"POST"), 0, {b"tcp"})
        self.assertEqual(upgrade, Upgrade([(b"Upgrade", b"TCP")]))
        self.assertEqual(wanted_upgrade(get(fields), 0), upgrade)

    def test_http_2_has_to_be_listed(self) -> None:
        """Unasked it would be a way past everything."""
        settings = (b"HTTP2-Settings", b"AAMAAABkAAQAoAAA")
        fields = without(b"Upgrade", (b"Upgrade", b"h2c"), settings)
        self.assertIsNone(wanted_upgrade(get(fields), 0, ()))
        upgrade = wanted_upgrade(get(fields), 0, {b"h2c"})
        assert upgrade is not None
        self.assertEqual(upgrade.hop_fields[1:], [settings, (b"Connection", b"Upgrade, HTTP2-Settings")])

    @given(st.sampled_from(HANDSHAKE), st.booleans(), st.permutations(HANDSHAKE))
    def test_each_line_once(self, line: tuple[bytes, bytes], twice: bool, fields: Fields) -> None:
        """In any order; without one of the lines, or with one twice, it is no handshake."""
        self.assertIsNotNone(wanted_upgrade(get(fields), 0, ()))
        changed = [*fields, line] if twice else [field for field in fields if field != line]
        expected = line[0] in (b"Host", b"Connection") if twice else line[0] == b"Host"
        self.assertEqual(wanted_upgrade(get(changed), 0, ()) is not None, expected)


class CrossingTests(SynchronousTestCase):
    """The fields on their way through hub and agent."""

    def test_there(self) -> None:
        """What was asked for arrives; what else belongs to the first hop does not."""
        head = get([*HANDSHAKE, (b"TE", b"trailers"), (b"Keep-Alive", b"9"), (b"Sec-WebSocket-Protocol", b"a, b")])
        upgrade = wanted_upgrade(head, 0, ())
        assert upgrade is not None
        fields = [*upstream_fields(head, Sender("1.2.3.4", "http"), b"id"), *upgrade.hop_fields]
        again = wanted_upgrade(get(fields), 0)
        self.assertEqual(again, upgrade)
        sent = rewrite_for_upstream(get(fields), UpstreamAddress(b"up"), again).fields
        self.assertEqual(field_values(sent, b"upgrade"), [b"WebSocket"])
        self.assertEqual(field_values(sent, b"connection"), [b"Upgrade, TE"])
        self.assertEqual(field_values(sent, b"sec-websocket-protocol"), [b"a, b"])
        self.assertEqual(field_values(sent, b"keep-alive"), [])

    def test_ordinary_requests_ask_for_nothing(self) -> None:
        sent = rewrite_for_upstream(get(HANDSHAKE), UpstreamAddress(b"up")).fields
        self.assertEqual(tokens(sent, b"upgrade") + tokens(sent, b"connection"), [])


class AnswerTests(SynchronousTestCase):
    """Whether an answer switches to what was asked for."""

    def refusal(self, upgrade: Upgrade, *fields: tuple[bytes, bytes]) -> str:
        with self.assertRaises(BadMessage) as caught:
            upgrade.check(ResponseHead(b"1.1", 101, b"", list(fields)))
        self.assertIs(caught.exception.code, ErrorCode.UPSTREAM_BROKE)
        return caught.exception.detail

    def test_websocket(self) -> None:
        upgrade = wanted_upgrade(get(HANDSHAKE), 0)
        assert upgrade is not None
        upgrade.check(ResponseHead(b"1.1", 101, b"", SWITCH))
        other = "it switched to a protocol that was not asked for"
        self.assertEqual(self.refusal(upgrade), other)
        self.assertEqual(self.refusal(upgrade, *SWITCH[1:]), other)
        self.assertEqual(self.refusal(upgrade, SWITCH[0], ACCEPT), other)
        self.assertEqual(self.refusal(upgrade, SWITCH[0], (b"Upgrade", b"websocket, h2c"), ACCEPT), other)
        self.assertEqual(self.refusal(upgrade, *SWITCH, (b"Upgrade", b"websocket")), other)
        unfit = "its Sec-WebSocket-Accept does not fit the request"
        self.assertEqual(self.refusal(upgrade, *SWITCH[:2]), unfit)
        self.assertEqual(self.refusal(upgrade, *SWITCH, ACCEPT), unfit)
        self.assertEqual(self.refusal(upgrade, *SWITCH[:2], (ACCEPT[0], b"s3pPLMBiTxaQ9kYGzzhZRbK+xOO=")), unfit)

    def test_other_protocol(self) -> None:
        upgrade = Upgrade([(b"Upgrade", b"Foo/2")])
        upgrade.check(ResponseHead(b"1.1", 101, b"", [SWITCH[0], (b"Upgrade", b"foo/2")]))
        self.refusal(upgrade, SWITCH[0], (b"Upgrade", b"foo"))

    def test_what_passes_on(self) -> None:
        head = ResponseHead(b"1.1", 101, b"", [(b"Server", b"s"), *SWITCH])
        self.assertEqual(switching_fields(head), [SWITCH[1], (b"Connection", b"Upgrade")])
