"""Agents by what they may serve, and the tickets that wait for them. Pure.

Agents with the same rights form a *class*; a fleet has few, as a rule, but an operator may give each agent a path of
its own. So who may serve a ticket is looked up, not asked of every class; and when a class comes or goes, every
waiting ticket is asked about that class alone.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from heapq import merge
from itertools import count, takewhile

from slime.hub.seats import Rights, Seat, Ticket

__all__ = ["Classes", "Queue", "SeatClass", "age"]

#: What an agent's rights are found by: a scope or none, how much of the path counts, and that much of it.
_Key = tuple[str | None, int | None, str]


class SeatClass:
    """All agents with the same rights.

    :ivar number: a class that came later has a higher one.
    :ivar members: how many they are.
    :ivar idle: those with a free slot, by how long it has been free.
    :ivar busy: those without, by how long it is that they were given a ticket.
    :ivar roomy: those of them to which a ticket may be sent ahead, as far as it was known when they were noted.
    :ivar holders: those that hold tickets sent ahead.
    :ivar queues: those with tickets that the class may serve.
    """

    def __init__(self, rights: Rights, number: int) -> None:
        self.rights = rights
        self.number = number
        self.members = 0
        self.idle: OrderedDict[Seat, int] = OrderedDict()
        self.busy: OrderedDict[Seat, None] = OrderedDict()
        self.roomy: OrderedDict[Seat, None] = OrderedDict()
        self.holders: OrderedDict[Seat, None] = OrderedDict()
        self.queues: dict[Queue, None] = {}


class Classes:
    """All classes, found by what a ticket wants."""

    def __init__(self) -> None:
        self._by_rights: dict[Rights, SeatClass] = {}
        self._numbers = count()
        self._lengths: Counter[int | None] = Counter()
        self._found: dict[_Key, tuple[SeatClass, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_rights)

    def __iter__(self) -> Iterator[SeatClass]:
        return iter(self._by_rights.values())

    def get(self, rights: Rights) -> SeatClass | None:
        """The class with these rights, if there is one."""
        return self._by_rights.get(rights)

    def add(self, rights: Rights) -> SeatClass:
        """A new class, of rights that none has."""
        group = self._by_rights[rights] = SeatClass(rights, next(self._numbers))
        for key in _keys(rights):
            self._lengths[key[1]] += 1
            self._found[key] = (*self._found.get(key, ()), group)
        return group

    def remove(self, group: SeatClass) -> None:
        """A class has no members any more."""
        del self._by_rights[group.rights]
        for key in _keys(group.rights):
            _drop(self._lengths, key[1])
            others = tuple([one for one in self._found.pop(key) if one is not group])
            if others:
                self._found[key] = others

    def find(self, scope: str | None, path: str) -> tuple[SeatClass, ...]:
        """The classes whose rights permit this, in the order in which they came: :meth:`Rights.permit` by index."""
        found: tuple[SeatClass, ...] = ()
        for length in self._lengths:
            groups = self._found.get((scope, length, path[:length]))
            if groups is not None:
                found = tuple(sorted({*found, *groups}, key=_number)) if found else groups
        return found


def _keys(rights: Rights) -> Iterator[_Key]:
    """Every path begins with the first 0 characters of any, and is all of itself."""
    for scope in (None, *rights.scopes):
        if not rights.paths:
            yield scope, 0, ""
        for rule in rights.paths:
            yield (scope, len(rule) - 1, rule[:-1]) if rule.endswith("/*") else (scope, None, rule)


def _drop(counter: Counter[int | None], length: int | None) -> None:
    counter[length] -= 1
    if not counter[length]:
        del counter[length]


def _number(group: SeatClass) -> int:
    return group.number


class Queue:
    """The tickets that the same classes may serve, in the order in which they came to the hub.

    Nearly all come to it in that order. Those that had an agent and lost it come late, and mostly one after the
    other, so they have a line of their own; the first of the two lines is the first of all.
    """

    __slots__ = ("_returned", "_waiting", "classes")

    def __init__(self, classes: tuple[SeatClass, ...]) -> None:
        self.classes = classes
        self._waiting: OrderedDict[Ticket, None] = OrderedDict()
        self._returned: OrderedDict[Ticket, None] = OrderedDict()
        for group in classes:
            group.queues[self] = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._returned)

    def __iter__(self) -> Iterator[Ticket]:
        return merge(self._waiting, self._returned, key=_order)

    @property
    def head(self) -> Ticket:
        """The first; there must be one."""
        if not self._returned:
            return next(iter(self._waiting))
        first = next(iter(self._returned))
        return min(first, next(iter(self._waiting), first), key=_order)

    def put(self, ticket: Ticket) -> None:
        """The ticket waits here, behind all that came before it."""
        waiting = self._waiting
        ticket.queue = self
        if not waiting or next(reversed(waiting)).order < ticket.order:
            waiting[ticket] = None
            return
        later = list(takewhile(lambda one: one.order > ticket.order, reversed(self._returned)))
        self._returned[ticket] = None
        for one in reversed(later):
            self._returned.move_to_end(one)

    def put_many(self, tickets: list[Ticket]) -> None:
        """As :meth:`put`, for any number."""
        self._waiting = OrderedDict.fromkeys(sorted([*self, *tickets], key=_order))
        self._returned.clear()
        for ticket in tickets:
            ticket.queue = self

    def take(self, ticket: Ticket) -> None:
        """The ticket waits here no longer."""
        ticket.queue = None
        del (self._returned if ticket in self._returned else self._waiting)[ticket]

    def close(self) -> None:
        """The queue is no longer used."""
        for group in self.classes:
            del group.queues[self]


def _order(ticket: Ticket) -> int:
    return ticket.order


def age(queue: Queue) -> int:
    """Whose head came first has the lowest."""
    return queue.head.order
