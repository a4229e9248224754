"""Field lines: one strict grammar for the heads and trailers of requests and responses.

A section of field lines is read by one compiled expression that matches a *whole* line or nothing. As no
match contains a line feed but the one that ends it, "as many matches as line feeds" means that every line is
good; only when that fails does anybody look closer, to say what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from slime.errors import BadMessage, ErrorCode

__all__ = [
    "REQUEST_FAULTS",
    "RESPONSE_FAULTS",
    "Faults",
    "Fields",
    "field_values",
    "is_token",
    "parse_fields",
    "refuse_hopeless",
    "tokens",
    "valid_length",
]

Fields = list[tuple[bytes, bytes]]
"""Field lines in the order received: the name as received, the value without the whitespace around it."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
"""RFC 9110 section 5.6.2, as the source of an expression."""

MAX_LENGTH = 2**63 - 1
"""The longest body, in bytes, that a message may announce; more would overflow what others count in."""

# RFC 9112 section 5.1. The two assertions around the value keep whitespace runs from being split in more than
# one way, so a line that does not match is given up in linear time.
_LINE = re.compile(rb"(?<=\r\n)(" + TOKEN + rb"):[ \t]*(?![ \t])([\t -~\x80-\xff]*(?<![ \t])|)[ \t]*\r\n")
_TOKEN = re.compile(TOKEN)
_SPACE_BEFORE_COLON = re.compile(rb"(?<=\r\n)(" + TOKEN + rb")[ \t]+(?=:)")

# What no continuation can mend: bare CR, bare LF, control bytes. `(?=[^\n])` lets a CR end what has arrived.
_HOPELESS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?=[^\n])|(?<!\r)\n")

_EXPLANATIONS = (
    (re.compile(rb"\r(?=[^\n])|\r\Z"), "a carriage return stands without a line feed"),
    (re.compile(rb"(?<!\r)\n"), "a line feed stands without a carriage return"),
    (re.compile(rb"\x00"), "there is a NUL byte in the head"),
    (re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"), "there is a control byte in the head"),
    (re.compile(rb"\r\n[ \t]"), "a field line is folded"),
    (re.compile(rb"\r\n:"), "a field line has no name"),
    (re.compile(rb"\r\n" + TOKEN + rb"[ \t]+:"), "there is whitespace between a field's name and its colon"),
    (re.compile(rb"\r\n" + TOKEN + rb"\r\n"), "a field line has no colon"),
)


@dataclass(frozen=True, slots=True)
class Faults:
    """The error codes by which one kind of message is refused."""

    broken: ErrorCode
    too_large: ErrorCode


REQUEST_FAULTS = Faults(ErrorCode.BAD_REQUEST, ErrorCode.HEAD_TOO_LARGE)
RESPONSE_FAULTS = Faults(ErrorCode.UPSTREAM_BROKE, ErrorCode.UPSTREAM_BROKE)


def parse_fields(block: bytes, start: int, max_fields: int, faults: Faults) -> Fields:
    """Read the field lines of ``block`` from ``start`` to its end (RFC 9112 section 5).

    :param block: ends with the CRLF of its last line; the two bytes before ``start`` are CRLF too.
    :raises BadMessage: a line is not exactly ``name: value``, or there are more than ``max_fields``.
    """
    fields: Fields = _LINE.findall(block, start)
    if len(fields) != block.count(b"\n", start):
        raise BadMessage(faults.broken, explain(block, start))
    if len(fields) > max_fields:
        raise BadMessage(faults.too_large, "there are too many field lines")
    return fields


def without_space_before_colons(block: bytes) -> bytes:
    """``block`` less the whitespace between field names and colons, which a proxy must remove from
    responses (and refuse in requests): RFC 9112 section 5.1."""
    return _SPACE_BEFORE_COLON.sub(rb"\1", block)


def explain(block: bytes, start: int) -> str:
    """Say what is wrong with the field lines of ``block`` from ``start`` on, CRLF before them included."""
    section = block[max(0, start - 2) :]
    for pattern, sentence in _EXPLANATIONS:
        if pattern.search(section):
            return sentence
    return "a field's name is not a token"


def refuse_hopeless(buffer: bytes, start: int, faults: Faults) -> None:
    """Refuse an unfinished section of lines that nothing to come can mend, rather than wait for its end.

    :param start: where to begin; what is before it has been looked at.
    :raises BadMessage: there is a bare CR, a bare LF or a control byte.
    """
    found = _HOPELESS.search(buffer, start)
    if found:
        at = found.start()
        raise BadMessage(faults.broken, explain(buffer[max(0, at - 1) : at + 2], 2))


def field_values(fields: Fields, name: bytes) -> list[bytes]:
    """The values of every line called ``name`` (in lower case), in order."""
    return [value for key, value in fields if key.lower() == name]


def tokens(fields: Fields, name: bytes) -> list[bytes]:
    """The elements of the comma-separated lists in every line called ``name``, in lower case.

    Empty elements are left out, as RFC 9110 section 5.6.1.2 has recipients do.
    """
    values = field_values(fields, name)
    if not values:
        return []
    return [bare for element in b",".join(values).lower().split(b",") if (bare := element.strip(b" \t"))]


def is_token(value: bytes) -> bool:
    """Whether ``value`` is a token (RFC 9110 section 5.6.2)."""
    return _TOKEN.fullmatch(value) is not None


def valid_length(value: bytes) -> int | None:
    """The number of a Content-Length value, or ``None`` if it is not one: digits alone, below 2**63."""
    if not value.isdigit() or len(value) > 19:
        return None
    length = int(value)
    return length if length <= MAX_LENGTH else None
