"""Heads that come from agents, which are not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slime.errors import BadMessage, RemoteProtocolError
from slime.http.forwarding import Added, client_response_fields
from slime.http.head import HeadLimits, ResponseHead, read_response_head
from slime.tunnel import HEAD_LIMIT

if TYPE_CHECKING:
    from slime.tunnel.frames import Head

__all__ = ["answer_head", "read_head"]

END_OF_HEAD = b"\r\n\r\n"
#: What the link lets through. An agent has limits of its own, which are settings; a head that it found acceptable may
#: be longer by the time it comes here (``A:b`` has become ``A: b``), and to refuse it then would cost the link.
LIMITS = HeadLimits(head_bytes=HEAD_LIMIT, fields=10_000)
BODILESS = frozenset({204, 304})


def read_head(frame: Head) -> ResponseHead:
    """The head that an agent has sent.

    :raises RemoteProtocolError: it is none.
    """
    if not frame.head.endswith(END_OF_HEAD):
        raise RemoteProtocolError("a response head has no end")
    try:
        return read_response_head(frame.head[:-2], LIMITS, b"")[0]
    except BadMessage as error:
        raise RemoteProtocolError(f"response head: {error.detail}") from None


def answer_head(frame: Head, method: bytes, added: Added) -> ResponseHead:
    """The head of an answer to ``method``, as its application is to have it.

    :param added: what the hub says of it.
    :raises RemoteProtocolError: it is not what an agent may send.
    """
    head = read_head(frame)
    if frame.interim is not (head.status < 200) or head.status == 101:
        raise RemoteProtocolError(f"a response head with status {head.status} does not belong here")
    if frame.length != 0 and not frame.interim and (method == b"HEAD" or head.status in BODILESS):
        raise RemoteProtocolError("a body where there can be none")
    return ResponseHead(b"1.1", head.status, head.reason, client_response_fields(head, added, method))
