"""Heads of requests and responses: values, the strict parser of each, and the serialiser.

:func:`parse_request_head` and :func:`parse_response_head` accept what RFC 9112 allows a sender to send, less
what two recipients could read differently. What they accept they return unchanged but for three things: a
target in absolute-form becomes one in origin-form, with its authority as ``Host`` (section 3.2.2); repeated,
identical lengths of a response are one (RFC 9110 section 8.6); whitespace between the name and the colon of a
response's field is removed (section 5.1).
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from slime.errors import BadMessage, ErrorCode, LocalProtocolError
from slime.http.fields import (
    REQUEST_FAULTS,
    RESPONSE_FAULTS,
    TOKEN,
    Fields,
    field_values,
    is_token,
    parse_fields,
    tokens,
    valid_length,
    without_space_before_colons,
)
from slime.http.target import is_authority, origin_form, same_authority
from slime.record import record

__all__ = [
    "BODILESS",
    "DEFAULT",
    "UNTIL_CLOSE",
    "Fields",
    "HeadLimits",
    "RequestHead",
    "ResponseHead",
    "ResponseStart",
    "body_length",
    "field_lines",
    "field_values",
    "parse_request_head",
    "parse_response_head",
    "persists",
    "response_body_length",
    "response_start",
    "rest_of_head",
    "serialise_request_head",
    "serialise_response_head",
    "stays_open",
    "tokens",
]

UNTIL_CLOSE = -1
"""The length of a response's body that ends where the connection ends."""

MAX_METHOD = 64
"""Bytes of a method; the longest registered one has 17."""

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([!\"$-~]+) HTTP/1\.([0-9])\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?\r\n")
_OTHER_VERSION = re.compile(TOKEN + rb" [!\"$-~]+ HTTP/[0-9]\.[0-9]\r\n")
# Whoever speaks a later version of this protocol understands 1.1 as well (RFC 9110 section 2.5).
_VERSIONS = {b"%d" % minor: b"1.1" for minor in range(10)} | {b"0": b"1.0"}
_LENGTHS = frozenset([b"content-length", b"transfer-encoding"])
_FRAMING = _LENGTHS | {b"host"}
BODILESS = frozenset([204, 304])
"""The statuses of final responses that never have a body (RFC 9112 section 6.3)."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Bounds of a head: bytes in all, number of field lines, bytes of the request's target."""

    head_bytes: int = 65536
    fields: int = 200
    target_bytes: int = 16384


DEFAULT = HeadLimits()


@record
class RequestHead:
    """A request's line and fields; ``version`` is ``b"1.0"``, or ``b"1.1"`` for any later HTTP/1.x."""

    method: bytes
    target: bytes
    version: bytes
    fields: Fields


@record
class ResponseHead:
    """A response's status line and fields; ``version`` is ``b"1.0"``, or ``b"1.1"`` for any later HTTP/1.x."""

    version: bytes
    status: int
    reason: bytes
    fields: Fields


@record
class ResponseStart:
    """What a response's head begins with, as it is sent; :func:`rest_of_head` makes the rest.

    :ivar status: its status.
    :ivar text: the status line and fields, each with its CRLF.
    :ivar dated: is ``Date`` among them?
    """

    status: int
    text: bytes
    dated: bool


def parse_request_head(block: bytes, limits: HeadLimits = DEFAULT) -> RequestHead:
    """Read a request's head (RFC 9112 sections 3 and 5, RFC 9110 section 7.2).

    :param block: everything before the empty line, without the CRLF that ends its last line.
    :raises BadMessage: with the code to answer by: ``BAD_REQUEST``, ``HEAD_TOO_LARGE``,
        ``TARGET_TOO_LONG``, ``UNSUPPORTED`` or ``VERSION``.
    """
    return read_request_head(block + b"\r\n", limits)[0]


def parse_response_head(block: bytes, limits: HeadLimits = DEFAULT) -> ResponseHead:
    """Read a response's head (RFC 9112 sections 4 and 5).

    :param block: everything before the empty line, without the CRLF that ends its last line.
    :raises BadMessage: always with ``UPSTREAM_BROKE``.
    """
    return read_response_head(block + b"\r\n", limits, b"")[0]


def read_request_head(block: bytes, limits: HeadLimits) -> tuple[RequestHead, int | None]:
    """As :func:`parse_request_head`, of a block *with* its last CRLF; the body's length comes with it."""
    if len(block) > limits.head_bytes + 2:
        raise BadMessage(ErrorCode.HEAD_TOO_LARGE, "the head is too large")
    method, target, version, start = read_request_line(block, limits)
    fields = parse_fields(block, start, limits.fields, REQUEST_FAULTS)
    framing = _framing(fields)
    _check_host(framing.get(b"host"), version)
    if not target.startswith(b"/") or method == b"CONNECT":
        target, fields = _in_origin_form(method, target, fields, framing)
    length = _request_length(framing, version)
    if length != 0 and method == b"TRACE":
        raise BadMessage(ErrorCode.BAD_REQUEST, "TRACE must not have a body")
    return RequestHead(method, target, version, fields), length


def _framing(fields: Fields) -> dict[bytes, bytes]:
    """The values of the fields that say whose a request is and where it ends, by their names in lower case.

    :raises BadMessage: one of them stands there twice, be it with the same value.
    """
    framing = [(low, value) for name, value in fields if (low := name.lower()) in _FRAMING]
    values = dict(framing)
    if len(values) < len(framing):
        raise BadMessage(ErrorCode.BAD_REQUEST, "Host, Content-Length or Transfer-Encoding is repeated")
    return values


def read_request_line(block: bytes, limits: HeadLimits) -> tuple[bytes, bytes, bytes, int]:
    """The method, the target as it came, the version and where the line after it begins.

    :raises BadMessage: the line is not exactly ``method SP target SP HTTP/1.x CRLF``, or too long.
    """
    found = _REQUEST_LINE.match(block)
    if found is None:
        raise _bad_request_line(block)
    method, target, minor = found.groups()
    if len(target) > limits.target_bytes:
        raise BadMessage(ErrorCode.TARGET_TOO_LONG, "the target is too long")
    if len(method) > MAX_METHOD:
        raise BadMessage(ErrorCode.UNSUPPORTED, "the method is unheard of")
    return method, target, _VERSIONS[minor], found.end()


def _bad_request_line(block: bytes) -> BadMessage:
    if _OTHER_VERSION.match(block):
        return BadMessage(ErrorCode.VERSION, "the version is not HTTP/1.x")
    return BadMessage(ErrorCode.BAD_REQUEST, "the request line is malformed")


def _check_host(host: bytes | None, version: bytes) -> None:
    """Refuse what RFC 9112 section 3.2 says must be refused: no ``Host`` in HTTP/1.1, or no valid one.

    An empty one is no valid one here: both schemes need a host (RFC 9110 section 4.2.1).
    """
    if host is None:
        if version == b"1.1":
            raise BadMessage(ErrorCode.BAD_REQUEST, "there is no Host field")
    elif not is_authority(host):
        raise BadMessage(ErrorCode.BAD_REQUEST, "the Host field is not a host and port")


def _in_origin_form(
    method: bytes, target: bytes, fields: Fields, framing: dict[bytes, bytes]
) -> tuple[bytes, Fields]:
    """The target in origin-form, and the fields with the authority it named (RFC 9112 section 3.2.2)."""
    path, authority = origin_form(method, target)
    host = framing.get(b"host")
    if authority is None:
        return path, fields
    if host is None:
        return path, [(b"Host", authority), *fields]
    if not same_authority(target, authority, host):
        raise BadMessage(ErrorCode.BAD_REQUEST, "the Host field and the target name different hosts")
    return path, [(name, authority if name.lower() == b"host" else value) for name, value in fields]


def body_length(head: RequestHead) -> int | None:
    """The length of a request's body in bytes, ``None`` if it is chunked (RFC 9112 section 6.3).

    :raises BadMessage: the framing fields contradict each other or say nothing that can be relied on.
    """
    return _request_length(_framing(head.fields), head.version)


def _request_length(framing: dict[bytes, bytes], version: bytes) -> int | None:
    coding, length = framing.get(b"transfer-encoding"), framing.get(b"content-length")
    if coding is not None:
        _check_coding(coding, length, version)
        return None
    if length is None:
        return 0
    size = valid_length(length)
    if size is None:
        raise BadMessage(ErrorCode.BAD_REQUEST, "the Content-Length field is not a number of bytes")
    return size


def _check_coding(coding: bytes, length: bytes | None, version: bytes) -> None:
    """Refuse every way to announce a transfer coding but one (RFC 9112 sections 6.1 and 6.3)."""
    if length is not None:
        raise BadMessage(ErrorCode.BAD_REQUEST, "there are both Transfer-Encoding and Content-Length")
    if version == b"1.0":
        raise BadMessage(ErrorCode.BAD_REQUEST, "there is Transfer-Encoding in an HTTP/1.0 message")
    if coding.lower() == b"chunked":
        return
    *others, last = [name.strip(b" \t") for name in coding.lower().split(b",")]
    if last == b"chunked" and b"chunked" not in others and all(map(is_token, others)):
        raise BadMessage(ErrorCode.UNSUPPORTED, "only the transfer coding chunked is understood")
    raise BadMessage(ErrorCode.BAD_REQUEST, "the Transfer-Encoding field is not exactly chunked")


def read_response_head(
    block: bytes, limits: HeadLimits, method: bytes
) -> tuple[ResponseHead, int | None]:
    """As :func:`parse_response_head`, of a block *with* its last CRLF; the body's length comes with it."""
    if len(block) > limits.head_bytes + 2:
        raise _broke("the head is too large")
    found = _STATUS_LINE.match(block)
    if found is None:
        raise _broke("the status line is malformed")
    minor, digits, reason = found.groups(b"")
    version, status = _VERSIONS[minor], int(digits)
    fields, length = _response_framing(_response_fields(block, found.end(), limits), version)
    if _has_no_body(status, method):
        length = 0
    return ResponseHead(version, status, reason, fields), length


def _response_fields(block: bytes, start: int, limits: HeadLimits) -> Fields:
    """As :func:`parse_fields`, but whitespace before colons is removed (RFC 9112 section 5.1)."""
    try:
        return parse_fields(block, start, limits.fields, RESPONSE_FAULTS)
    except BadMessage:
        mended = without_space_before_colons(block)
        if mended == block:
            raise
        return parse_fields(mended, start, limits.fields, RESPONSE_FAULTS)


def _response_framing(fields: Fields, version: bytes) -> tuple[Fields, int | None]:
    """``fields`` with one Content-Length at most, and what they say about the length.

    :raises BadMessage: they say more than one thing.
    """
    framing = [(low, value) for name, value in fields if (low := name.lower()) in _LENGTHS]
    if not framing:
        return fields, UNTIL_CLOSE
    if any(name == b"transfer-encoding" for name, _ in framing):
        if len(framing) > 1 or version == b"1.0" or framing[0][1].lower() != b"chunked":
            raise _broke("the Transfer-Encoding field cannot be relied on")
        return fields, None
    length = valid_length(framing[0][1])
    return (fields, length) if length is not None and len(framing) == 1 else _with_one_length(fields, framing)


def _with_one_length(fields: Fields, framing: Fields) -> tuple[Fields, int]:
    """Repeated lengths, on one line or on several, may be one if they are equal (RFC 9110 section 8.6)."""
    values = {length.strip(b" \t") for _, value in framing for length in value.split(b",")}
    length = valid_length(values.pop())
    if values or length is None:
        raise _broke("the Content-Length field is not one number of bytes")
    others = [field for field in fields if field[0].lower() != b"content-length"]
    return [*others, (b"Content-Length", b"%d" % length)], length


def _has_no_body(status: int, method: bytes) -> bool:
    return method == b"HEAD" or status < 200 or status in BODILESS


def response_body_length(head: ResponseHead, method: bytes) -> int | None:
    """The length in bytes of the body of a response to ``method`` (RFC 9112 section 6.3).

    ``None`` if it is chunked, :data:`UNTIL_CLOSE` if only the connection's end ends it.

    :raises BadMessage: the framing fields contradict each other or say nothing that can be relied on.
    """
    return 0 if _has_no_body(head.status, method) else _response_framing(head.fields, head.version)[1]


def persists(head: RequestHead | ResponseHead) -> bool:
    """Whether the sender will keep the connection open behind this message (RFC 9112 section 9.3)."""
    return stays_open(head.version, tokens(head.fields, b"connection"))


def stays_open(version: bytes, options: Container[bytes]) -> bool:
    """As :func:`persists`, for whoever has the ``Connection`` options of the message already."""
    return b"close" not in options and (version == b"1.1" or b"keep-alive" in options)


def serialise_request_head(head: RequestHead) -> bytes:
    """The head as HTTP/1.1 sends it, empty line included.

    :raises LocalProtocolError: a part holds a line break.
    """
    return _serialise(b"%b %b HTTP/1.1" % (head.method, head.target), head.fields)


def serialise_response_head(head: ResponseHead) -> bytes:
    """The head as HTTP/1.1 sends it, empty line included.

    :raises LocalProtocolError: a part holds a line break.
    """
    return _serialise(_status_line(head), head.fields)


def response_start(head: ResponseHead) -> ResponseStart:
    """As :func:`serialise_response_head`, for a head that more fields belong to.

    :raises LocalProtocolError: a part holds a line break.
    """
    text = _joined([_status_line(head), *map(b": ".join, head.fields), b""])
    return ResponseStart(head.status, text, bool(field_values(head.fields, b"date")))


def rest_of_head(fields: Fields) -> bytes:
    """The last fields of a head as they are sent, and the empty line.

    :raises LocalProtocolError: one holds a line break.
    """
    return _joined([*map(b": ".join, fields), b"", b""])


def _status_line(head: ResponseHead) -> bytes:
    return b"HTTP/1.1 %d %b" % (head.status, head.reason)


def field_lines(fields: Fields) -> bytes:
    """The lines of these fields, for whoever puts a head together from parts.

    :raises LocalProtocolError: a part holds a line break.
    """
    return _joined([*map(b": ".join, fields), b""])


def _serialise(line: bytes, fields: Fields) -> bytes:
    return _joined([line, *map(b": ".join, fields), b"", b""])


def _joined(lines: list[bytes]) -> bytes:
    """Lines as they are sent, but for the CRLF of the last."""
    block = b"\r\n".join(lines)
    if not block.count(b"\n") == block.count(b"\r") == len(lines) - 1:
        raise LocalProtocolError("a line break in a head that was to be sent")
    return block


def _broke(detail: str) -> BadMessage:
    return BadMessage(ErrorCode.UPSTREAM_BROKE, detail)
