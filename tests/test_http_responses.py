"""Responses, good and bad: what an agent reads from upstreams, and the hub from agents."""

from twisted.trial.unittest import SynchronousTestCase

from slime.errors import BadMessage, ErrorCode, LocalProtocolError
from slime.http.head import (
    UNTIL_CLOSE,
    HeadLimits,
    ResponseHead,
    parse_response_head,
    response_body_length,
    serialise_response_head,
)
from slime.http.parser import Data, EndOfMessage, ResponseParser, Signal
from tests.http_cases import Message, bytewise, each_case, read_response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def ok(*lines: bytes) -> bytes:
    return OK + b"".join(each + b"\r\n" for each in lines) + b"\r\n"


STATUS_LINES = {
    "plain": (b"HTTP/1.1 200 OK\r\n\r\n", b"1.1", 200, b"OK"),
    "words": (b"HTTP/1.1 418 I'm a teapot\r\n\r\n", b"1.1", 418, b"I'm a teapot"),
    "no_reason": (b"HTTP/1.1 200 \r\n\r\n", b"1.1", 200, b""),
    "no_space_either": (b"HTTP/1.1 200\r\n\r\n", b"1.1", 200, b""),
    "not_ascii": (b"HTTP/1.1 404 Introuvable \xe9\t!\r\n\r\n", b"1.1", 404, b"Introuvable \xe9\t!"),
    "odd_status": (b"HTTP/1.1 599 Odd\r\n\r\n", b"1.1", 599, b"Odd"),
    "version_1_0": (b"HTTP/1.0 200 OK\r\n\r\n", b"1.0", 200, b"OK"),
    "version_1_2": (b"HTTP/1.2 200 OK\r\n\r\n", b"1.1", 200, b"OK"),
}

MALFORMED = {
    "nothing": b"",
    "cut_in_the_line": b"HTTP/1.1 2",
    "cut_in_the_head": OK + b"X: y\r\n",
    "garbage": b"\x00\x01\x02\x03",
    "text": b"hello world\r\n\r\n",
    "empty_line_in_front": b"\r\n" + ok(),
    "version_0_9": b"<html>hello</html>",
    "version_2_0": b"HTTP/2.0 200 OK\r\n\r\n",
    "version_2": b"HTTP/2 200\r\n\r\n",
    "version_lower_case": b"http/1.1 200 OK\r\n\r\n",
    "another_protocol": b"ICY 200 OK\r\n\r\n",
    "status_of_two_digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status_of_four_digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status_too_small": b"HTTP/1.1 099 OK\r\n\r\n",
    "status_too_large": b"HTTP/1.1 600 OK\r\n\r\n",
    "status_999": b"HTTP/1.1 999 Request denied\r\n\r\n",
    "status_signed": b"HTTP/1.1 +20 OK\r\n\r\n",
    "status_missing": b"HTTP/1.1 OK\r\n\r\n",
    "two_spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "tab": b"HTTP/1.1\t200 OK\r\n\r\n",
    "nul_in_reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "escape_in_reason": b"HTTP/1.1 200 O\x1bK\r\n\r\n",
    "bare_cr_in_reason": b"HTTP/1.1 200 OK\rX: y\r\n\r\n",
    "bare_lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare_lf_at_the_end": OK + b"X: y\r\n\n",
    "folded": ok(b"X: y", b" z"),
    "folded_first": ok(b" X: y"),
    "no_colon": ok(b"X"),
    "no_name": ok(b": y"),
    "no_name_but_space": ok(b" : y"),
    "name_not_a_token": ok(b"X(y): z"),
    "space_in_name": ok(b"X Y : z"),
    "nul_in_value": ok(b"X: a\x00b"),
    "control_byte_in_value": ok(b"X: a\x07b"),
    "bare_cr_in_value": ok(b"X: a\rb"),
    "bare_lf_in_value": ok(b"X: a\nb: c"),
    "too_many_fields": ok(*[b"X: y"] * 201),
    "too_large": ok(b"X: " + b"y" * 65536),
    "endless": OK + b"X: " + b"y" * 66000,
    "endless_line": b"HTTP/1.1 200 " + b"x" * 66000,
    "switch_nobody_asked_for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "interim_and_nothing": b"HTTP/1.1 100 Continue\r\n\r\n",
    "interim_without_end": b"HTTP/1.1 102 Processing\r\n\r\n" * 1001,
}

BADLY_FRAMED = {
    "lengths_differ": ok(b"Content-Length: 2", b"Content-Length: 3") + b"abc",
    "lengths_differ_in_list": ok(b"Content-Length: 2, 3") + b"abc",
    "length_empty": ok(b"Content-Length:"),
    "length_empty_element": ok(b"Content-Length: 2,") + b"ok",
    "length_signed": ok(b"Content-Length: +2") + b"ok",
    "length_negative": ok(b"Content-Length: -1"),
    "length_hexadecimal": ok(b"Content-Length: 0x2") + b"ok",
    "length_text": ok(b"Content-Length: two") + b"ok",
    "length_huge": ok(b"Content-Length: 99999999999999999999"),
    "length_and_coding": ok(b"Content-Length: 2", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "coding_and_length": ok(b"Transfer-Encoding: chunked", b"Content-Length: 2") + b"0\r\n\r\n",
    "coding_under_1_0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding_gzip": ok(b"Transfer-Encoding: gzip"),
    "coding_gzip_then_chunked": ok(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "coding_identity": ok(b"Transfer-Encoding: identity") + b"ok",
    "coding_twice": ok(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "coding_empty": ok(b"Transfer-Encoding:"),
    "body_cut": ok(b"Content-Length: 5") + b"hell",
    "body_missing": ok(b"Content-Length: 5"),
    "chunks_missing": CHUNKED,
    "chunk_cut_in_size": CHUNKED + b"5",
    "chunk_cut_in_data": CHUNKED + b"5\r\nhell",
    "chunk_cut_behind_data": CHUNKED + b"5\r\nhello",
    "chunk_cut_behind_line_break": CHUNKED + b"5\r\nhello\r\n",
    "last_chunk_cut": CHUNKED + b"5\r\nhello\r\n0\r\n",
    "trailers_cut": CHUNKED + b"0\r\nX: y\r\n",
    "chunk_size_bad": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk_size_negative": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "chunk_size_huge": CHUNKED + b"fffffffffffffff0\r\nhello",
    "chunk_with_bare_lf": CHUNKED + b"5\nhello\n0\n\n",
    "chunk_too_long": CHUNKED + b"2\r\nhello\r\n0\r\n\r\n",
    "trailers_bad": CHUNKED + b"0\r\nX : y\r\n\r\n",
    "trailers_folded": CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n",
    "trailers_too_large": CHUNKED + b"0\r\nX: " + b"y" * 17000,
}

# name: (stream, the request's method, body, what of the stream is left over)
FRAMED = {
    "length": (ok(b"Content-Length: 2") + b"ok", b"GET", b"ok", b""),
    "length_0": (ok(b"Content-Length: 0"), b"GET", b"", b""),
    "length_and_more": (ok(b"Content-Length: 2") + b"ok!!", b"GET", b"ok", b"!!"),
    "length_twice_the_same": (ok(b"Content-Length: 2", b"X: y", b"content-length: 2") + b"ok", b"GET", b"ok", b""),
    "length_in_a_list": (ok(b"Content-Length: 2, 2") + b"ok", b"GET", b"ok", b""),
    "chunks": (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"GET", b"ok", b""),
    "chunks_and_more": (CHUNKED + b"2\r\nok\r\n0\r\n\r\nHTTP", b"GET", b"ok", b"HTTP"),
    "to_the_end": (ok() + b"ok\r\n", b"GET", b"ok\r\n", b""),
    "to_the_end_and_empty": (ok(), b"GET", b"", b""),
    "to_the_end_under_1_0": (b"HTTP/1.0 200 OK\r\n\r\nok", b"GET", b"ok", b""),
    "head": (ok(b"Content-Length: 5"), b"HEAD", b"", b""),
    "head_chunked": (CHUNKED, b"HEAD", b"", b""),
    "head_with_a_body": (ok(b"Content-Length: 5") + b"hello", b"HEAD", b"", b"hello"),
    "no_content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"GET", b"", b""),
    "no_content_with_a_body": (b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok", b"GET", b"", b"ok"),
    "not_modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"GET", b"", b""),
    "not_modified_chunked": (b"HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n", b"GET", b"", b""),
    "not_modified_with_a_body": (b"HTTP/1.1 304 X\r\n\r\nok", b"GET", b"", b"ok"),
    "space_before_colon": (ok(b"Content-Length : 2", b"X\t: y") + b"ok", b"GET", b"ok", b""),
    "space_before_colon_chunked": (ok(b"Transfer-Encoding : chunked") + b"0\r\n\r\n", b"GET", b"", b""),
}


@each_case(STATUS_LINES)
class StatusLineTests(SynchronousTestCase):
    def check(self, stream: bytes, version: bytes, status: int, reason: bytes) -> None:
        for pieces in ([stream], bytewise(stream)):
            head = ResponseHead(version, status, reason, [])
            self.assertEqual(read_response(pieces).messages, [Message(head, complete=True)])


class Refusals(SynchronousTestCase):
    def refuse(self, stream: bytes) -> None:
        for pieces in ([stream], bytewise(stream)):
            reading = read_response(pieces)
            self.assertIs(reading.refused, ErrorCode.UPSTREAM_BROKE)
            self.assertFalse([each for each in reading.messages if each.complete])


@each_case(MALFORMED)
class MalformedTests(Refusals):
    """Nothing of a response whose head cannot be read is passed on."""

    def check(self, stream: bytes) -> None:
        self.refuse(stream)


@each_case(BADLY_FRAMED)
class BadlyFramedTests(Refusals):
    """A response whose end is uncertain, or did not come, never looks complete."""

    def check(self, stream: bytes) -> None:
        self.refuse(stream)


@each_case(FRAMED)
class FramedTests(SynchronousTestCase):
    def check(self, stream: bytes, method: bytes, body: bytes, rest: bytes) -> None:
        for pieces in ([stream], bytewise(stream)):
            reading = read_response(pieces, method)
            self.assertIsNone(reading.refused)
            (message,) = reading.messages
            self.assertEqual((message.body, message.complete, reading.rest), (body, True, rest))

    def test_lengths_are_merged(self) -> None:
        head = parse_response_head(OK + b"Content-Length: 02, 02\r\nX: y\r\nContent-Length: 02")
        self.assertEqual(head.fields, [(b"X", b"y"), (b"Content-Length", b"2")])

    def test_trailers(self) -> None:
        (message,) = read_response([CHUNKED + b"0\r\nX: y\r\nx: z\r\n\r\n"]).messages
        self.assertEqual(message.trailers, [(b"X", b"y"), (b"x", b"z")])

    def test_trailers_that_cannot_be(self) -> None:
        """They are left out; the body is as good as it would be without them."""
        (message,) = read_response([CHUNKED + b"0\r\nContent-Length: 5\r\nX: y\r\nSlime-X: z\r\n\r\n"]).messages
        self.assertEqual(message.trailers, [(b"X", b"y")])


class StreamTests(SynchronousTestCase):
    """What a parser says while responses arrive."""

    def setUp(self) -> None:
        self.parser = ResponseParser()

    def read(self, stream: bytes, method: bytes = b"GET", upgrade: bool = False) -> list[object]:
        self.parser.start(method, upgrade)
        self.parser.feed(stream)
        events: list[object] = []
        while not isinstance(event := self.parser.next_event(), Signal):
            events.append(event)
        return events

    def test_before_anything_was_asked(self) -> None:
        self.assertIs(self.parser.next_event(), Signal.PAUSED)
        self.assertFalse(self.parser.keep_alive)
        self.assertFalse(self.parser.mid_message)

    def test_one_behind_the_other(self) -> None:
        for _ in range(2):
            events = self.read(ok(b"Content-Length: 2") + b"ok")
            self.assertEqual(events[1:], [Data(b"ok"), EndOfMessage([])])
            self.assertTrue(self.parser.keep_alive)

    def test_interim(self) -> None:
        events = self.read(b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(
            events,
            [ResponseHead(b"1.1", 103, b"Hints", [(b"Link", b"x")]), ResponseHead(b"1.1", 100, b"Continue", [])],
        )
        self.assertIsNone(self.parser.head)
        self.parser.feed(ok(b"Content-Length: 0"))
        self.assertIs(self.parser.next_event(), self.parser.head)
        self.assertEqual(self.parser.next_event(), EndOfMessage([]))

    def test_interim_with_a_length(self) -> None:
        """Interim responses have no body, whatever they say."""
        events = self.read(b"HTTP/1.1 102 X\r\nContent-Length: 5\r\n\r\n" + ok(b"Content-Length: 0"))
        self.assertEqual(len(events), 3)

    def test_switch(self) -> None:
        (head,) = self.read(b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n\x81\x00", upgrade=True)
        self.assertIs(head, self.parser.head)
        self.assertFalse(self.parser.keep_alive)
        self.assertEqual(self.parser.detach(), b"\x81\x00")

    def test_switch_refused(self) -> None:
        """A final answer to a request that asked for another protocol is like any other."""
        self.read(ok(b"Content-Length: 0"), upgrade=True)
        self.assertTrue(self.parser.keep_alive)

    def test_framing(self) -> None:
        for stream, length in (
            (ok(b"Content-Length: 5"), 5),
            (CHUNKED, None),
            (ok(), UNTIL_CLOSE),
            (b"HTTP/1.1 204 X\r\n\r\n", 0),
        ):
            parser = ResponseParser()
            parser.start(b"GET")
            parser.feed(stream)
            parser.next_event()
            self.assertEqual(parser.body_length, length)

    def test_keep_alive(self) -> None:
        length = b"Content-Length: 0"
        for stream, expected in (
            (ok(length), True),
            (ok(length, b"Connection: x, Close"), False),
            (ok(length, b"Connection: keep-alive"), True),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
            (ok(length) + b"!", False),
            (CHUNKED + b"0\r\n\r\n", True),
            (ok(b"Content-Length: 1"), False),
            (b"HTTP/1.1 204 X\r\n\r\n", True),
        ):
            self.parser = ResponseParser()
            self.read(stream)
            self.assertIs(self.parser.keep_alive, expected)

    def test_keep_alive_to_the_end(self) -> None:
        self.read(ok() + b"ok")
        self.parser.feed_eof()
        self.assertEqual(self.parser.next_event(), EndOfMessage([]))
        self.assertFalse(self.parser.keep_alive)

    def test_keep_alive_when_it_has_ended(self) -> None:
        self.read(ok(b"Content-Length: 0"))
        self.parser.feed_eof()
        self.assertIs(self.parser.next_event(), Signal.PAUSED)
        self.assertFalse(self.parser.keep_alive)

    def test_bytes_that_nobody_asked_for(self) -> None:
        """They are not an answer to the next request."""
        self.read(ok(b"Content-Length: 0") + ok(b"Content-Length: 0"))
        self.assertRaises(LocalProtocolError, self.parser.start, b"GET")

    def test_start_too_early(self) -> None:
        self.read(ok(b"Content-Length: 1"))
        self.assertRaises(LocalProtocolError, self.parser.start, b"GET")

    def test_cut_for_good(self) -> None:
        self.read(ok(b"Content-Length: 2") + b"o")
        self.parser.feed_eof()
        first = self.assertRaises(BadMessage, self.parser.next_event)
        second = self.assertRaises(BadMessage, self.parser.next_event)
        self.assertEqual((first.code, first.detail), (second.code, second.detail))

    def test_all_that_came_before_the_end(self) -> None:
        self.parser.start(b"GET")
        self.parser.feed(CHUNKED + b"2\r\nok\r\n0\r\n\r\n")
        self.parser.feed_eof()
        self.assertIsInstance(self.parser.next_event(), ResponseHead)
        self.assertEqual(self.parser.next_event(), Data(b"ok"))
        self.assertEqual(self.parser.next_event(), EndOfMessage([]))


class HeadTests(SynchronousTestCase):
    """Heads by themselves, as they cross the link."""

    def test_round_trip(self) -> None:
        head = ResponseHead(b"1.1", 404, b"Not \xe9", [(b"X", b""), (b"x", b"y\tz")])
        block = serialise_response_head(head)
        self.assertEqual(block, b"HTTP/1.1 404 Not \xe9\r\nX: \r\nx: y\tz\r\n\r\n")
        self.assertEqual(parse_response_head(block[:-4]), head)

    def test_no_reason(self) -> None:
        """The space stays, as the grammar wants it."""
        self.assertEqual(serialise_response_head(ResponseHead(b"1.1", 200, b"", [])), b"HTTP/1.1 200 \r\n\r\n")

    def test_line_breaks_are_never_written(self) -> None:
        for head in (
            ResponseHead(b"1.1", 200, b"OK\r\nX: y", []),
            ResponseHead(b"1.1", 200, b"OK", [(b"X", b"y\r\n\r\nHTTP/1.1 200 OK")]),
        ):
            self.assertRaises(LocalProtocolError, serialise_response_head, head)

    def test_too_large(self) -> None:
        error = self.assertRaises(BadMessage, parse_response_head, OK + b"X: " + b"y" * 65536)
        self.assertIs(error.code, ErrorCode.UPSTREAM_BROKE)

    def test_as_large_as_allowed(self) -> None:
        """To the byte."""
        block = OK + b"X: yes"
        limits = HeadLimits(head_bytes=len(block))
        self.assertEqual(parse_response_head(block, limits).fields, [(b"X", b"yes")])
        self.assertRaises(BadMessage, parse_response_head, block + b"!", limits)

    def test_no_body_whatever_it_says(self) -> None:
        for status in (100, 102, 199, 204, 304):
            head = ResponseHead(b"1.1", status, b"", [(b"Content-Length", b"5")])
            self.assertEqual(response_body_length(head, b"GET"), 0)

    def test_body_length(self) -> None:
        head = ResponseHead(b"1.1", 200, b"OK", [(b"Content-Length", b"2")])
        self.assertEqual(response_body_length(head, b"GET"), 2)
        self.assertEqual(response_body_length(head, b"HEAD"), 0)
