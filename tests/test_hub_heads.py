"""Heads of answers on their way to applications: remembered ones are as strict and as exact as all others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import LocalProtocolError, RemoteProtocolError
from slime.http.forwarding import added_fields, client_response_fields
from slime.http.head import Fields, ResponseHead, rest_of_head, serialise_response_head
from slime.hub.heads import LONGEST, REMEMBERED, _known, answer_start, read_head
from slime.tunnel.frames import Head
from tests.http_strategies import fields

OK = b"HTTP/1.1 200 OK\r\n"
ADDED = added_fields("a1", "quick fox", b"r1")

#: Few enough words of heads that the same come again, in other company: with a length where there is a body or none, as
#: interim heads or final ones, to any method; some of them are no heads, or none of these kinds.
statuses = st.sampled_from([b"200 OK", b"204 No", b"304 ", b"103 Early", b"101 Switch", b"999"])
some = st.sampled_from(
    [b"", b"X: y\r\n", b"date: now\r\nConnection: X\r\nX: y\r\n", b"Content-Length: 7\r\n", b"Slime-X: 1\r\n"]
)
ends = st.sampled_from([b"\r\n", b"\r\n", b"", b"X\r\n\r\n"])
texts = st.tuples(st.just(b"HTTP/1.1 "), statuses, st.just(b"\r\n"), some, ends).map(b"".join)
frames = st.builds(
    lambda text, length, interim: Head(1, text, length, interim), texts, st.sampled_from([0, 5, None]), st.booleans()
)
methods = st.sampled_from([b"GET", b"HEAD", b"head"])


def strict(frame: Head, method: bytes, rest: Fields) -> bytes:
    """The whole head, made of all its parts at once and remembering nothing; empty if it is refused."""
    try:
        head = read_head(frame.head)
    except RemoteProtocolError:
        return b""
    bodiless = method == b"HEAD" or head.status in (204, 304)
    if head.status == 101 or frame.interim != (head.status < 200):
        return b""
    if bodiless and not frame.interim and frame.length != 0:
        return b""
    dated = any(name.lower() == b"date" for name, _ in head.fields)
    all_fields = [*client_response_fields(head, method), *([] if dated else [(b"Date", b"today")]), *rest]
    return serialise_response_head(ResponseHead(b"1.1", head.status, head.reason, all_fields))


def made(frame: Head, method: bytes, rest: Fields) -> bytes:
    """The same as the hub makes it."""
    try:
        start = answer_start(frame, method)
    except RemoteProtocolError:
        return b""
    return start.text + rest_of_head([*([] if start.dated else [(b"Date", b"today")]), *rest])


class AnswerStartTests(SynchronousTestCase):
    """What is made of heads from agents."""

    def setUp(self) -> None:
        _known.cache_clear()

    @property
    def remembered(self) -> int:
        """How many heads there are in memory."""
        return _known.cache_info().currsize

    @given(st.lists(st.tuples(frames, methods, fields), max_size=30))
    def test_any_order(self, asked: list[tuple[Head, bytes, Fields]]) -> None:
        """Whatever was asked before, it is what the strict functions make of it."""
        self.setUp()
        for one in asked:
            self.assertEqual(made(*one), strict(*one))

    def test_remembered(self) -> None:
        """Once, whoever asks, whichever the stream and however long the body."""
        starts = [answer_start(Head(stream, OK + b"\r\n", stream), b"GET") for stream in (1, 2, 3)]
        self.assertEqual(starts, starts[:1] * 3)
        self.assertEqual((self.remembered, _known.cache_info().hits), (1, 2))

    def test_what_else_counts(self) -> None:
        """The same words mean something else without a body, or to another method."""
        text = OK + b"Content-Length: 7\r\n\r\n"
        answer_start(Head(1, text, 7), b"GET")
        self.assertRaises(RemoteProtocolError, answer_start, Head(1, text, 7), b"HEAD")
        self.assertRaises(RemoteProtocolError, answer_start, Head(1, text, 7, interim=True), b"GET")
        self.assertNotIn(b"Length", answer_start(Head(1, text, 0), b"GET").text)
        self.assertIn(b"Length: 7", answer_start(Head(1, text, 0), b"HEAD").text)

    def test_bounded(self) -> None:
        for number in range(2 * REMEMBERED):
            answer_start(Head(1, OK + b"X: %d\r\n\r\n" % number, 0), b"GET")
        self.assertEqual(self.remembered, REMEMBERED)

    def test_long_ones_are_not_remembered(self) -> None:
        for size, remembered in ((LONGEST, 1), (LONGEST + 1, 1)):
            text = OK + b"X: " + b"x" * (size - len(OK) - 7) + b"\r\n\r\n"
            self.assertEqual(len(text), size)
            start = answer_start(Head(1, text, 0), b"GET")
            self.assertEqual(start.text, text[:-2] + b"Via: 1.1 slime\r\n")
            self.assertEqual(self.remembered, remembered)

    def test_refused_as_often_as_it_comes(self) -> None:
        for frame in (Head(1, OK, 0), Head(1, OK + b"X:\n1\r\n\r\n", 0), Head(1, OK + b"\r\n", None, interim=True)):
            for _ in range(2):
                self.assertRaises(RemoteProtocolError, answer_start, frame, b"GET")
        self.assertEqual(self.remembered, 0)

    def test_line_breaks(self) -> None:
        """What is added to a head that was checked is checked as well."""
        for bad in ("x\r\nSet-Cookie: a=b", "x\r", "x\n"):
            for added in (("a1", bad, b"r1"), (bad, "n", b"r1"), ("a1", "n", bad.encode())):
                self.assertRaises(LocalProtocolError, rest_of_head, added_fields(*added))
        self.assertTrue(rest_of_head(ADDED).endswith(b"Slime-Request-Id: r1\r\n\r\n"))
