"""The answers the hub gives by itself: one shape for every error of :class:`slime.errors.ErrorCode`.

Pure. A client that accepts ``application/problem+json`` gets a problem document (RFC 9457), any other one plain
line. Every such answer carries ``Slime-Error``, so that slime's own 503 can be told from an upstream's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from slime.errors import ErrorCode
from slime.http.head import Fields, RequestHead, ResponseHead, field_values

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress

__all__ = ["Answer", "Answered", "Trouble", "answer_for", "closing_answer"]

APPLICATION_CHALLENGE = b'Slime realm="slime"'
RETRY_AFTER = b"1"
_RETRYABLE = {503}
_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: head (without framing) and body."""

    head: ResponseHead
    body: bytes


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong, and what else the application should know.

    :ivar code: the error.
    :ivar detail: one sentence more than the code's title, or empty.
    :ivar fields: further fields of the answer, such as ``Slime-Started``.
    """

    code: ErrorCode
    detail: str = ""
    fields: Fields = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that the hub answered by itself, before it became an exchange; for the access log.

    :ivar peer: who sent it.
    :ivar outcome: ``ok``, or the slug of an error.
    :ivar detail: as of :class:`Trouble`.
    :ivar head: its head, if it could be read.
    :ivar request_id: if it was given one.
    :ivar sent: bytes of the answer's body.
    """

    peer: IAddress
    status: int
    outcome: str
    detail: str = ""
    head: RequestHead | None = None
    request_id: bytes = b""
    sent: int = 0


def answer_for(trouble: Trouble, request: RequestHead | None, request_id: bytes = b"") -> Answer:
    """The answer that tells an application about ``trouble``.

    :param request: the request's head, if one could be read: its ``Accept`` decides the shape.
    :param request_id: goes into ``Slime-Request-Id``; empty when the request never got one.
    """
    code = trouble.code
    content_type, body = _body(trouble, request)
    fields = [(b"Content-Type", content_type), (b"Slime-Error", code.slug.encode("ascii"))]
    if request_id:
        fields.append((b"Slime-Request-Id", request_id))
    if code.status in _RETRYABLE:
        fields.append((b"Retry-After", RETRY_AFTER))
    if code is ErrorCode.UNAUTHORIZED and not field_values(trouble.fields, b"www-authenticate"):
        fields.append((b"WWW-Authenticate", APPLICATION_CHALLENGE))
    if code is ErrorCode.UPGRADE_REQUIRED:
        fields += [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
    fields.extend(trouble.fields)
    return Answer(ResponseHead(b"1.1", code.status, _REASONS.get(code.status, b""), fields), body)


def closing_answer(trouble: Trouble, more: Fields) -> Answer:
    """The answer to a request whose head could not be read, if there was any: the last one on its connection.

    :param more: further fields of the hub's.
    :returns: with a head that has all its framing.
    """
    answer = answer_for(trouble, None)
    framing = [(b"Content-Length", b"%d" % len(answer.body)), (b"Connection", b"close")]
    fields = [*answer.head.fields, *more, *framing]
    return Answer(ResponseHead(b"1.1", answer.head.status, answer.head.reason, fields), answer.body)


def _body(trouble: Trouble, request: RequestHead | None) -> tuple[bytes, bytes]:
    code, detail = trouble.code, trouble.detail
    if request is None or not _accepts_problem(request):
        line = f"{code.title}: {detail}." if detail else f"{code.title}."
        return b"text/plain; charset=utf-8", line.encode("utf-8") + b"\n"
    document = {
        "type": f"urn:slime:error:{code.slug}",
        "title": code.title,
        "status": code.status,
        "code": code.slug,
    }
    if detail:
        document["detail"] = detail
    return b"application/problem+json", json.dumps(document).encode("ascii") + b"\n"


def _accepts_problem(request: RequestHead) -> bool:
    accept = b",".join(field_values(request.fields, b"accept")).lower()
    return b"application/problem+json" in accept or b"application/json" in accept
