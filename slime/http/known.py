"""Heads of applications' requests: read strictly, and remembered for a while with what follows from them.

An application asks in the same words again and again, but for how long its body is. What is remembered is no less
strict: it is what the strict functions made of exactly these bytes, with another length at most. A head is remembered
when it comes for the second time, so that those which come only once displace no others, and are not kept; refused
ones never are.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import Generic, Protocol, TypeVar

from slime.http.fields import tokens
from slime.http.head import HeadLimits, RequestHead, read_request_head, stays_open
from slime.record import record

__all__ = ["LONGEST", "REMEMBERED", "Conclusion", "Conclusions", "KnownHead", "KnownHeads", "Meaning"]

#: Heads that are remembered.
REMEMBERED = 128

#: Bytes of the longest head that is.
LONGEST = 4096

#: Heads that have come once and are recognised if they come again.
MET = 1024

# Any two numbers that match mean the same to whoever reads the head, but for their value: both are valid, and not 0.
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ?([1-9][0-9]{0,17})\r\n")
_SOME_LENGTH = b"1"

_T = TypeVar("_T")


class Conclusion(Generic[_T]):
    """One thing that can be concluded from any head: what it is found under, and of which type it is."""

    __slots__ = ()


class Conclusions(Protocol):
    """What has been concluded from one head: a dict, which type checkers know to hold under each key what fits it."""

    def get(self, key: Conclusion[_T], /) -> _T | None:
        """What has been concluded; ``None`` if nobody has yet."""

    def __setitem__(self, key: Conclusion[_T], found: _T, /) -> None:
        """Keep it as long as the head is remembered."""


class Meaning:
    """What follows from a request's head alone, however long the body is that it announces.

    :ivar remembered: is it worth while to conclude more from the head than one request needs?
    :ivar path: the target without its query.
    :ivar persistent: will the application keep the connection open?
    :ivar upgrading: does ``Connection`` speak of an upgrade?
    :ivar hesitant: does a body wait until it is asked for (RFC 9110 section 10.1.1)?
    :ivar conclusions: what others have concluded from the head.
    """

    __slots__ = ("conclusions", "hesitant", "path", "persistent", "remembered", "upgrading")

    def __init__(self, head: RequestHead, length: int | None, remembered: bool) -> None:
        self.remembered = remembered
        options = tokens(head.fields, b"connection")
        self.path = head.target.partition(b"?")[0]
        self.persistent = stays_open(head.version, options)
        self.upgrading = b"upgrade" in options
        self.hesitant = length != 0 and head.version == b"1.1" and b"100-continue" in tokens(head.fields, b"expect")
        self.conclusions: Conclusions = {}  # type: ignore[assignment]


@record
class KnownHead(RequestHead):
    """A request's head with its meaning.

    Requests that began with the same bytes may have one for all of them: nobody may change it, or its fields.
    """

    meaning: Meaning


class KnownHeads:
    """Reads heads, for all connections that have the same limits."""

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._longest = min(LONGEST, limits.head_bytes)
        self._met: set[int] = set()
        self._known = lru_cache(REMEMBERED)(partial(self._read, remembered=True))

    def read(self, block: bytes) -> tuple[KnownHead, int | None]:
        """As :func:`slime.http.head.read_request_head`.

        :raises BadMessage: it is none, however often it comes.
        """
        if len(block) > self._longest:
            return self._read(block)
        found = _LENGTH.search(block)
        if found is None:
            return self._known(block) if hash(block) in self._met else self._meet(block)
        start, end = found.span(1)
        alike = block[:start] + _SOME_LENGTH + block[end:]
        head, _ = self._known(alike) if hash(alike) in self._met else self._meet(alike)
        # From the end, because a Host may have been put in front (RFC 9112 section 3.2.2).
        at = len(head.fields) - 1 - block.count(b"\n", end + 2)
        fields = [*head.fields[:at], (head.fields[at][0], found[1]), *head.fields[at + 1 :]]
        return KnownHead(head.method, head.target, head.version, fields, head.meaning), int(found[1])

    def _meet(self, block: bytes) -> tuple[KnownHead, int | None]:
        known = self._read(block)
        if len(self._met) >= MET:
            self._met.clear()
        self._met.add(hash(block))
        return known

    def _read(self, block: bytes, remembered: bool = False) -> tuple[KnownHead, int | None]:
        head, length = read_request_head(block, self._limits)
        meaning = Meaning(head, length, remembered)
        return KnownHead(head.method, head.target, head.version, head.fields, meaning), length
