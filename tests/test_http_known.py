"""Heads that are remembered: what the strict functions make of them, each time they come."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import BadMessage
from slime.http.head import DEFAULT, Fields, HeadLimits, persists, read_request_head, tokens
from slime.http.known import LONGEST, MET, REMEMBERED, KnownHead, KnownHeads
from slime.http.parser import EndOfMessage, RequestParser
from tests.http_cases import read_requests
from tests.http_strategies import HOST, REQUEST_STREAMS, damaged

START = b"GET /v1/models?x HTTP/1.1\r\nHost: h.example\r\n"
LONG = START + b"X: " + b"x" * LONGEST + b"\r\n"

#: Ways to tell a length, and to say more than one thing about it.
LENGTHS = [
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nX: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nX: Content-Length: 5\r\ncontent-length:18\r\n" + HOST + b"\r\n",
    b"POST http://h.example/ HTTP/1.0\r\nX: y\r\nContent-Length: 5\r\nZ: z\r\n\r\n",
    b"POST http://H.example HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 007\r\nExpect: 100-continue\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nExpect: 100-continue\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9223372036854775807\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 999999999999999999\r\nExpect: 100-Continue\r\n\r\n",
    b"TRACE / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Connection: x, Upgrade\r\nContent-Length: 1\r\n\r\n",
]

Outcome = tuple[bytes, bytes, bytes, Fields, int | None] | tuple[object, str]


def block_of(stream: bytes) -> bytes:
    """A stream's first head, with its last CRLF."""
    return stream.partition(b"\r\n\r\n")[0] + b"\r\n"


def with_length(size: int) -> bytes:
    return START + b"Content-Length: %d\r\nAccept: */*\r\n" % size


class KnownHeadTests(SynchronousTestCase):
    """What is read with a memory."""

    def setUp(self) -> None:
        self.heads = KnownHeads(DEFAULT)

    @property
    def remembered(self) -> int:
        """How many heads there are in memory."""
        return self.heads._known.cache_info().currsize

    def read(self, block: bytes) -> KnownHead:
        return self.heads.read(block)[0]

    def strict(self, block: bytes, limits: HeadLimits = DEFAULT) -> Outcome:
        """What is made of it without any memory."""
        try:
            head, length = read_request_head(block, limits)
        except BadMessage as error:
            return error.code, error.detail
        return head.method, head.target, head.version, head.fields, length

    def known(self, block: bytes) -> Outcome:
        try:
            head, length = self.heads.read(block)
        except BadMessage as error:
            return error.code, error.detail
        self.check_meaning(head, length)
        return head.method, head.target, head.version, head.fields, length

    def check_meaning(self, head: KnownHead, length: int | None) -> None:
        meaning = head.meaning
        hesitant = head.version == b"1.1" and length != 0 and b"100-continue" in tokens(head.fields, b"expect")
        self.assertEqual((meaning.persistent, meaning.hesitant), (persists(head), hesitant))
        self.assertEqual(meaning.upgrading, b"upgrade" in tokens(head.fields, b"connection"))
        self.assertEqual(meaning.path, head.target.split(b"?")[0])

    @settings(max_examples=250)
    @given(st.lists(damaged(REQUEST_STREAMS + LENGTHS).map(block_of), min_size=1, max_size=4), st.data())
    def test_any(self, blocks: list[bytes], data: st.DataObject) -> None:
        """In any order, and however often: the head and its length, or the same refusal."""
        heads = self.heads = KnownHeads(DEFAULT)
        for block in [*data.draw(st.permutations(blocks * 3)), *blocks]:
            self.assertEqual(self.known(block), self.strict(block), block)
        accepted = [block for block in blocks if len(self.strict(block)) > 2]
        self.assertTrue(all(heads.read(block)[0].meaning.remembered for block in accepted))

    @given(st.sampled_from(LENGTHS), st.lists(st.integers(0, 10**19), min_size=2))
    @example(LENGTHS[0], [1, 10, 0, 10**18 - 1, 10**18, 2**63 - 1, 2**63])
    def test_any_length(self, stream: bytes, sizes: list[int]) -> None:
        self.heads = KnownHeads(DEFAULT)
        for size in sizes:
            block = block_of(stream).replace(b"Length: 5\r\n", b"Length: %d\r\n" % size)
            self.assertEqual(self.known(block), self.strict(block), block)

    def test_tables(self) -> None:
        for block in map(block_of, (REQUEST_STREAMS + LENGTHS) * 3):
            self.assertEqual(self.known(block), self.strict(block), block)

    def test_second_time(self) -> None:
        """A head that comes once is not kept."""
        first, second, third = (self.read(START) for _ in range(3))
        self.assertEqual([one.meaning.remembered for one in (first, second, third)], [False, True, True])
        self.assertIs(second, third)
        self.assertIsNot(first, second)
        self.assertEqual(self.remembered, 1)

    def test_lengths_of_their_own(self) -> None:
        """However long the bodies are, the head is the same, but for what it says of its own."""
        self.read(with_length(7))
        one, other = self.read(with_length(80)), self.read(with_length(9000))
        self.assertIs(one.meaning, other.meaning)
        self.assertEqual(dict(one.fields)[b"Content-Length"], b"80")
        self.assertEqual(dict(other.fields)[b"Content-Length"], b"9000")
        self.assertEqual(self.remembered, 1)

    def test_bounded(self) -> None:
        for one in range(2 * REMEMBERED):
            self.assertEqual(self.read(START + b"X: %d\r\n" % one).fields[1], (b"X", b"%d" % one))
            self.assertTrue(self.read(START + b"X: %d\r\n" % one).meaning.remembered)
        self.assertEqual(self.remembered, REMEMBERED)

    def test_those_that_come_once(self) -> None:
        """They displace nobody, and what is known of them is bounded."""
        self.read(START)
        known = self.read(START)
        for one in range(2 * MET):
            self.assertFalse(self.read(START + b"X: %d\r\n" % one).meaning.remembered)
        self.assertLessEqual(len(self.heads._met), MET)
        self.read(START)
        self.assertIs(self.read(START), known)

    def test_long(self) -> None:
        for _ in range(3):
            self.assertEqual(self.known(LONG), self.strict(LONG))
        self.assertEqual(self.remembered, 0)

    def test_limits(self) -> None:
        """Those of the head that has come, not of one with a shorter number."""
        block = with_length(10**9)
        for limits in (HeadLimits(len(block) - 3), HeadLimits(len(block) - 2), HeadLimits(target_bytes=4)):
            self.heads = KnownHeads(limits)
            for size in (1, 1, 10**9):
                self.assertEqual(self.known(with_length(size)), self.strict(with_length(size), limits))

    def test_refused(self) -> None:
        """As often as it comes."""
        for _ in range(3):
            self.assertRaises(BadMessage, self.heads.read, START + b"Host: other\r\n")
        self.assertEqual(self.remembered, 0)

    def test_in_a_parser(self) -> None:
        """A parser that has a memory reads what one without reads."""
        stream = b"".join(REQUEST_STREAMS * 3)
        self.assertEqual(len(read_requests([stream]).messages), 3 * len(REQUEST_STREAMS))
        with_memory = read_requests([stream], RequestParser(DEFAULT, read=self.heads.read))
        plain = read_requests([stream])
        self.assertEqual([one.body for one in with_memory.messages], [one.body for one in plain.messages])
        self.assertEqual(
            [(one.head.version, one.head.fields) for one in with_memory.messages],
            [(one.head.version, one.head.fields) for one in plain.messages],
        )

    def test_parser_says_what_is_here(self) -> None:
        """Whether the next request has begun to arrive."""
        parser = RequestParser()
        for more in (b"", b"G"):
            parser.feed(START + b"\r\n" + more)
            parser.next_event()
            self.assertIsInstance(parser.next_event(), EndOfMessage)
            self.assertIs(parser.start_next(), bool(more))
