"""Heads between the link and the upstream, read strictly, rewritten, and remembered for a while.

An application asks in the same words again and again, but for the number that the hub gives each request; an upstream
that is asked often answers in the same words until its ``Date`` changes. Reading a head and writing it anew is a
third of what a small exchange costs an agent, so the last few heads are kept with what became of them. What is kept
is no less strict: it is what the strict functions made of exactly these bytes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain

from slime.errors import BadMessage, ErrorCode
from slime.http.forwarding import UpstreamAddress, agent_response_fields, rewrite_for_upstream
from slime.http.head import HeadLimits, RequestHead, ResponseHead, parse_request_head, serialise_response_head

__all__ = ["REMEMBERED", "RequestHeads", "parsed", "passed_on"]

#: Heads of requests, and heads of answers, that are remembered.
REMEMBERED = 64

#: Bytes of the longest head that is; of an answer's, those of its fields' names and values.
LONGEST = 4096

Lines = tuple[tuple[bytes, bytes], ...]

_END = b"\r\n\r\n"
_NUMBER_FIELD = b"Slime-Request-Id"
_BEFORE_NUMBER = b"\r\n" + _NUMBER_FIELD + b": "
_NUMBER = re.compile(rb"([-.0-9A-Z_a-z]+)\r\n\r\n")


def parsed(text: bytes, limits: HeadLimits) -> RequestHead:
    """A request's head as it came over the link.

    :raises BadMessage: it is none.
    """
    block, end, more = text.partition(_END)
    if not end or more:
        raise BadMessage(ErrorCode.BAD_REQUEST, "the head has no end, or something behind it")
    return parse_request_head(block, limits)


class RequestHeads:
    """Makes requests for one upstream out of what comes over links."""

    def __init__(self, limits: HeadLimits, address: UpstreamAddress) -> None:
        self._limits = limits
        self._address = address
        self._known = lru_cache(REMEMBERED)(self._read)

    def rewritten(self, text: bytes) -> RequestHead:
        """The head of a request as the upstream is to have it.

        The number that a hub puts last is set aside, and stays last: what is before it is the same in many requests.

        :raises BadMessage: it is none.
        """
        start, found, number = text.rpartition(_BEFORE_NUMBER)
        numbered = _NUMBER.fullmatch(number)
        if not found or numbered is None or len(start) > LONGEST:
            return self._read(text)
        head = self._known(start + _END)
        return RequestHead(head.method, head.target, head.version, [*head.fields, (_NUMBER_FIELD, numbered[1])])

    def _read(self, text: bytes) -> RequestHead:
        return rewrite_for_upstream(parsed(text, self._limits), self._address)


def passed_on(head: ResponseHead, method: bytes) -> bytes:
    """The head of an answer to ``method`` as the hub is to have it."""
    words = (head.version, head.status, head.reason, tuple(head.fields), method)
    made = _known.get(words)
    return _passed_on(words) if made is None else made


_Words = tuple[bytes, int, bytes, Lines, bytes]

# No lru_cache, as that would keep long heads as well. When it is full it begins anew: what comes often is soon there.
_known: dict[_Words, bytes] = {}


def _passed_on(words: _Words) -> bytes:
    version, status, reason, lines, method = words
    fields = agent_response_fields(ResponseHead(version, status, reason, list(lines)), method)
    made = serialise_response_head(ResponseHead(version, status, reason, fields))
    if len(reason) + sum(map(len, chain.from_iterable(lines))) <= LONGEST:
        if len(_known) >= REMEMBERED:
            _known.clear()
        _known[words] = made
    return made
