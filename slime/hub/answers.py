"""The answers the hub gives by itself: one shape for every error of :class:`slime.errors.ErrorCode`.

Pure. A client that accepts ``application/problem+json`` gets a problem document (RFC 9457), any other one plain
line. Every such answer carries ``Slime-Error``, so that slime's own 503 can be told from an upstream's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus

from slime.errors import ErrorCode
from slime.http.head import Fields, RequestHead, ResponseHead, field_values

__all__ = ["Answer", "answer_for"]

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
    if code is ErrorCode.UNAUTHORIZED:
        fields.append((b"WWW-Authenticate", b'Slime realm="slime"'))
    if code is ErrorCode.UPGRADE_REQUIRED:
        fields.append((b"Upgrade", b"websocket"))
    fields.extend(trouble.fields)
    return Answer(ResponseHead(b"1.1", code.status, _REASONS.get(code.status, b""), fields), body)


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
