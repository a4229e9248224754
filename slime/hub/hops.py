"""``Max-Forwards``: how far ``OPTIONS`` and ``TRACE`` may go (RFC 9110 section 7.6.2). Pure."""

from __future__ import annotations

from slime.errors import BadMessage, ErrorCode
from slime.http.head import Fields, RequestHead, ResponseHead, field_values, serialise_request_head
from slime.hub.answers import Answer

__all__ = ["COUNTED", "as_recipient", "one_hop_on"]

COUNTED = frozenset({b"OPTIONS", b"TRACE"})
"""The methods whose hops are counted."""

FARTHEST = 255
_SECRETS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})


def one_hop_on(head: RequestHead) -> RequestHead | None:
    """The request as it may be passed on, or ``None`` if it must go no farther than here.

    :raises BadMessage: there is more than one count, or it is not a number.
    """
    counts = field_values(head.fields, b"max-forwards")
    if not counts:
        return head
    if len(counts) > 1 or not counts[0].isdigit():
        raise BadMessage(ErrorCode.BAD_REQUEST, "the Max-Forwards field is not one number")
    digits = counts[0].lstrip(b"0")
    if not digits:
        return None
    left = FARTHEST if len(digits) > 3 else min(int(digits) - 1, FARTHEST)
    fields = [(name, b"%d" % left if name.lower() == b"max-forwards" else value) for name, value in head.fields]
    return RequestHead(head.method, head.target, head.version, fields)


def as_recipient(head: RequestHead) -> Answer:
    """The answer of the one at whom the request had to stop."""
    if head.method == b"OPTIONS":
        return Answer(ResponseHead(b"1.1", 200, b"OK", []), b"")
    shown = serialise_request_head(RequestHead(head.method, head.target, head.version, _harmless(head.fields)))
    return Answer(ResponseHead(b"1.1", 200, b"OK", [(b"Content-Type", b"message/http")]), shown)


def _harmless(fields: Fields) -> Fields:
    """What a script may read that can send ``TRACE`` but not see these (RFC 9110 section 9.3.8)."""
    return [field for field in fields if (low := field[0].lower()) not in _SECRETS and not low.startswith(b"slime-")]
