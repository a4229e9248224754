"""What callers and upstreams write down, and what the right answer to a request is. All times are monotonic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

__all__ = ["Book", "Call", "End", "Fault", "Visit", "answer_to", "body_of"]

#: The longest answer, in bytes; most are far shorter.
LONGEST = 200_000


class End(Enum):
    """How a call ended, as its caller saw it.

    OK: a whole answer, the right one. ERROR: an answer of the hub's own. CUT: the connection ended before the answer
    did. DOWN: nobody took the connection. LEFT: the caller went away. WRONG: anything else.
    """

    OK = "ok"
    ERROR = "error"
    CUT = "cut"
    DOWN = "down"
    LEFT = "left"
    WRONG = "wrong"


@dataclass
class Call:
    """One request, from its caller's side.

    :ivar repeatable: the caller allowed it to run twice.
    :ivar detail: of an error, its code and what was said of it; else what was wrong.
    :ivar started: the hub's word on whether it had begun.
    """

    key: str
    repeatable: bool
    sent: float
    ended: float = 0.0
    end: End = End.WRONG
    detail: str = ""
    started: str = ""


@dataclass
class Visit:
    """One request, from an upstream's side; ``ended`` is 0 while it runs."""

    key: str
    upstream: str
    began: float
    ended: float = 0.0


@dataclass
class Fault:
    """Something that was done to the programs, from its beginning until all was mended.

    :ivar hit: requests that it met running.
    """

    what: str
    began: float
    mended: float = 0.0
    hit: int = 0


@dataclass
class Book:
    """Everything that happened, and when.

    :ivar slots: how many requests each upstream may run at a time.
    :ivar complaints: what upstreams saw that must not be.
    """

    slots: dict[str, int]
    calls: list[Call] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    began: float = field(default_factory=monotonic)

    def begin(self, what: str) -> Fault:
        """A fault begins."""
        self.faults.append(Fault(what, monotonic(), float("inf")))
        return self.faults[-1]

    def running(self, upstream: str | None = None) -> list[Visit]:
        """Requests that run now, at one upstream or at all."""
        return [visit for visit in self.visits if not visit.ended and upstream in {None, visit.upstream}]


def stream_of(key: str, size: int) -> bytes:
    """Bytes that belong to this key and to no other."""
    seed = hashlib.sha256(key.encode()).hexdigest().encode()
    return (seed * (size // len(seed) + 1))[:size]


def body_of(key: str) -> bytes:
    """The body of the request with this key."""
    return stream_of("body " + key, _size(key, 1))


def answer_to(key: str) -> bytes:
    """The whole answer to it."""
    return stream_of("answer " + key, 64 + _size(key, 2))


def _size(key: str, salt: int) -> int:
    """Mostly small, sometimes large: the same for the same key."""
    number = int.from_bytes(hashlib.sha256(f"{salt} {key}".encode()).digest()[:4], "big")
    return number % (LONGEST if number % 7 == 0 else 2000)
