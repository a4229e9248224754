"""Agents and requests as the dispatcher sees them, and what it decides. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["Assignment", "Balance", "Decision", "Revocation", "Rights", "Seat", "Ticket", "scope_path"]

#: How much the latest service time counts in an agent's mean.
WEIGHT = 0.2
#: Service times for which an agent holds tickets beyond the round trip: what it could just finish in that time leaves
#: it idle whenever anything is late, or one request shorter than the mean.
RESERVE = 0.5
#: Tickets that an agent has at most, when some are sent ahead: a link bears 20 000 streams, with those that just end.
MOST = 16_384


class Balance(Enum):
    """Which of the free slots that fit serves next."""

    LONGEST_IDLE = "longest-idle"
    RANDOM = "random"
    FASTEST = "fastest"


@dataclass(frozen=True)
class Rights:
    """What an agent's token lets it serve.

    :ivar scopes: the scopes it has; a request that names a scope goes only to agents that have it.
    :ivar paths: exact paths, or ``/prefix/*``; empty means every path.
    """

    scopes: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    def permit(self, scope: str | None, path: str) -> bool:
        """May an agent with these rights serve a request for ``path`` that names ``scope``?"""
        if scope is not None and scope not in self.scopes:
            return False
        return not self.paths or any(_covers(rule, path) for rule in self.paths)


def _covers(rule: str, path: str) -> bool:
    if rule.endswith("/*"):
        return path.startswith(rule[:-1])
    return path == rule


class Seat:
    """An agent as the dispatcher sees it.

    :ivar owner: whatever the caller wants to find again; the dispatcher never looks at it.
    :ivar group: its class, the dispatcher's own.
    :ivar slots: how many requests the agent may run at a time, now.
    :ivar offered: how many it says it could; ``slots`` is 0 instead while it is drained.
    :ivar drained: somebody said that it gets nothing new.
    :ivar prefetch: how many more it may hold for each slot, at most.
    :ivar rtt: round trip to the agent in seconds.
    :ivar service_time: mean seconds that a request runs there; ``None`` until one has.
    :ivar served: requests that have run there.
    :ivar tickets: what it has, in the order in which it was sent: the first ``slots`` run, the others are held.
    """

    __slots__ = (
        "drained", "group", "offered", "owner", "prefetch", "rights", "rtt", "served", "service_time", "slots",
        "tickets",
    )  # fmt: skip

    def __init__(self, owner: Any, rights: Rights, slots: int, prefetch: int = 0) -> None:
        self.owner = owner
        self.group: Any = None
        self.rights = rights
        self.slots = self.offered = slots
        self.drained = False
        self.prefetch = prefetch
        self.served = 0
        self.rtt = 0.0
        self.service_time: float | None = None
        self.tickets: OrderedDict[Ticket, None] = OrderedDict()

    @property
    def free(self) -> int:
        """Slots that could take a ticket now; never negative, though ``slots`` may shrink below what runs."""
        free = self.slots - len(self.tickets)
        return free if free > 0 else 0

    @property
    def held(self) -> int:
        """Tickets that wait at the agent for its slots."""
        return max(0, len(self.tickets) - self.slots)

    @property
    def room(self) -> int:
        """Tickets that may be sent ahead now."""
        if not self.slots:
            return 0
        places = self.slots * (1 + self.depth)
        return (places if places < MOST else MOST) - len(self.tickets)

    @property
    def depth(self) -> int:
        """How many tickets for each slot are worth holding: what the agent could finish in one round trip, and some."""
        mean, most = self.service_time, self.prefetch
        if mean is None or 0.0 < mean * (1 - RESERVE) >= self.rtt:
            return 1 if most else 0
        return min(most, math.ceil(self.rtt / mean + RESERVE)) if mean > 0.0 else most

    @property
    def next_start(self) -> float:
        """Seconds until one more ticket would be started."""
        return len(self.tickets) * (self.service_time or 0.0) / self.slots + self.rtt / 2

    def measure(self, seconds: float) -> None:
        """A request has run for so long."""
        self.served += 1
        mean = self.service_time
        self.service_time = seconds if mean is None else mean + WEIGHT * (seconds - mean)


@dataclass(eq=False, slots=True)
class Ticket:
    """One request that wants a slot.

    :ivar owner: as for :class:`Seat`.
    :ivar scope: the scope it names, if any.
    :ivar path: its path, without the query.
    :ivar seat: the agent that has it, if any.
    :ivar asked: has the agent been asked to give it back, and ``wanted`` for a slot that is free elsewhere?
    :ivar begun: has the agent said that it runs?
    :ivar queue: where it waits, if it does; the dispatcher's own.
    :ivar order: its place among all that ever came, the dispatcher's own as well; 0 before it has come.
    """

    owner: Any
    scope: str | None
    path: str
    seat: Seat | None = None
    asked: bool = False
    wanted: bool = False
    begun: bool = False
    queue: Any = field(default=None, repr=False)
    order: int = field(default=0, repr=False)


class Assignment(NamedTuple):
    """``ticket`` goes to ``seat``: into a slot, or ``ahead`` of one."""

    ticket: Ticket
    seat: Seat
    ahead: bool = False


class Revocation(NamedTuple):
    """``seat`` is asked to give ``ticket`` back, unless it has begun."""

    ticket: Ticket
    seat: Seat


Decision = Assignment | Revocation


def scope_path(path: bytes) -> str:
    """The path that scope rules are asked about: none at all when it has dot segments.

    An upstream may resolve ``/public/../secret`` to ``/secret``; so a path with dot segments, plain or
    percent-encoded, is only for agents that may serve every path.
    """
    text = path.decode("latin-1")
    if "." in text or "%2" in text:
        segments = text.lower().replace("%2e", ".").replace("%2f", "/").replace("\\", "/").split("/")
        if "." in segments or ".." in segments:
            return ""
    return text
