"""Properties that hold for any message, and the judgement of an independent parser."""

from __future__ import annotations

import contextlib
import re

import httptools
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.http.body import encode_chunk, last_chunk
from slime.http.forwarding import HOP_BY_HOP, Peer, UpstreamAddress, rewrite_for_upstream, upstream_fields
from slime.http.head import (
    RequestHead,
    parse_request_head,
    parse_response_head,
    serialise_request_head,
    serialise_response_head,
)
from tests.http_cases import Message, Reading, bytewise, cut, read_requests, read_response
from tests.http_strategies import REQUEST_STREAMS, RESPONSE_STREAMS, Sent, cuts, damaged, requests, responses, trailers

SOME, MANY = 50, 250
BAD_WHITESPACE = re.compile(rb"[ \t][;=]|[;=][ \t]")  # around chunk extensions: httptools refuses it
TWO_REQUESTS = [stream + REQUEST_STREAMS[0] for stream in REQUEST_STREAMS]
KNOWN_METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND"])


def message(sent: Sent) -> Message:
    return Message(sent.head, sent.body, sent.trailers, complete=True)


def verdict(reading: Reading) -> tuple[list[Message], bool]:
    """What matters of a reading: whole messages, and whether anything was refused behind them."""
    return [each for each in reading.messages if each.complete], reading.refused is not None


def through_slime(head: RequestHead) -> RequestHead:
    """What reaches the upstream, by way of hub, link and agent."""
    fields = upstream_fields(head, Peer("192.0.2.1", "http"), b"r1")
    on_the_link = serialise_request_head(RequestHead(head.method, head.target, b"1.1", fields))
    return rewrite_for_upstream(parse_request_head(on_the_link[:-4]), UpstreamAddress(b"up"))


class RechunkingTests(SynchronousTestCase):
    """Where the bytes of a connection are cut never changes what they mean."""

    @settings(max_examples=SOME)
    @given(st.lists(requests(), min_size=1, max_size=3), cuts)
    def test_requests(self, sent: list[Sent], places: list[int]) -> None:
        stream = b"".join(each.stream for each in sent)
        expected = Reading([message(each) for each in sent], None)
        self.assertEqual(read_requests([stream]), expected)
        self.assertEqual(read_requests(cut(stream, places)), expected)

    @settings(max_examples=SOME)
    @given(requests(), st.integers(0, 400))
    def test_part_of_a_request(self, sent: Sent, size: int) -> None:
        """What is good as far as it goes is not refused."""
        self.assertIsNone(read_requests([sent.stream[:size]]).refused)

    @settings(max_examples=SOME)
    @given(responses(), cuts)
    def test_responses(self, sent: Sent, places: list[int]) -> None:
        expected = Reading([message(sent)], None)
        self.assertEqual(read_response([sent.stream]), expected)
        self.assertEqual(read_response(cut(sent.stream, places)), expected)

    @settings(max_examples=MANY)
    @given(damaged(TWO_REQUESTS), cuts)
    def test_damaged_requests(self, stream: bytes, places: list[int]) -> None:
        whole = verdict(read_requests([stream]))
        self.assertEqual(verdict(read_requests(cut(stream, places))), whole)
        self.assertEqual(verdict(read_requests(bytewise(stream))), whole)

    @settings(max_examples=MANY)
    @given(damaged(RESPONSE_STREAMS), cuts)
    def test_damaged_responses(self, stream: bytes, places: list[int]) -> None:
        whole = verdict(read_response([stream]))
        self.assertEqual(verdict(read_response(cut(stream, places))), whole)
        self.assertEqual(verdict(read_response(bytewise(stream))), whole)

    @settings(max_examples=SOME)
    @given(responses(), st.integers(1, 400))
    def test_cut_responses(self, sent: Sent, at: int) -> None:
        """A response that ends too early is never complete."""
        reading = read_response([sent.stream[: min(at, len(sent.stream) - 1)]])
        self.assertEqual(verdict(reading), ([], True))


class RoundTripTests(SynchronousTestCase):
    """What is written reads the same."""

    @settings(max_examples=SOME)
    @given(requests())
    def test_request_heads(self, sent: Sent) -> None:
        assert isinstance(sent.head, RequestHead)
        self.assertEqual(parse_request_head(serialise_request_head(sent.head)[:-4]), sent.head)

    @settings(max_examples=SOME)
    @given(responses())
    def test_response_heads(self, sent: Sent) -> None:
        assert not isinstance(sent.head, RequestHead)
        self.assertEqual(parse_response_head(serialise_response_head(sent.head)[:-4]), sent.head)

    @settings(max_examples=SOME)
    @given(st.lists(st.binary(max_size=20)), trailers)
    def test_chunks(self, pieces: list[bytes], trailer_fields: list[tuple[bytes, bytes]]) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        reading = read_response([head, *map(encode_chunk, pieces), last_chunk(trailer_fields)])
        (read,) = reading.messages
        self.assertEqual((read.body, read.trailers, read.complete), (b"".join(pieces), trailer_fields, True))

    @settings(max_examples=MANY)
    @given(damaged(REQUEST_STREAMS))
    def test_what_is_let_through(self, stream: bytes) -> None:
        """Of a damaged request that is let through, the upstream gets one that is not damaged."""
        for each in read_requests([stream]).messages:
            assert isinstance(each.head, RequestHead)
            sent = through_slime(each.head)
            block = serialise_request_head(sent)
            self.assertEqual(parse_request_head(block[:-4]), sent)
            self.assertEqual((sent.method, sent.target), (each.head.method, each.head.target))
            self.assertFalse({name.lower() for name, _ in sent.fields} & (HOP_BY_HOP - {b"te", b"connection"}))


class Oracle:
    """What httptools makes of a stream of requests or a response."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.target = self.body = self.reason = b""
        self.complete = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_status(self, part: bytes) -> None:
        self.reason += part

    def on_header(self, name: bytes, value: bytes) -> None:
        # It leaves the whitespace behind a value where it is.
        self.fields.append((name, value.rstrip(b" \t")))

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


class OracleTests(SynchronousTestCase):
    """Where httptools knows a message it reads it as we do. (It does not know every method, and accepts more.)"""

    @settings(max_examples=SOME)
    @given(requests(KNOWN_METHODS))
    def test_requests(self, sent: Sent) -> None:
        self.compare_request(sent.stream, message(sent))

    @settings(max_examples=MANY)
    @given(damaged([stream for stream in REQUEST_STREAMS if b"http:" not in stream]))
    def test_damaged_requests(self, stream: bytes) -> None:
        assume(not BAD_WHITESPACE.search(stream))
        reading = read_requests([stream])
        if len(reading.messages) == 1 and reading.messages[0].complete and not (reading.refused or reading.rest):
            with contextlib.suppress(httptools.HttpParserInvalidMethodError):
                self.compare_request(stream, reading.messages[0])

    def compare_request(self, stream: bytes, read: Message) -> None:
        oracle = Oracle()
        parser = httptools.HttpRequestParser(oracle)
        parser.feed_data(stream)
        assert isinstance(read.head, RequestHead)
        self.assertEqual(
            (parser.get_method(), oracle.target, oracle.fields, oracle.body, oracle.complete),
            (read.head.method, read.head.target, [*read.head.fields, *read.trailers], read.body, True),
        )

    @settings(max_examples=SOME)
    @given(responses())
    def test_responses(self, sent: Sent) -> None:
        oracle = Oracle()
        parser = httptools.HttpResponseParser(oracle)
        parser.feed_data(sent.stream)
        assert not isinstance(sent.head, RequestHead)
        self.assertEqual(
            (parser.get_status_code(), oracle.reason, oracle.fields, oracle.body, oracle.complete),
            (sent.head.status, sent.head.reason, [*sent.head.fields, *sent.trailers], sent.body, True),
        )
