"""Messages as hypothesis makes them up, and the bytes they are sent as."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from slime.http.head import Fields, RequestHead, ResponseHead

TCHAR = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SPECIAL = {
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"te",
    b"trailer",
    b"upgrade",
    b"expect",
}


def strings(alphabet: bytes, **size: int) -> st.SearchStrategy[bytes]:
    return st.text(alphabet.decode("latin-1"), **size).map(lambda text: text.encode("latin-1"))


tokens = strings(TCHAR, min_size=1, max_size=12)
values = strings(bytes([9, *range(32, 127), *range(128, 256)]), max_size=20).map(lambda value: value.strip(b" \t"))
fields: st.SearchStrategy[Fields] = st.lists(
    st.tuples(tokens.filter(lambda name: name.lower() not in SPECIAL), values),
    max_size=3,
)
trailers: st.SearchStrategy[Fields] = st.lists(st.tuples(tokens.map(lambda name: b"x-" + name), values), max_size=3)
targets = strings(bytes([33, 34, *range(36, 127)]), max_size=20).map(lambda rest: b"/" + rest)
hosts = st.sampled_from([b"h.example", b"h.example:80", b"127.0.0.1:1", b"[::1]:8080"])
whitespace = st.sampled_from([b"", b" ", b"\t", b" \t "])
cuts = st.lists(st.integers(1, 400), max_size=12)


@dataclass
class Sent:
    """A message and one of the streams of bytes that mean it."""

    head: RequestHead | ResponseHead
    body: bytes
    trailers: Fields
    stream: bytes


@st.composite
def chunked(draw: st.DrawFn, body: bytes, trailer_fields: Fields) -> bytes:
    """``body`` in chunks of any size, with zeros, extensions and capitals in their size lines."""
    stream, rest = b"", body
    while rest:
        size = draw(st.integers(1, len(rest)))
        stream += draw(size_line(size)) + rest[:size] + b"\r\n"
        rest = rest[size:]
    lines = b"".join(b"%b: %b\r\n" % field for field in trailer_fields)
    return stream + draw(size_line(0)) + lines + b"\r\n"


@st.composite
def size_line(draw: st.DrawFn, size: int) -> bytes:
    digits = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % size
    return digits + draw(st.sampled_from([b"", b"", b";a", b";a=b", b';a="\\";\xe9"'])) + b"\r\n"


@st.composite
def framed(draw: st.DrawFn, line: bytes, before: Fields) -> tuple[Fields, bytes, Fields, bytes]:
    """Fields with framing among them, a body, its trailers, and all of it behind ``line`` as bytes."""
    body = draw(st.binary(max_size=40))
    trailer_fields: Fields = []
    rest = body
    if draw(st.booleans()):
        framing = (b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"])))
        trailer_fields = draw(trailers)
        rest = draw(chunked(body, trailer_fields))
    else:
        framing = (draw(st.sampled_from([b"Content-Length", b"content-length"])), b"%d" % len(body))
    all_fields = [*before, *draw(fields), framing, *draw(fields)]
    lines = b"".join(name + b":" + draw(whitespace) + value + b"\r\n" for name, value in all_fields)
    return all_fields, body, trailer_fields, line + b"\r\n" + lines + b"\r\n" + rest


@st.composite
def requests(draw: st.DrawFn, methods: st.SearchStrategy[bytes] = tokens) -> Sent:
    """Requests with any method but those that may have no body."""
    method = draw(methods.filter(lambda method: method not in (b"CONNECT", b"TRACE")))
    target = draw(targets)
    host = (draw(st.sampled_from([b"Host", b"host"])), draw(hosts))
    all_fields, body, trailer_fields, stream = draw(framed(method + b" " + target + b" HTTP/1.1", [host]))
    return Sent(RequestHead(method, target, b"1.1", all_fields), body, trailer_fields, stream)


@st.composite
def responses(draw: st.DrawFn) -> Sent:
    """Final responses that have a body, if only an empty one."""
    status = draw(st.integers(200, 599).filter(lambda status: status not in (204, 304)))
    reason = draw(values)
    all_fields, body, trailer_fields, stream = draw(framed(b"HTTP/1.1 %d %b" % (status, reason), []))
    return Sent(ResponseHead(b"1.1", status, reason, all_fields), body, trailer_fields, stream)


HOST = b"Host: h.example\r\n"

CHUNKED = b"POST /p HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"

REQUEST_STREAMS = [
    b"GET /p?q HTTP/1.1\r\n" + HOST + b"Accept: */*\r\nX: a, b\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET http://h.example/p HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Connection: close, X\r\nX: y\r\n\r\n",
    b"POST /p HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello",
    b"POST /p HTTP/1.1\r\nContent-Length: 18\r\n" + HOST + b"\r\nGET / HTTP/1.1\r\n\r\n",
    CHUNKED + b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
    CHUNKED + b"2;a=b;c=\"d\"\r\n\r\n\r\n0\r\nX: y\r\nZ: z\r\n\r\n",
]

RESPONSE_STREAMS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2, 2\r\n\r\nno",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a\r\n!\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length : 5\r\n\r\n",
]

damages = st.sampled_from([b"", b"\r\n", *(bytes([byte]) for byte in b"\r\n \t01:;,+\x00\xff")])


@st.composite
def damaged(draw: st.DrawFn, streams: list[bytes]) -> bytes:
    """One of ``streams`` with a few bytes lost, changed or put in, mostly such as mean something."""
    stream = draw(st.sampled_from(streams))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(stream)))
        stream = stream[:at] + draw(damages) + stream[at + draw(st.integers(0, 2)) :]
    return stream
