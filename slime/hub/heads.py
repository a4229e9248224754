"""Heads that come from agents, which are not trusted, and are remembered for a while.

An upstream that is asked often answers in the same words until its ``Date`` changes, whoever asks, and so do others
of its kind. So the last few heads are kept with what became of them. What is kept is no less strict: it is what the
strict functions made of exactly these bytes, in the same situation. Heads that were refused are not kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from slime.errors import BadMessage, RemoteProtocolError
from slime.http.forwarding import client_response_fields
from slime.http.head import BODILESS, HeadLimits, ResponseHead, ResponseStart, read_response_head, response_start
from slime.tunnel import HEAD_LIMIT

if TYPE_CHECKING:
    from slime.tunnel.frames import Head

__all__ = ["LONGEST", "REMEMBERED", "answer_start", "read_head"]

#: Heads that are remembered, and bytes of the longest of them.
REMEMBERED = 256
LONGEST = 4096

END_OF_HEAD = b"\r\n\r\n"
#: What the link lets through. An agent has limits of its own, which are settings; a head that it found acceptable may
#: be longer by the time it comes here (``A:b`` has become ``A: b``), and to refuse it then would cost the link.
LIMITS = HeadLimits(head_bytes=HEAD_LIMIT, fields=10_000)


def read_head(text: bytes) -> ResponseHead:
    """The head that an agent has sent.

    :raises RemoteProtocolError: it is none.
    """
    if not text.endswith(END_OF_HEAD):
        raise RemoteProtocolError("a response head has no end")
    try:
        return read_response_head(text[:-2], LIMITS, b"")[0]
    except BadMessage as error:
        raise RemoteProtocolError(f"response head: {error.detail}") from None


def answer_start(frame: Head, method: bytes) -> ResponseStart:
    """What the head of an answer to ``method`` begins with, as its application is to have it.

    What differs from one answer to the next is still to be added: who gave it, its number, the framing.

    :raises RemoteProtocolError: it is not what an agent may send.
    """
    make = _known if len(frame.head) <= LONGEST else _start
    return make(frame.head, method, frame.interim, frame.length == 0)


def _start(text: bytes, method: bytes, interim: bool, empty: bool) -> ResponseStart:
    head = read_head(text)
    if interim is not (head.status < 200) or head.status == 101:
        raise RemoteProtocolError(f"a response head with status {head.status} does not belong here")
    if not empty and not interim and (method == b"HEAD" or head.status in BODILESS):
        raise RemoteProtocolError("a body where there can be none")
    fields = client_response_fields(head, method)
    return response_start(ResponseHead(b"1.1", head.status, head.reason, fields))


_known = lru_cache(REMEMBERED)(_start)
