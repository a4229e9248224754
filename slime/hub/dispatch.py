"""Which ticket goes to which slot: the decision, without the doing.

Pure: no I/O, no clock, no callbacks. :mod:`slime.hub.pool` asks and performs.

Agents with the same rights (scopes and scope paths of their token) form a *class* (:mod:`slime.hub.classes`). A
ticket belongs to the set of classes that may serve it, and waits in the queue of that set: a ticket that nobody can
serve never stands before one that somebody can. No operation costs more for more agents or tickets, but that a class
comes or goes: where the best of many agents is wanted, at most :data:`LOOK` of each class are compared.

**Order.** Who came first is first, also after its agent was lost or has given it back: it has then its old place.

**Prefetch.** While tickets wait and no slot is free, the oldest are sent ahead to busy agents, so that the agent
starts the next one in the instant in which it finishes the one before, however far away it is. An agent holds as
many as the round trip is worth in service times. The next goes where it is expected to start soonest. When a slot
becomes free elsewhere and nothing waits, the ticket that gains most by moving there is asked back; so is one whose time
is over, as only its agent knows whether it has begun.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Iterable
from itertools import count, islice
from random import Random

from slime.errors import ErrorCode
from slime.hub.classes import Classes, Queue, SeatClass, age
from slime.hub.seats import Assignment, Balance, Decision, Revocation, Seat, Ticket

__all__ = ["Dispatcher"]

#: How many agents are compared when one is chosen, at most.
LOOK = 64
#: A ticket is not sent ahead to an agent that is expected to start it more than so many times later than another.
TOO_LATE = 2.0


class Dispatcher:
    """Tickets, slots, and who gets whom."""

    def __init__(self, balance: Balance = Balance.LONGEST_IDLE, rng: Random | None = None) -> None:
        self._choose = _CHOICES[balance]
        self._rng = rng or Random()  # noqa: S311
        self._classes = Classes()
        self._queues: dict[tuple[SeatClass, ...], Queue] = {}
        self._orders = count(1)
        self._idle_since = count()
        self._wanted = 0
        self._holding = 0
        self.waiting = 0

    # -- agents -----------------------------------------------------------------------------------------------------

    def join(self, seat: Seat) -> list[Decision]:
        """An agent arrived. Its free slots serve waiting tickets at once."""
        group = self._classes.get(seat.rights)
        if group is None:
            group = self._classes.add(seat.rights)
            self._offer_to(group)
        group.members += 1
        seat.group = group
        return self._fill(seat)

    def leave(self, seat: Seat) -> None:
        """An agent is gone. Its tickets have no seat any more; what becomes of them is the caller's say."""
        group = seat.group
        seat.slots = 0
        for ticket in seat.tickets:
            self._unask(ticket)
            ticket.seat = None
            ticket.begun = False
        seat.tickets.clear()
        self._note(seat)
        group.members -= 1
        if not group.members:
            self._classes.remove(group)
            self._take_from(group)

    def resize(self, seat: Seat, slots: int) -> list[Decision]:
        """The agent has ``slots`` slots now; what runs beyond them runs on, what it holds it gives back itself."""
        seat.slots = slots
        return self._fill(seat)

    def recall(self, seat: Seat) -> list[Decision]:
        """The agent is to get rid of what it holds: ask for every ticket but the ``offered`` that may be running."""
        held = [ticket for ticket in islice(seat.tickets, seat.offered, None) if not ticket.asked]
        for ticket in held:
            ticket.asked = True
        return [Revocation(ticket, seat) for ticket in held]

    # -- tickets ----------------------------------------------------------------------------------------------------

    @property
    def heads(self) -> list[Ticket]:
        """The first of each queue: one of them waits longest."""
        return [queue.head for queue in self._queues.values()]

    def offer(self, ticket: Ticket) -> Seat | ErrorCode:
        """Seat the ticket now, or say why that cannot be: ``NO_AGENT``, ``NO_MATCH`` or ``ALL_BUSY``."""
        classes = self._classes_for(ticket)
        seat = self._choose(classes, self._rng)
        if seat is not None:
            return self._seat(ticket, seat)
        if classes:
            return ErrorCode.ALL_BUSY
        return ErrorCode.NO_MATCH if self._classes else ErrorCode.NO_AGENT

    def enqueue(self, ticket: Ticket) -> list[Decision]:
        """Let the ticket wait: behind all that came before it, and before all that came later."""
        queue = self._queue(self._classes_for(ticket))
        queue.put(ticket)
        self.waiting += 1
        return self._send_ahead((queue,))

    def withdraw(self, ticket: Ticket) -> bool:
        """The ticket waits no longer; ``False`` when it was not waiting."""
        queue = ticket.queue
        if queue is None:
            return False
        self._take(ticket, queue)
        return True

    def release(self, ticket: Ticket) -> list[Decision]:
        """The ticket's slot, or its place before one, is free; it serves the next ticket in the same breath."""
        seat = ticket.seat
        if seat is None:
            return []
        self._unask(ticket)
        ticket.seat = None
        ticket.begun = False
        del seat.tickets[ticket]
        return self._fill(seat)

    def started(self, ticket: Ticket) -> list[Decision]:
        """The ticket's request has begun: if it was asked for, it will not come back, but another one may instead."""
        ticket.begun, ticket.asked = True, False
        return self._forgo(ticket) if ticket.wanted else []

    def ask_back(self, ticket: Ticket) -> list[Decision]:
        """The ticket is not to wait at its agent any longer, nor anywhere else."""
        assert ticket.seat is not None
        asked, ticket.asked = ticket.asked, True
        return self._forgo(ticket) if asked else [Revocation(ticket, ticket.seat)]

    def give_up(self, ticket: Ticket) -> list[Decision]:
        """Nobody waits for the ticket any more. If an agent has it, that has been told so, and is not asked for it."""
        ticket.asked = ticket.seat is not None
        return self._forgo(ticket)

    def _forgo(self, ticket: Ticket) -> list[Decision]:
        """The ticket will not take a slot that is free elsewhere: another one may."""
        self._unwant(ticket)
        if not self._holding:
            return []
        free = self._choose(self._classes_for(ticket), self._rng)
        return self._call_back(free) if free is not None else []

    def could_serve(self, ticket: Ticket) -> bool:
        """Is an agent connected that may serve this ticket, busy or not?"""
        return bool(self._classes_for(ticket))

    # -- inside -----------------------------------------------------------------------------------------------------

    def _classes_for(self, ticket: Ticket) -> tuple[SeatClass, ...]:
        """The classes that may serve the ticket, which has its place among all from the first time this is asked."""
        if not ticket.order:
            ticket.order = next(self._orders)
        return self._classes.find(ticket.scope, ticket.path)

    def _seat(self, ticket: Ticket, seat: Seat) -> Seat:
        ticket.seat = seat
        seat.tickets[ticket] = None
        group = seat.group
        group.idle.pop(seat, None)
        group.busy.pop(seat, None)
        group.roomy.pop(seat, None)
        self._note(seat)
        return seat

    def _note(self, seat: Seat) -> None:
        """Keep the class's lists true after a change to one of its agents."""
        group, slots = seat.group, seat.slots
        taken = len(seat.tickets)
        if taken < slots:
            group.busy.pop(seat, None)
            group.roomy.pop(seat, None)
            if seat not in group.idle:
                group.idle[seat] = next(self._idle_since)
        else:
            group.idle.pop(seat, None)
            _keep(group.busy, seat, slots > 0)
            _keep(group.roomy, seat, seat.room > 0)
        holds = 0 < slots < taken
        if holds is not (seat in group.holders):
            _keep(group.holders, seat, holds)
            self._holding += 1 if holds else -1

    def _fill(self, seat: Seat) -> list[Decision]:
        """The seat changed: seat who waits, then send ahead, then call back who would gain."""
        made: list[Decision] = []
        group = seat.group
        while self.waiting and len(seat.tickets) < seat.slots:
            queue = _oldest(group.queues)
            if queue is None:
                break
            ticket = queue.head
            self._take(ticket, queue)
            made.append(Assignment(ticket, self._seat(ticket, seat)))
        if not made:
            self._note(seat)
        if self.waiting:
            made += self._send_ahead(group.queues)
        if len(seat.tickets) < seat.slots:
            made += self._call_back(seat)
        return made

    def _send_ahead(self, queues: Collection[Queue]) -> list[Decision]:
        """Send ahead what may be of these queues, the oldest first."""
        made: list[Decision] = []
        while (place := _place_ahead(queues)) is not None:
            queue, seat = place
            ticket = queue.head
            self._take(ticket, queue)
            made.append(Assignment(ticket, self._seat(ticket, seat), ahead=True))
        return made

    def _call_back(self, free: Seat) -> list[Decision]:
        """One ticket for each free slot at most: the one that would start so much sooner here."""
        made: list[Decision] = []
        if not self._holding:
            return made
        free_slots = sum(seat.free for one in self._classes for seat in islice(one.idle, LOOK))
        while self._wanted < free_slots:
            best = max(self._movable(free), key=_gain, default=None)
            if best is None or best[0] <= 0:
                break
            _, ticket = best
            ticket.asked = ticket.wanted = True
            self._wanted += 1
            assert ticket.seat is not None
            made.append(Revocation(ticket, ticket.seat))
        return made

    def _movable(self, free: Seat) -> Iterable[tuple[float, Ticket]]:
        """The ticket last in line at each agent that holds some, and the seconds it would gain at ``free``."""
        for group in self._classes:
            for seat in islice(group.holders, LOOK):
                ticket = next((one for one in reversed(seat.tickets) if not one.asked and not one.begun), None)
                if ticket is None or seat is free or not free.rights.permit(ticket.scope, ticket.path):
                    continue
                place = sum(1 for one in seat.tickets if not one.asked) - seat.slots
                if place > 0:
                    # Nobody knows yet how long one takes that has finished nothing.
                    mean = math.inf if seat.service_time is None else seat.service_time
                    yield mean * (1 + (place - 1) / seat.slots) - seat.rtt - free.rtt / 2, ticket

    def _unask(self, ticket: Ticket) -> None:
        ticket.asked = False
        self._unwant(ticket)

    def _unwant(self, ticket: Ticket) -> None:
        if ticket.wanted:
            ticket.wanted = False
            self._wanted -= 1

    def _queue(self, classes: tuple[SeatClass, ...]) -> Queue:
        queue = self._queues.get(classes)
        if queue is None:
            queue = self._queues[classes] = Queue(classes)
        return queue

    def _take(self, ticket: Ticket, queue: Queue) -> None:
        queue.take(ticket)
        self.waiting -= 1
        if not queue:
            self._close(queue)

    def _close(self, queue: Queue) -> None:
        del self._queues[queue.classes]
        queue.close()

    def _offer_to(self, group: SeatClass) -> None:
        """A class is new: it may serve some of those who wait, besides whoever else may."""
        permit = group.rights.permit
        for queue in list(self._queues.values()):
            fitting = [one for one in queue if permit(one.scope, one.path)]
            for ticket in fitting:
                queue.take(ticket)
            if fitting:
                self._queue((*queue.classes, group)).put_many(fitting)
            if not queue:
                self._close(queue)

    def _take_from(self, group: SeatClass) -> None:
        """A class is gone: those who waited for it wait for the others that may serve them, or for nobody."""
        for queue in list(group.queues):
            self._close(queue)
            self._queue(tuple([one for one in queue.classes if one is not group])).put_many(list(queue))


def _keep(seats: OrderedDict[Seat, None], seat: Seat, wanted: bool) -> None:
    if wanted:
        seats.setdefault(seat, None)
    else:
        seats.pop(seat, None)


def _oldest(queues: Collection[Queue]) -> Queue | None:
    """The one whose head came first."""
    return min(queues, key=age) if len(queues) > 1 else next(iter(queues), None)


def _place_ahead(queues: Collection[Queue]) -> tuple[Queue, Seat] | None:
    """The oldest ticket that may be sent ahead is the head of this queue, and goes there."""
    for queue in sorted(queues, key=age) if len(queues) > 1 else queues:
        seat = _soonest(queue.classes)
        if seat is not None and queue:
            return queue, seat
    return None


def _soonest(classes: tuple[SeatClass, ...]) -> Seat | None:
    """The agent with room that would start one more ticket first; none if one without room is far better."""
    best, start = None, math.inf
    for group in classes:
        for seat in islice(group.roomy, LOOK):
            if (begins := seat.next_start) < start:
                best, start = seat, begins
    if best is not None:
        for group in classes:
            for seat in islice(group.busy, LOOK):
                if start > TOO_LATE * seat.next_start:
                    return None
    return best


def _gain(move: tuple[float, Ticket]) -> float:
    return move[0]


def _longest_idle(classes: tuple[SeatClass, ...], rng: Random) -> Seat | None:
    best: Seat | None = None
    since = 0
    for group in classes:
        for seat, began in group.idle.items():
            if best is None or began < since:
                best, since = seat, began
            break
    return best


def _some_idle(classes: tuple[SeatClass, ...]) -> list[Seat]:
    return [seat for group in classes for seat in islice(group.idle, LOOK)]


def _any_idle(classes: tuple[SeatClass, ...], rng: Random) -> Seat | None:
    seats = _some_idle(classes)
    return rng.choice(seats) if seats else None


def _fastest_idle(classes: tuple[SeatClass, ...], rng: Random) -> Seat | None:
    return min(_some_idle(classes), key=lambda seat: seat.service_time or 0.0, default=None)


_CHOICES = {
    Balance.LONGEST_IDLE: _longest_idle,
    Balance.RANDOM: _any_idle,
    Balance.FASTEST: _fastest_idle,
}
