"""The trace that a request is a part of (W3C Trace Context, section 3.2).

``traceparent`` is passed on as it came, like any other field. It is read for logs alone, so that somebody who has a
trace finds what was said about its requests.
"""

from __future__ import annotations

import re

from slime.http.fields import Fields, field_values

__all__ = ["identified", "in_brackets", "trace_id", "trace_of"]

_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?"
)


def trace_id(traceparent: bytes) -> str:
    """The trace's id, 32 digits of hexadecimal, by a value of ``traceparent``; empty if the value is none.

    Versions to come may add to the value, version 00 may not.
    """
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or (match[3] is not None and match[1] == b"00"):
        return ""
    return match[2].decode("ascii")


def trace_of(fields: Fields) -> str:
    """The same, by the fields of a head. A field that is there twice says nothing."""
    values = field_values(fields, b"traceparent")
    return trace_id(values[0]) if len(values) == 1 else ""


def identified(request_id: bytes, fields: Fields) -> str:
    """How a request is known, for a line of the log.

    :param request_id: what the hub calls it; empty if it has no name yet.
    :param fields: of its head.
    """
    trace = trace_of(fields)
    return f"request {request_id.decode('latin-1') or '-'}" + (f", trace {trace}" if trace else "")


def in_brackets(fields: Fields) -> str:
    """The same for an agent, which knows a request by the name that the hub gave it; nothing for one of its own.

    :param fields: of the head that the hub sent.
    """
    names = field_values(fields, b"slime-request-id")
    return f" ({identified(names[0], fields)})" if names else ""
