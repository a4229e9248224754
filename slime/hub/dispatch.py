"""Which ticket goes to which slot: the decision, without the doing.

Pure: no I/O, no clock, no callbacks. :mod:`slime.hub.pool` asks and performs.

Agents with the same rights (scopes and scope paths of their token) form a *class*; a fleet has few. A ticket
belongs to the set of classes that may serve it, and waits in the queue of that set: a ticket that nobody can
serve never stands before one that somebody can. Every operation costs O(classes), whatever the number of
agents and tickets.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from slime.errors import ErrorCode

__all__ = ["Assignment", "Dispatcher", "Rights", "Seat", "Ticket"]


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
    """An agent as the dispatcher sees it: rights, and slots taken and free.

    :ivar owner: whatever the caller wants to find again; the dispatcher never looks at it.
    :ivar slots: how many requests the agent may run at a time, now.
    :ivar running: the tickets it has.
    """

    __slots__ = ("owner", "rights", "running", "slots")

    def __init__(self, owner: Any, rights: Rights, slots: int) -> None:
        self.owner = owner
        self.rights = rights
        self.slots = slots
        self.running: set[Ticket] = set()

    @property
    def free(self) -> int:
        """Slots that could take a ticket now; never negative, though ``slots`` may shrink below what runs."""
        return max(0, self.slots - len(self.running))


@dataclass(eq=False, slots=True)
class Ticket:
    """One request that wants a slot.

    :ivar owner: as for :class:`Seat`.
    :ivar scope: the scope it names, if any.
    :ivar path: its path, without the query.
    :ivar seat: the agent that has it, if any.
    """

    owner: Any
    scope: str | None
    path: str
    seat: Seat | None = None
    _queue: _Queue | None = field(default=None, repr=False)
    _order: int = field(default=0, repr=False)


class Assignment(NamedTuple):
    """``ticket`` has a slot of ``seat`` from now on."""

    ticket: Ticket
    seat: Seat


class _Class:
    """All agents with the same rights, those with a free slot ordered by how long it has been free."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.members = 0
        self.idle: OrderedDict[Seat, int] = OrderedDict()


class _Queue:
    """The tickets that the same classes may serve, first come first served."""

    def __init__(self, classes: tuple[_Class, ...]) -> None:
        self.classes = classes
        self.tickets: OrderedDict[Ticket, None] = OrderedDict()

    @property
    def head_order(self) -> int:
        return next(iter(self.tickets))._order


class Dispatcher:
    """Tickets, slots, and who gets whom: the longest free slot serves the oldest ticket it may serve."""

    def __init__(self) -> None:
        self._classes: dict[Rights, _Class] = {}
        self._queues: dict[tuple[_Class, ...], _Queue] = {}
        self._behind = count(1)
        self._before = count(-1, -1)
        self._idle_since = count()
        self.waiting = 0

    def join(self, seat: Seat) -> list[Assignment]:
        """An agent arrived. Its free slots serve waiting tickets at once."""
        group = self._classes.get(seat.rights)
        if group is None:
            group = self._classes[seat.rights] = _Class(seat.rights)
            self._reclassify()
        group.members += 1
        return self._fill(seat)

    def leave(self, seat: Seat) -> None:
        """An agent is gone. Its running tickets have no seat any more; what becomes of them is the caller's say."""
        group = self._classes[seat.rights]
        group.idle.pop(seat, None)
        group.members -= 1
        seat.slots = 0
        for ticket in seat.running:
            ticket.seat = None
        seat.running.clear()
        if not group.members:
            del self._classes[seat.rights]
            self._reclassify()

    def resize(self, seat: Seat, slots: int) -> list[Assignment]:
        """The agent has ``slots`` slots now; what runs beyond them runs on."""
        seat.slots = slots
        if not seat.free:
            self._classes[seat.rights].idle.pop(seat, None)
        return self._fill(seat)

    def offer(self, ticket: Ticket) -> Seat | ErrorCode:
        """Seat the ticket now, or say why that cannot be: ``NO_AGENT``, ``NO_MATCH`` or ``ALL_BUSY``."""
        classes = self._classes_for(ticket)
        best = min((group for group in classes if group.idle), key=_longest_idle, default=None)
        if best is not None:
            return self._seat(ticket, next(iter(best.idle)), best)
        if not self._classes:
            return ErrorCode.NO_AGENT
        return ErrorCode.ALL_BUSY if classes else ErrorCode.NO_MATCH

    def enqueue(self, ticket: Ticket, front: bool = False) -> None:
        """Let the ticket wait: behind all others, or (it was here before, and lost its agent) before them."""
        ticket._order = next(self._before if front else self._behind)
        self._put(ticket, front)
        self.waiting += 1

    def withdraw(self, ticket: Ticket) -> bool:
        """The ticket waits no longer; ``False`` when it was not waiting."""
        queue = ticket._queue
        if queue is None:
            return False
        self._take(ticket, queue)
        return True

    def release(self, ticket: Ticket) -> list[Assignment]:
        """The ticket's slot is free; it serves the next ticket in the same breath."""
        seat = ticket.seat
        if seat is None:
            return []
        ticket.seat = None
        seat.running.discard(ticket)
        return self._fill(seat)

    def could_serve(self, ticket: Ticket) -> bool:
        """Is an agent connected that may serve this ticket, busy or not?"""
        return bool(self._classes_for(ticket))

    def _classes_for(self, ticket: Ticket) -> tuple[_Class, ...]:
        return tuple(group for group in self._classes.values() if group.rights.permit(ticket.scope, ticket.path))

    def _seat(self, ticket: Ticket, seat: Seat, group: _Class) -> Seat:
        ticket.seat = seat
        seat.running.add(ticket)
        del group.idle[seat]
        if seat.free:
            group.idle[seat] = next(self._idle_since)
        return seat

    def _fill(self, seat: Seat) -> list[Assignment]:
        """Give the seat's free slots to the tickets that have waited longest; what is left over is idle."""
        group = self._classes[seat.rights]
        if seat.free and seat not in group.idle:
            group.idle[seat] = next(self._idle_since)
        made = []
        while seat.free and self.waiting:
            queue = min(
                (queue for queue in self._queues.values() if group in queue.classes),
                key=_oldest_head,
                default=None,
            )
            if queue is None:
                break
            ticket = next(iter(queue.tickets))
            self._take(ticket, queue)
            made.append(Assignment(ticket, self._seat(ticket, seat, group)))
        return made

    def _put(self, ticket: Ticket, front: bool) -> None:
        classes = self._classes_for(ticket)
        queue = self._queues.get(classes)
        if queue is None:
            queue = self._queues[classes] = _Queue(classes)
        queue.tickets[ticket] = None
        if front:
            queue.tickets.move_to_end(ticket, last=False)
        ticket._queue = queue

    def _take(self, ticket: Ticket, queue: _Queue) -> None:
        del queue.tickets[ticket]
        ticket._queue = None
        self.waiting -= 1
        if not queue.tickets:
            del self._queues[queue.classes]

    def _reclassify(self) -> None:
        """The set of classes changed, so every waiting ticket may belong elsewhere. Agents with new rights are rare."""
        tickets = [ticket for queue in self._queues.values() for ticket in queue.tickets]
        self._queues.clear()
        for ticket in sorted(tickets, key=lambda ticket: ticket._order):
            self._put(ticket, front=False)


def _longest_idle(group: _Class) -> int:
    return next(iter(group.idle.values()))


def _oldest_head(queue: _Queue) -> int:
    return queue.head_order
