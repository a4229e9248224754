"""What must hold for any bytes at all. A target takes an input and raises whatever it finds wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from slime.errors import BadMessage, LocalProtocolError, RemoteProtocolError
from slime.http.body import are_trailers, encode_chunk, last_chunk
from slime.http.forwarding import Peer, UpstreamAddress, rewrite_for_upstream, upstream_fields
from slime.http.head import (
    DEFAULT,
    HeadLimits,
    RequestHead,
    ResponseHead,
    parse_request_head,
    parse_response_head,
    serialise_request_head,
    serialise_response_head,
)
from slime.http.known import KnownHeads
from slime.http.parser import RequestParser
from slime.testing import TunnelPair
from slime.tunnel import Data, End, Frame, Head, Started, TunnelConnection
from slime.tunnel.codec import decode, encode
from tests.http_cases import Message, Reading, read_requests, read_response

__all__ = ["TARGETS", "FoundError"]

FRAMING = frozenset({b"content-length", b"transfer-encoding"})
WIDE = HeadLimits(head_bytes=80 * 1024, fields=300, target_bytes=80 * 1024)  # a hop adds to what it has accepted
KNOWN = KnownHeads(DEFAULT)
METHODS = (b"GET", b"HEAD", b"POST", b"CONNECT")


class FoundError(Exception):
    """A property does not hold."""


def expect(holds: bool, what: str, *values: object) -> None:
    """Raise unless it holds."""
    if not holds:
        raise FoundError(what, *values)


def cut_up(data: bytes) -> tuple[list[bytes], bytes]:
    """The pieces that an input asks to be cut into, and the whole: its first bytes say where to cut."""
    places, stream = data[:4], data[4:]
    ends = sorted({0, len(stream), *(place * (len(stream) + 1) // 256 for place in places)})
    return [stream[start:end] for start, end in pairwise(ends)], stream


def verdict(reading: Reading) -> tuple[list[Message], bool]:
    """Whole messages, and whether anything was refused behind them."""
    return [message for message in reading.messages if message.complete], reading.refused is not None


def requests(data: bytes) -> None:
    """Neither cuts nor what came before matters, nothing but :class:`BadMessage` is raised, and what is let through is
    sent on whole."""
    pieces, stream = cut_up(data)
    whole = verdict(read_requests([stream]))
    for _ in range(2):
        expect(verdict(read_with_memory(stream)) == whole, "what came before matters", stream)
    expect(verdict(read_requests(pieces)) == whole, "cuts matter", pieces)
    if len(stream) < 400:
        expect(verdict(read_requests([bytes([byte]) for byte in stream])) == whole, "single bytes matter", stream)
    for message in whole[0]:
        check_request(message)


def read_with_memory(stream: bytes) -> Reading:
    """The same by a parser that has seen the heads of all inputs so far."""
    reading = read_requests([stream], RequestParser(read=KNOWN.read))
    for message in reading.messages:
        method, target, version = message.head.method, message.head.target, message.head.version
        message.head = RequestHead(method, target, version, message.head.fields)
    return reading


def check_request(message: Message) -> None:
    """A request reads the same when it is written again, and when it has passed through slime."""
    head = message.head
    if not isinstance(head, RequestHead):
        raise FoundError("not a request", head)
    if head.version == b"1.1":
        expect(parse_request_head(serialise_request_head(head)[:-4]) == head, "a head reads differently", head)
    fields = upstream_fields(head, Peer("192.0.2.1", "http"), b"r1")
    on_the_link = serialise_request_head(RequestHead(head.method, head.target, b"1.1", fields))
    sent = rewrite_for_upstream(parse_request_head(on_the_link[:-4], WIDE), UpstreamAddress(b"up"))
    framed = RequestHead(sent.method, sent.target, b"1.1", [*sent.fields, (b"Transfer-Encoding", b"chunked")])
    if head.method == b"TRACE":
        framed = sent
    rest = b"" if framed is sent else encode_chunk(message.body) + last_chunk(message.trailers)
    again = read_requests([serialise_request_head(framed) + rest], RequestParser(WIDE))
    expected = Reading([Message(framed, message.body, message.trailers, complete=True)], None)
    expect(again == expected, "what is sent on reads differently", message, again)


def responses(data: bytes) -> None:
    """As :func:`requests`, for the answer to a method that the first byte chooses."""
    method = METHODS[data[0] % len(METHODS)] if data else b"GET"
    pieces, stream = cut_up(data[1:])
    whole = verdict(read_response([stream], method))
    expect(verdict(read_response(pieces, method)) == whole, "cuts matter", pieces)
    if len(stream) < 400:
        singly = [bytes([byte]) for byte in stream]
        expect(verdict(read_response(singly, method)) == whole, "single bytes matter", stream)
    for message in whole[0]:
        check_response(message)


def check_response(message: Message) -> None:
    """A response reads the same when it is written again."""
    head = message.head
    if not isinstance(head, ResponseHead):
        raise FoundError("not a response", head)
    expect(are_trailers(message.trailers), "trailers that are none", message.trailers)
    if head.version == b"1.1":
        again = parse_response_head(serialise_response_head(head)[:-4])
        expect(again == head, "a head reads differently", head)
    if head.status >= 200 and head.status not in (204, 304):
        fields = [field for field in head.fields if field[0].lower() not in FRAMING]
        framed = ResponseHead(b"1.1", head.status, head.reason, [*fields, (b"Transfer-Encoding", b"chunked")])
        stream = serialise_response_head(framed) + encode_chunk(message.body) + last_chunk(message.trailers)
        expected = Reading([Message(framed, message.body, message.trailers, complete=True)], None)
        expect(read_response([stream], b"GET") == expected, "what is sent on reads differently", message)


def heads(data: bytes) -> None:
    """A block is a head or refused, whatever it is; no text of an error holds what was sent."""
    for parse in (parse_request_head, parse_response_head):
        try:
            parse(data)
        except BadMessage as error:
            expect(error.detail.isprintable(), "an error's text is not clean", error.detail)


def frames(data: bytes) -> None:
    """A message is frames or :class:`RemoteProtocolError`; frames read the same when they are written again."""
    try:
        read = decode(data)
    except RemoteProtocolError:
        return
    for frame in read:
        expect(decode(encode(frame)) == [frame], "a frame reads differently", frame)
    expect(not read or decode(b"".join(map(encode, read))) == read, "frames read differently", read)


def link(data: bytes) -> None:
    """An end with some streams takes any messages, raises nothing but :class:`RemoteProtocolError`, and stays sane.

    The first byte chooses the end; each message is preceded by its length in two bytes.
    """
    pair = TunnelPair()
    ids = [pair.hub.open(b"GET / HTTP/1.1\r\n\r\n", length) for length in (0, 5, None)]
    pair.pump()
    pair.agent.send(Started(ids[0]))
    pair.agent.send(Head(ids[0], b"HTTP/1.1 200 OK\r\n\r\n", None))
    pair.hub.send(Data(ids[1], b"hel"))
    pair.pump()
    end = pair.hub if data[:1] < b"\x80" else pair.agent
    for message in messages(data[1:]):
        try:
            events = end.receive(message)
        except RemoteProtocolError:
            return
        answer(end, events)


def messages(data: bytes) -> Iterator[bytes]:
    """The messages that an input consists of."""
    while len(data) > 2:
        size = int.from_bytes(data[:2], "big")
        yield data[2 : 2 + size]
        data = data[2 + size :]


def answer(end: TunnelConnection, events: list[Frame]) -> None:
    """Use what came, say something in return, and send all there is."""
    for event in events:
        if isinstance(event, Data):
            end.consumed(event.stream_id, len(event.data))
        if isinstance(event, End):
            say(end, End(event.stream_id, []))
    while (message := end.next_message()) is not None:
        decode(message)
    expect(end.live <= 20_000, "too many streams", end.live)


def say(end: TunnelConnection, frame: Frame) -> None:
    """Send what may be out of place by now."""
    try:
        end.send(frame)
    except LocalProtocolError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    "requests": requests, "responses": responses, "heads": heads, "frames": frames, "link": link,
}  # fmt: skip
