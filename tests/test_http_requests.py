"""Requests that are let through, and what is read from them."""

from twisted.trial.unittest import SynchronousTestCase

from slime.errors import BadMessage, ErrorCode, LocalProtocolError
from slime.http.body import are_trailers, encode_chunk, last_chunk
from slime.http.head import (
    DEFAULT,
    Fields,
    HeadLimits,
    RequestHead,
    body_length,
    field_values,
    parse_request_head,
    persists,
    serialise_request_head,
    tokens,
)
from slime.http.parser import Data, EndOfMessage, RequestParser, Signal
from tests.http_cases import bytewise, each_case, read_requests

HOST = b"Host: h.example\r\n"
LINE = b"POST /p HTTP/1.1\r\n"
GET = b"GET /p HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = LINE + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


def get(target: bytes, host: bytes = b"h.example", method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


METHODS = {
    name.strip("!#$%&'*+-.^_`|~").lower() or "every_mark": (name.encode(),)
    for name in ("GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "x1", "!#$%&'*+-.^_`|~")
}

TARGETS = {
    "root": (b"/", b"/"),
    "query": (b"/p?a=1&a=2&b=%20+x;y=&z", b"/p?a=1&a=2&b=%20+x;y=&z"),
    "escapes_and_dots": (b"/a%2Fb/%2e%2e/../c//d;p=1/:@!$&'()*+,=", b"/a%2Fb/%2e%2e/../c//d;p=1/:@!$&'()*+,="),
    "two_slashes": (b"//p", b"//p"),
    "url_in_the_path": (b"/http://other/", b"/http://other/"),
    "marks_that_no_url_has": (b'/"<>\\^`{|}', b'/"<>\\^`{|}'),
    "bad_escape": (b"/%zz", b"/%zz"),
    "escaped_line_break": (b"/%0d%0aX:y", b"/%0d%0aX:y"),
    "longest": (b"/" + b"a" * 16383, b"/" + b"a" * 16383),
}

HOSTS = {
    "name": b"h.example",
    "name_and_port": b"h.example:8080",
    "empty_port": b"h.example:",
    "address": b"127.0.0.1:1",
    "address_6": b"[::1]",
    "address_6_and_port": b"[fe80::1:2]:65535",
    "address_4_in_6": b"[::ffff:1.2.3.4]",
    "address_of_the_future": b"[v1.a:b]:80",
    "underscore": b"a_b",
    "escapes": b"%C3%A9.example",
    "marks": b"a!$&'()*+;=~-b",
}

VALUES: dict[str, tuple[bytes, bytes]] = {
    "empty": (b"X:", b""),
    "only_whitespace": (b"X: \t ", b""),
    "no_space": (b"X:y", b"y"),
    "whitespace_around": (b"X: \t a\t b \t ", b"a\t b"),
    "tab_in_front": (b"X:\ty", b"y"),
    "colons": (b"X: a:b", b"a:b"),
    "latin_1": (b"X: caf\xe9 \xff\x80", b"caf\xe9 \xff\x80"),
    "quotes": (b'X: "a, b"; c=', b'"a, b"; c='),
    "large": (b"X: " + b"y" * 60000, b"y" * 60000),
}

BODIES = {
    "none": (LINE + HOST + b"\r\n", b"", []),
    "length_0": (LINE + HOST + b"Content-Length: 0\r\n\r\n", b"", []),
    "length": (LINE + HOST + b"Content-Length: 5\r\n\r\nhello", b"hello", []),
    "length_with_zeros": (LINE + HOST + b"Content-Length: 005\r\n\r\nhello", b"hello", []),
    "length_with_whitespace": (LINE + HOST + b"Content-Length: \t 5 \t\r\n\r\nhello", b"hello", []),
    "length_under_1_0": (b"POST /p HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", b"hello", []),
    "all_bytes": (LINE + HOST + b"Content-Length: 256\r\n\r\n" + bytes(range(256)), bytes(range(256)), []),
    "on_get": (b"GET /p HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n\r\n", b"\r\n", []),
    "on_head": (b"HEAD /p HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi", b"hi", []),
    "on_delete": (b"DELETE /p HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi", b"hi", []),
    "that_looks_like_a_request": (LINE + HOST + b"Content-Length: %d\r\n\r\n" % len(GET) + GET, GET, []),
    "empty_length_on_trace": (b"TRACE /p HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n", b"", []),
    "no_chunks": (CHUNKED + b"0\r\n\r\n", b"", []),
    "chunks": (CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", []),
    "chunk_of_line_breaks": (CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", []),
    "chunk_that_looks_like_the_last": (CHUNKED + b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", []),
    "capitals": (CHUNKED.replace(b"chunked", b"ChunKED") + b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", []),
    "sizes_with_zeros": (CHUNKED + b"00000005\r\nhello\r\n000\r\n\r\n", b"hello", []),
    "sixteen_digits": (CHUNKED + b"0000000000000005\r\nhello\r\n0\r\n\r\n", b"hello", []),
    "extension": (CHUNKED + b"5;a\r\nhello\r\n0;b=c\r\n\r\n", b"hello", []),
    "extensions": (CHUNKED + b'5;a=1;b="\\"\t;\xff";c\r\nhello\r\n0\r\n\r\n', b"hello", []),
    "extensions_with_bad_whitespace": (CHUNKED + b"5 \t; a =\t1 ;b\r\nhello\r\n0\r\n\r\n", b"hello", []),
    "longest_extension": (CHUNKED + b"5;" + b"a" * 255 + b"\r\nhello\r\n0\r\n\r\n", b"hello", []),
    "trailers": (CHUNKED + b"0\r\nX: y\r\nX:z \r\n\r\n", b"", [(b"X", b"y"), (b"X", b"z")]),
}


class Acceptance(SynchronousTestCase):
    """A stream reads as the same single message whole and byte by byte, and so does what follows it."""

    def accept(self, stream: bytes, body: bytes = b"", trailers: Fields | None = None) -> RequestHead:
        whole, slow = read_requests([stream + GET]), read_requests(bytewise(stream + GET))
        self.assertEqual(whole, slow)
        self.assertIsNone(whole.refused)
        message, following = whole.messages
        self.assertEqual((message.body, message.trailers), (body, trailers or []))
        self.assertEqual(following.head, parse_request_head(GET[:-4]))
        self.assertIsInstance(message.head, RequestHead)
        return message.head  # type: ignore[return-value]


@each_case(METHODS)
class MethodTests(Acceptance):
    def check(self, method: bytes) -> None:
        self.assertEqual(self.accept(get(b"/p", method=method)).method, method)


@each_case(TARGETS)
class TargetTests(Acceptance):
    def check(self, sent: bytes, read: bytes) -> None:
        self.assertEqual(self.accept(get(sent)).target, read)

    def test_asterisk(self) -> None:
        self.assertEqual(self.accept(get(b"*", method=b"OPTIONS")).target, b"*")


@each_case(HOSTS)
class HostTests(Acceptance):
    def check(self, host: bytes) -> None:
        self.assertEqual(self.accept(get(b"/p", host)).fields, [(b"Host", host)])
        absolute = self.accept(get(b"http://" + host + b"/p?q", host))
        self.assertEqual((absolute.target, absolute.fields), (b"/p?q", [(b"Host", host)]))

    def test_none_under_1_0(self) -> None:
        self.assertEqual(self.accept(b"GET /p HTTP/1.0\r\n\r\n").fields, [])


class AbsoluteFormTests(Acceptance):
    """RFC 9112 section 3.2.2."""

    def test_scheme_in_any_case(self) -> None:
        self.assertEqual(self.accept(get(b"hTTpS://h.example/p")).target, b"/p")

    def test_host_in_any_case(self) -> None:
        self.assertEqual(self.accept(get(b"http://H.EXAMPLE/p")).fields, [(b"Host", b"H.EXAMPLE")])

    def test_default_ports(self) -> None:
        for target, host in (
            (b"http://h.example:80/p", b"h.example"),
            (b"http://h.example/p", b"h.example:80"),
            (b"https://h.example:/p", b"h.example:443"),
        ):
            authority = target.split(b"/")[2]
            self.assertEqual(self.accept(get(target, host)).fields, [(b"Host", authority)])

    def test_no_path(self) -> None:
        self.assertEqual(self.accept(get(b"http://h.example")).target, b"/")

    def test_query_without_path(self) -> None:
        self.assertEqual(self.accept(get(b"http://h.example?q")).target, b"/?q")

    def test_options_without_path(self) -> None:
        self.assertEqual(self.accept(get(b"http://h.example", method=b"OPTIONS")).target, b"*")

    def test_options_with_query(self) -> None:
        self.assertEqual(self.accept(get(b"http://h.example?q", method=b"OPTIONS")).target, b"/?q")

    def test_later_version(self) -> None:
        """RFC 9110 section 2.5: a later minor version is read as the highest that is known."""
        self.assertEqual(self.accept(b"GET /p HTTP/1.7\r\nHost: h\r\n\r\n").version, b"1.1")

    def test_no_host_under_1_0(self) -> None:
        head = self.accept(b"GET http://h.example/p HTTP/1.0\r\nX: y\r\n\r\n")
        self.assertEqual(head.fields, [(b"Host", b"h.example"), (b"X", b"y")])

    def test_host_keeps_its_place_and_case(self) -> None:
        head = self.accept(b"GET http://h.example/p HTTP/1.1\r\nX: y\r\nhOST: h.EXAMPLE\r\n\r\n")
        self.assertEqual(head.fields, [(b"X", b"y"), (b"hOST", b"h.example")])


@each_case(VALUES)
class FieldTests(Acceptance):
    def check(self, line: bytes, value: bytes) -> None:
        self.assertEqual(self.accept(LINE + HOST + line + b"\r\n\r\n").fields[1:], [(b"X", value)])

    def test_order_case_and_repetition(self) -> None:
        head = self.accept(LINE + b"b: 1\r\nA: 2\r\n" + HOST + b"B: 3\r\na: 4\r\n\r\n")
        expected = [(b"b", b"1"), (b"A", b"2"), (b"Host", b"h.example"), (b"B", b"3"), (b"a", b"4")]
        self.assertEqual(head.fields, expected)

    def test_every_mark_in_a_name(self) -> None:
        head = self.accept(LINE + HOST + b"!#$%&'*+-.^_`|~9x: v\r\n\r\n")
        self.assertEqual(head.fields[1], (b"!#$%&'*+-.^_`|~9x", b"v"))

    def test_names_that_only_look_like_framing(self) -> None:
        self.accept(LINE + HOST + b"Content_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n")

    def test_as_many_as_allowed(self) -> None:
        self.accept(LINE + HOST + b"X: y\r\n" * 199 + b"\r\n")

    def test_as_large_as_allowed(self) -> None:
        size = DEFAULT.head_bytes - len(LINE + HOST + b"X: ")
        self.accept(LINE + HOST + b"X: " + b"y" * size + b"\r\n\r\n")


@each_case(BODIES)
class BodyTests(Acceptance):
    def check(self, stream: bytes, body: bytes, trailers: Fields) -> None:
        self.accept(stream, body, trailers)


class StreamTests(SynchronousTestCase):
    """What a parser says while a request arrives."""

    def setUp(self) -> None:
        self.parser = RequestParser()

    def test_nothing(self) -> None:
        self.assertIs(self.parser.next_event(), Signal.NEED_DATA)
        self.assertFalse(self.parser.mid_message)
        self.assertIsNone(self.parser.head)

    def test_part_of_a_head(self) -> None:
        self.parser.feed(GET[:-1])
        self.assertIs(self.parser.next_event(), Signal.NEED_DATA)
        self.assertTrue(self.parser.mid_message)
        self.assertEqual(self.parser.buffered, len(GET) - 1)

    def test_empty_lines_in_front(self) -> None:
        self.parser.feed(b"\r\n\r\n" + GET)
        self.assertEqual(self.parser.next_event(), parse_request_head(GET[:-4]))

    def test_no_body(self) -> None:
        self.parser.feed(GET)
        self.assertIs(self.parser.next_event(), self.parser.head)
        self.assertEqual(self.parser.body_length, 0)
        self.assertEqual(self.parser.next_event(), EndOfMessage([]))
        self.assertFalse(self.parser.mid_message)

    def test_body_as_it_comes(self) -> None:
        self.parser.feed(LINE + HOST + b"Content-Length: 5\r\n\r\nhe")
        self.parser.next_event()
        self.assertEqual(self.parser.body_length, 5)
        self.assertEqual(self.parser.next_event(), Data(b"he"))
        self.assertIs(self.parser.next_event(), Signal.NEED_DATA)
        self.assertTrue(self.parser.mid_message)
        self.parser.feed(b"llo")
        self.assertEqual(self.parser.next_event(), Data(b"llo"))
        self.assertEqual(self.parser.next_event(), EndOfMessage([]))

    def test_body_is_not_copied(self) -> None:
        self.parser.feed(LINE + HOST + b"Content-Length: 1000\r\n\r\n")
        self.parser.next_event()
        read = bytes(100)
        self.parser.feed(read)
        event = self.parser.next_event()
        self.assertIsInstance(event, Data)
        self.assertIs(event.data, read)  # type: ignore[union-attr]

    def test_chunks_as_they_come(self) -> None:
        self.parser.feed(CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n5\r\nthr")
        self.parser.next_event()
        self.assertIsNone(self.parser.body_length)
        self.assertEqual(self.parser.next_event(), Data(b"onetwothr"))
        self.assertIs(self.parser.next_event(), Signal.NEED_DATA)
        self.parser.feed(b"ee\r\n0\r\n\r\n")
        self.assertEqual(self.parser.next_event(), Data(b"ee"))
        self.assertEqual(self.parser.next_event(), EndOfMessage([]))

    def test_chunk_is_not_copied(self) -> None:
        self.parser.feed(CHUNKED + b"ffff\r\n")
        self.parser.next_event()
        self.parser.next_event()
        read = bytes(100)
        self.parser.feed(read)
        self.assertIs(self.parser.next_event().data, read)  # type: ignore[union-attr]

    def test_nothing_of_a_chunk_but_its_size(self) -> None:
        self.parser.feed(CHUNKED + b"3\r\n")
        self.parser.next_event()
        self.assertIs(self.parser.next_event(), Signal.NEED_DATA)

    def test_good_chunks_before_a_bad_one(self) -> None:
        self.parser.feed(CHUNKED + b"3\r\none\r\n0x3\r\ntwo\r\n")
        self.parser.next_event()
        self.assertEqual(self.parser.next_event(), Data(b"one"))
        self.assertRaises(BadMessage, self.parser.next_event)

    def test_next_request_waits(self) -> None:
        self.parser.feed(GET + GET[:7])
        self.parser.next_event()
        self.parser.next_event()
        self.assertIs(self.parser.next_event(), Signal.PAUSED)
        self.parser.feed(GET[7:])
        self.assertIs(self.parser.next_event(), Signal.PAUSED)
        self.assertEqual(self.parser.buffered, len(GET))
        self.parser.start_next()
        self.assertIsNone(self.parser.head)
        self.assertEqual(self.parser.next_event(), parse_request_head(GET[:-4]))

    def test_next_request_too_early(self) -> None:
        self.parser.feed(GET)
        self.parser.next_event()
        self.assertRaises(LocalProtocolError, self.parser.start_next)

    def test_refused_for_good(self) -> None:
        self.parser.feed(b"nonsense\r\n\r\n")
        first = self.assertRaises(BadMessage, self.parser.next_event)
        self.parser.feed(GET)
        second = self.assertRaises(BadMessage, self.parser.next_event)
        self.assertEqual((first.code, first.detail), (second.code, second.detail))
        self.assertRaises(LocalProtocolError, self.parser.start_next)

    def test_detach(self) -> None:
        self.parser.feed(GET + b"\x81\x00")
        self.parser.next_event()
        self.assertEqual(self.parser.detach(), b"\x81\x00")
        self.assertEqual(self.parser.buffered, 0)
        self.assertIs(self.parser.next_event(), Signal.PAUSED)

    def test_own_limits(self) -> None:
        limits = HeadLimits(head_bytes=100, fields=1, target_bytes=10)
        for stream, code in (
            (b"GET /" + b"a" * 10 + b" HTTP/1.1\r\n" + HOST, ErrorCode.TARGET_TOO_LONG),
            (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 100, ErrorCode.HEAD_TOO_LARGE),
            (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n\r\n", ErrorCode.HEAD_TOO_LARGE),
        ):
            reading = read_requests([stream], RequestParser(limits))
            self.assertIs(reading.refused, code)

    def test_own_limit_of_trailers(self) -> None:
        stream = CHUNKED + b"0\r\nX: y\r\n\r\n"
        self.assertIsNone(read_requests([stream], RequestParser(max_trailer_bytes=4)).refused)
        reading = read_requests([stream], RequestParser(max_trailer_bytes=3))
        self.assertIs(reading.refused, ErrorCode.HEAD_TOO_LARGE)

    def test_number_of_trailers(self) -> None:
        """It is bounded by what the link takes, however many fields a head may have."""
        parser = RequestParser(HeadLimits(fields=10_000))
        reading = read_requests([CHUNKED + b"0\r\n" + b"A:\r\n" * 201 + b"\r\n"], parser)
        self.assertIs(reading.refused, ErrorCode.HEAD_TOO_LARGE)

    def test_long_line_without_end(self) -> None:
        """A line that is too long is refused however much of it comes at once."""
        reading = read_requests([b"GET /" + b"a" * 5000] * 4)
        self.assertIs(reading.refused, ErrorCode.TARGET_TOO_LONG)


class HeadTests(SynchronousTestCase):
    """Heads by themselves, as they cross the link."""

    def test_round_trip(self) -> None:
        head = RequestHead(b"GET", b"/p", b"1.1", [(b"Host", b"h"), (b"X", b""), (b"x", b"\xff")])
        block = serialise_request_head(head)
        self.assertEqual(block, b"GET /p HTTP/1.1\r\nHost: h\r\nX: \r\nx: \xff\r\n\r\n")
        self.assertEqual(parse_request_head(block[:-4]), head)

    def test_always_1_1(self) -> None:
        self.assertEqual(serialise_request_head(RequestHead(b"GET", b"/", b"1.0", [])), b"GET / HTTP/1.1\r\n\r\n")

    def test_line_breaks_are_never_written(self) -> None:
        for head in (
            RequestHead(b"GET", b"/ HTTP/1.1\r\nX: y", b"1.1", []),
            RequestHead(b"GET", b"/", b"1.1", [(b"X", b"y\r\nZ: z")]),
            RequestHead(b"GET", b"/", b"1.1", [(b"X\n", b"y")]),
            RequestHead(b"GET", b"/", b"1.1", [(b"X", b"\ry")]),
        ):
            self.assertRaises(LocalProtocolError, serialise_request_head, head)

    def test_too_large(self) -> None:
        error = self.assertRaises(BadMessage, parse_request_head, b"GET / HTTP/1.1\r\nX: " + b"y" * 65536)
        self.assertIs(error.code, ErrorCode.HEAD_TOO_LARGE)

    def test_body_length(self) -> None:
        for fields, length in (
            ([], 0),
            ([(b"content-LENGTH", b"7")], 7),
            ([(b"Transfer-Encoding", b"Chunked")], None),
        ):
            self.assertEqual(body_length(RequestHead(b"POST", b"/", b"1.1", fields)), length)

    def test_field_values(self) -> None:
        fields = [(b"A", b"1"), (b"b", b"2"), (b"a", b"3")]
        self.assertEqual(field_values(fields, b"a"), [b"1", b"3"])

    def test_tokens(self) -> None:
        fields = [(b"Connection", b" , Close\t,,Keep-Alive"), (b"X", b"x"), (b"connection", b"")]
        self.assertEqual(tokens(fields, b"connection"), [b"close", b"keep-alive"])
        self.assertEqual(tokens(fields, b"y"), [])

    def test_persists(self) -> None:
        for version, value, expected in (
            (b"1.1", b"", True),
            (b"1.1", b"x", True),
            (b"1.1", b"foo,close", False),
            (b"1.1", b"Close, keep-alive", False),
            (b"1.0", b"", False),
            (b"1.0", b"Keep-Alive", True),
            (b"1.0", b"keep-alive, close", False),
        ):
            head = RequestHead(b"GET", b"/", version, [(b"Connection", value)])
            self.assertIs(persists(head), expected)


class ChunkTests(SynchronousTestCase):
    """The chunked coding, written."""

    def test_chunk(self) -> None:
        self.assertEqual(encode_chunk(b"x" * 26), b"1a\r\n" + b"x" * 26 + b"\r\n")

    def test_no_data(self) -> None:
        """An empty chunk would be the last."""
        self.assertEqual(encode_chunk(b""), b"")

    def test_last_chunk(self) -> None:
        self.assertEqual(last_chunk([]), b"0\r\n\r\n")
        self.assertEqual(last_chunk([(b"X", b"y"), (b"Z", b"")]), b"0\r\nX: y\r\nZ: \r\n\r\n")


class TrailerTests(SynchronousTestCase):
    """Trailers by themselves, as they cross the link."""

    def test_good(self) -> None:
        for fields in ([], [(b"X", b"y"), (b"x", b"")], [(b"X", b"\xff")] * 200):
            self.assertTrue(are_trailers(fields))

    def test_bad(self) -> None:
        for fields in (
            [(b"X", b"y\r\nZ: z")],
            [(b"X", b" y")],
            [(b"X: y\r\nZ", b"z")],
            [(b"X ", b"y")],
            [(b"", b"y")],
            [(b"Content-Length", b"5")],
            [(b"slime-x", b"y")],
            [(b"X", b"y")] * 201,
        ):
            self.assertFalse(are_trailers(fields))
