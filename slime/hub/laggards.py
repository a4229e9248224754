"""Exchanges whose slot waits for their application, and what becomes of them when others want it.

A provider that waits for the rest of a request, or for somebody to read its answer, serves nobody. So an application
has to send and read at a least rate (``--min-rate``). Who falls behind it is cut off by the sweep, after a while; here,
much sooner, where somebody else waits for that very slot. Nobody is judged who is quick, whose slot nobody wants, or
who waits for his upstream.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from slime.errors import ErrorCode
from slime.hub.answers import Trouble
from slime.hub.patience import PatienceWheel

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from slime.hub.dispatch import Dispatcher
    from slime.hub.exchange import Exchange
    from slime.hub.seats import Ticket
    from slime.hub.terms import PoolLimits

__all__ = ["Laggards"]

#: How many are looked at for the one that is behind most.
LOOKS = 64

#: Seconds until somebody is looked at first: what was on its way when his time began has arrived by then.
FIRST_LOOK = 0.1

#: Seconds until the next look, when nobody was found: any number of requests may be refused in a moment.
BLINK = 0.05


class Laggards:
    """Watches those who may become slow.

    :ivar patience: how far behind they may be.
    :ivar clock: whose time it is.
    """

    def __init__(self, clock: IReactorTime, dispatcher: Dispatcher, limits: PoolLimits) -> None:
        self.clock = clock
        self.patience = limits.patience
        self._dispatcher = dispatcher
        self._enough = limits.exchange.replay_body
        self._watched: dict[Exchange, None] = {}
        self._wheel: PatienceWheel[Exchange] = PatienceWheel(clock, self._due)
        self._next_look = 0.0

    def watch(self, exchange: Exchange) -> None:
        """From now on its application may be what its slot waits for; its time begins, unless it has before."""
        if exchange not in self._watched and self._limit(exchange):
            self._watched[exchange] = None
            self._lag(exchange)
            self._wheel.start(exchange, min(FIRST_LOOK, self._limit(exchange)))

    def make_room(self, exchange: Exchange) -> bool:
        """Somebody found no slot. Is one about to be free, because the one who has it is cut off?

        Nobody is for somebody who may be as slow himself.
        """
        if not self._watched:
            return False
        now = self.clock.seconds()
        if now < self._next_look or not self._is_whole(exchange):
            return False
        late = [one for one in islice(self._watched, LOOKS) if self._late(one) and frees_for(one, exchange.ticket)]
        if not late:
            self._next_look = now + BLINK
            return False
        # In the next turn: who asks is in the queue by then, so that the slot finds him.
        self.clock.callLater(0, self._cut, max(late, key=self._lag))
        return True

    def _is_whole(self, exchange: Exchange) -> bool:
        return exchange.length == 0 or exchange.request.body_complete or exchange.bytes_in >= self._enough

    def _due(self, exchange: Exchange) -> None:
        if not (may_dawdle(exchange) and self._limit(exchange)):
            self._watched.pop(exchange, None)
        elif self._late(exchange) and self._is_in_the_way(exchange):
            self._cut(exchange)
        else:
            self._wheel.start(exchange, max(0.0, self._limit(exchange) - self._lag(exchange)))

    def _is_in_the_way(self, exchange: Exchange) -> bool:
        """Does somebody wait for its slot: at its agent, ahead of time, or here?"""
        seat = exchange.ticket.seat
        held = seat is not None and seat.held > 0 and bool(exchange.started_at)
        return held or any(frees_for(exchange, head) for head in self._dispatcher.heads)

    def _late(self, exchange: Exchange) -> bool:
        return self._lag(exchange) >= self._limit(exchange) > 0.0

    def _lag(self, exchange: Exchange) -> float:
        if exchange.switched or not may_dawdle(exchange):
            return 0.0
        channel, now = exchange.request.channel, self.clock.seconds()
        return channel.reading_lag(now) if exchange.answered_at else channel.sending_lag(now)

    def _limit(self, exchange: Exchange) -> float:
        return self.patience.reader if exchange.answered_at else self.patience.body

    def _cut(self, exchange: Exchange) -> None:
        self._watched.pop(exchange, None)
        self._wheel.stop(exchange)
        exchange.fail(Trouble(ErrorCode.TOO_SLOW, "others wait for the slot meanwhile (--min-rate)"))


def may_dawdle(exchange: Exchange) -> bool:
    """Is there something that its application has to do?"""
    if exchange.over:
        return False
    return exchange.request.write_blocked if exchange.answered_at else not exchange.request.body_complete


def frees_for(exchange: Exchange, ticket: Ticket) -> bool:
    """Does it run in a slot that this ticket could have?"""
    seat = exchange.ticket.seat
    return bool(seat is not None and exchange.started_at and seat.rights.permit(ticket.scope, ticket.path))
