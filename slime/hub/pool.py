"""The pool of agents: admits exchanges, asks :mod:`slime.hub.dispatch` who gets whom, and performs it.

Admission is a :class:`~twisted.internet.defer.DeferredSemaphore` (``--concurrent``): it caps how many exchanges are
in the hub at all. How many run at an agent is the agent's own say, and the dispatcher's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.errors import ErrorCode, LocalProtocolError
from slime.hub.answers import Trouble
from slime.hub.dispatch import Dispatcher
from slime.hub.exchange import Exchange, Started, out_of_time
from slime.hub.laggards import Laggards
from slime.hub.patience import PatienceWheel
from slime.hub.roster import LinkWatcher, Roster
from slime.hub.seats import Assignment, Decision, Seat
from slime.hub.terms import PoolLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twisted.internet.interfaces import IReactorTime

#: Seconds that an agent has to give back a slot that was made free for somebody who did not ask to wait.
ROOM_PATIENCE = 2.0
#: Seconds that an agent has to say whether a request whose wait is over has begun there.
ANSWER_PATIENCE = 2.0

__all__ = ["AgentPool", "PoolLimits", "Tally"]


@dataclass(slots=True)
class Tally:
    """What the pool has done since it began.

    :ivar sent_ahead: exchanges sent to an agent ahead of a slot.
    :ivar asked_back: how many of them it was asked to give back.
    """

    sent_ahead: int = 0
    asked_back: int = 0


class AgentPool(Roster):
    """Every linked agent, every waiting and every running exchange."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        limits: PoolLimits,
        on_finished: Callable[[Exchange], None],
        watcher: LinkWatcher | None = None,
    ) -> None:
        super().__init__(Dispatcher(limits.balance), limits.prefetch, watcher)
        self.policy = limits.exchange
        self.limits = limits
        self.draining = self.leaving = False
        self.tally = Tally()
        self._clock = clock
        self._on_finished = on_finished
        self._admission = DeferredSemaphore(limits.concurrent or 1)
        self._arrived = clock.seconds() + limits.arrival
        self._admitted: set[Exchange] = set()
        self._pending: dict[Exchange, Deferred[DeferredSemaphore]] = {}
        self._patience: PatienceWheel[Exchange] = PatienceWheel(clock, self._out_of_patience)
        self._idle: Deferred[None] | None = None
        self.laggards = Laggards(clock, self._dispatcher, limits)

    # -- exchanges ------------------------------------------------------------------------------------------------

    def serves(self, exchange: Exchange) -> bool:
        """Would a new exchange be given a slot some time, as far as can be said now?"""
        return exchange.wishes.block or self._dispatcher.could_serve(exchange.ticket)

    def submit(self, exchange: Exchange) -> None:
        """A new exchange wants a slot. It is assigned, queued or failed before or after this returns."""
        exchange.queued_at = self._clock.seconds()
        if self.draining:
            exchange.fail(Trouble(ErrorCode.DRAINING))
        elif not self.limits.concurrent:
            self._admit(exchange)
        elif self._admission.tokens:
            self._admission.acquire()
            self._admit(exchange)
        elif not exchange.wishes.block:
            exchange.fail(Trouble(ErrorCode.ALL_BUSY, "the hub runs as many requests as --concurrent allows"))
        elif self.waiting >= self.limits.max_queue:
            exchange.fail(Trouble(ErrorCode.QUEUE_FULL))
        else:
            self._patience.start(exchange, exchange.wishes.patience)
            pending = self._pending[exchange] = self._admission.acquire()
            pending.addCallback(self._admit_later, exchange).addErrback(_ignore_cancelled)

    def _admit_later(self, semaphore: DeferredSemaphore, exchange: Exchange) -> None:
        del self._pending[exchange]
        self._admit(exchange)

    def _admit(self, exchange: Exchange) -> None:
        self._admitted.add(exchange)
        seat = self._dispatcher.offer(exchange.ticket)
        if isinstance(seat, Seat):
            self._assign(exchange, seat)
        elif (patience := self._patience_of(exchange)) <= 0.0:
            exchange.fail(Trouble(seat))
        elif self.waiting >= self.limits.max_queue:
            exchange.fail(Trouble(ErrorCode.QUEUE_FULL))
        else:
            self._patience.start(exchange, patience)
            self._perform(self._dispatcher.enqueue(exchange.ticket))

    def _patience_of(self, exchange: Exchange) -> float:
        room, wishes = self.laggards.make_room(exchange), exchange.wishes
        if wishes.block:
            return wishes.patience
        return ROOM_PATIENCE if room else self._arrived - self._clock.seconds()

    def _out_of_patience(self, exchange: Exchange) -> None:
        """No slot in time. One that was sent ahead may have begun in this very moment: its agent has to say."""
        ticket = exchange.ticket
        if ticket.seat is None:
            exchange.fail(out_of_time(exchange))
        elif exchange.too_late:
            exchange.started = Started.UNKNOWN
            exchange.fail(out_of_time(exchange, "its agent does not say whether it has begun"))
        else:
            exchange.too_late = True
            self._patience.start(exchange, ANSWER_PATIENCE)
            self._perform(self._dispatcher.ask_back(ticket))

    def _assign(self, exchange: Exchange, seat: Seat, ahead: bool = False) -> None:
        exchange.assigned_at = self._clock.seconds()
        if not ahead:
            self._patience.stop(exchange)
            exchange.seated_at = exchange.assigned_at
        try:
            exchange.assign(seat.owner, ahead)
        except LocalProtocolError as error:
            self._log.error("agent {agent} cannot be given a request: {error}", agent=seat.owner.key, error=error)
            exchange.link = None
            self.release(exchange)
            exchange.fail(Trouble(ErrorCode.INTERNAL))

    def _perform(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            exchange: Exchange = decision.ticket.owner
            if not isinstance(decision, Assignment):
                self.tally.asked_back += 1
                exchange.revoke()
            elif decision.ticket.seat is decision.seat:
                self.tally.sent_ahead += decision.ahead
                self._assign(exchange, decision.seat, decision.ahead)

    def started(self, exchange: Exchange) -> None:
        """The upstream has begun: the wait for a slot is over, wherever it was spent."""
        exchange.started_at = self._clock.seconds()
        if exchange in self._patience:
            exchange.seated_at = exchange.started_at
            self._patience.stop(exchange)
        self._perform(self._dispatcher.started(exchange.ticket))

    def answering(self, exchange: Exchange) -> None:
        """The answer has begun."""
        exchange.answered_at = self._clock.seconds()

    def withdraw(self, exchange: Exchange) -> None:
        """The exchange wants no slot any more."""
        self._dispatcher.withdraw(exchange.ticket)
        pending = self._pending.pop(exchange, None)
        if pending is not None:
            pending.cancel()

    def give_elsewhere(self, exchange: Exchange) -> bool:
        """An exchange lost its agent unharmed: a free slot has it now, or it waits in its old place.

        ``False`` when nobody connected could serve it, or when it would have to wait and did not ask to.
        """
        ticket = exchange.ticket
        if exchange not in self._patience:
            self._count_wait(exchange)
        if not self._dispatcher.could_serve(ticket):
            return False
        seat = self._dispatcher.offer(ticket)
        if isinstance(seat, Seat):
            self._assign(exchange, seat)
        elif not exchange.wishes.block:
            return False
        else:
            self._patience.start(exchange, max(0.0, exchange.wishes.patience - exchange.waited))
            self._perform(self._dispatcher.enqueue(ticket))
        return True

    def _count_wait(self, exchange: Exchange) -> None:
        """Its wait was over, and begins anew: the time between was none."""
        exchange.waited += exchange.seated_at - (exchange.requeued_at or exchange.queued_at)
        exchange.requeued_at, exchange.started_at = self._clock.seconds(), 0.0

    def finished(self, exchange: Exchange) -> None:
        """The application has its answer, or is gone."""
        exchange.finished_at = self._clock.seconds()
        self._patience.stop(exchange)
        if not exchange.started_at:
            self._perform(self._dispatcher.give_up(exchange.ticket))
        if exchange in self._admitted:
            self._admitted.discard(exchange)
            if self.limits.concurrent:
                self._admission.release()
        self._on_finished(exchange)
        # An exchange and its ticket hold each other; neither is to wait for the collector of cycles.
        if exchange.ticket.seat is None:
            exchange.ticket.owner = None
        if self._idle is not None and not self._admitted:
            self._idle.callback(None)
            self._idle = None

    @property
    def waiting(self) -> int:
        """Exchanges that wait, for admission or for a slot."""
        return self._dispatcher.waiting + len(self._pending)

    @property
    def exchanges(self) -> list[Exchange]:
        """All that are in the hub, in no order."""
        return [*self._pending, *self._admitted]

    @property
    def oldest_waiting(self) -> Exchange | None:
        """The one that waits longest, for admission or for a slot."""
        heads = [*islice(self._pending, 1), *(ticket.owner for ticket in self._dispatcher.heads)]
        return min(heads, key=_arrival, default=None)

    def release(self, exchange: Exchange) -> None:
        """The exchange's slot is free, and serves the next one at once."""
        seat = exchange.ticket.seat
        if seat is not None and exchange.started_at and not exchange.switched:
            seat.measure(self._clock.seconds() - exchange.started_at)
            seat.rtt = seat.owner.rtt or 0.0
        self._perform(self._dispatcher.release(exchange.ticket))
        if exchange.over:
            exchange.ticket.owner = None

    # -- shutdown -------------------------------------------------------------------------------------------------

    def take_leave(self) -> None:
        """Tell agents to look for another hub, and let none in; those that are here go on working as long as they may.

        For a hub that another one takes over from.
        """
        self.leaving = True
        for link in self.links:
            link.drain()

    def drain(self) -> Deferred[None]:
        """Take nothing new, refuse what waits; fires when nothing runs any more."""
        if not self.leaving:
            self.take_leave()
        self.draining = True
        self.refuse_waiting()
        return self.when_idle()

    def refuse_waiting(self) -> None:
        """What has no slot yet will not get one here."""
        for exchange in [*self._pending, *(one for one in self._admitted if one.ticket.seat is None)]:
            exchange.fail(Trouble(ErrorCode.DRAINING, "", exchange.told))

    def when_idle(self) -> Deferred[None]:
        """Fires when nothing waits and nothing runs; for one who asks."""
        done: Deferred[None] = Deferred()
        if self._admitted:
            self._idle = done
        else:
            done.callback(None)
        return done


def _arrival(exchange: Exchange) -> float:
    return exchange.queued_at


def _ignore_cancelled(failure: Failure) -> None:
    failure.trap(CancelledError)
