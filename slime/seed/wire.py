"""Requests as the earlier program's agents take them: in HTTP/1.1's own form, framing and all. Pure."""

from __future__ import annotations

from slime.http.head import RequestHead, parse_request_head, serialise_request_head

__all__ = ["WITH_CONTENT", "framed_head"]

#: Methods whose requests say that they have no body (RFC 9110 section 8.6).
WITH_CONTENT = frozenset({b"POST", b"PUT", b"PATCH"})

_SWITCHING = frozenset({b"connection", b"upgrade"})
_END_OF_HEAD = b"\r\n\r\n"


def framed_head(forward_head: bytes, length: int | None) -> bytes:
    """The head of a request as it would travel on a connection.

    A wish to switch protocols is left out, as these agents cannot: the upstream answers as if there were none.

    :param forward_head: as the hub passes it on, without framing.
    :param length: bytes of body to come, ``None`` for chunks.
    """
    head = parse_request_head(forward_head.removesuffix(_END_OF_HEAD))
    fields = [field for field in head.fields if field[0].lower() not in _SWITCHING]
    if length is None:
        fields.append((b"Transfer-Encoding", b"chunked"))
    elif length or head.method in WITH_CONTENT:
        fields.append((b"Content-Length", b"%d" % length))
    return serialise_request_head(RequestHead(head.method, head.target, b"1.1", fields))
