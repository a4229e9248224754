"""Requests whose body has hardly begun to arrive: they wait here, where it costs nobody a slot.

An application that sends a byte a minute would otherwise hold a provider for as long as it likes
(``slowhttptest -B``). A body whose length is known is let in when it is complete, or when as much of it is here as
the hub keeps of any. One of unknown length may be half of a conversation, so it does not wait so long for that; and who
waits for ``100 Continue`` sends nothing before the upstream says so, and is let in at once. How those fare who are slow
even so is :mod:`slime.hub.laggards`' business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slime.errors import BadMessage
from slime.hub.exchange import Exchange
from slime.hub.patience import PatienceWheel

if TYPE_CHECKING:
    from slime.http.head import Fields
    from slime.hub.pool import AgentPool

__all__ = ["Doorstep", "Porch"]

#: Seconds that an application waits for ``100 Continue``, before it sends its body all the same (curl waits one).
HESITATION = 1.5


class Porch:
    """Lets requests in, at once or when enough of their body is here."""

    def __init__(self, pool: AgentPool) -> None:
        self._pool = pool
        self._laggards = pool.laggards
        self._enough = pool.policy.replay_body
        self._wheel: PatienceWheel[Doorstep] = PatienceWheel(pool.laggards.clock, Doorstep.let_in)

    def receive(self, exchange: Exchange) -> None:
        """A new exchange whose request has a body, none of which has been looked at yet."""
        request = exchange.request
        if request.expectant:
            request.channel.inlet.pace.begin(request, HESITATION)
            self.enter(exchange)
        elif not self._pool.serves(exchange) or not self._may_wait(exchange):
            self.enter(exchange)
        else:
            size = self._enough if exchange.length is None else min(exchange.length, self._enough)
            request.receiver = step = Doorstep(self, exchange, size)
            request.resume_body()
            request.channel.sending_lag(self._laggards.clock.seconds())
            if exchange.length is None:
                self._wheel.start(step, self._laggards.patience.body)

    def _may_wait(self, exchange: Exchange) -> bool:
        return self._enough > 0 and (exchange.length is not None or self._laggards.patience.body > 0.0)

    def enter(self, exchange: Exchange) -> None:
        """Let one in."""
        if not exchange.request.body_complete:
            self._laggards.watch(exchange)
        self._pool.submit(exchange)

    def left(self, step: Doorstep) -> None:
        """One does not wait any longer."""
        self._wheel.stop(step)


class Doorstep:
    """Receives a body in place of its exchange, until so many bytes are here; the exchange keeps them.

    :param size: bytes after which the body need not be complete.
    """

    def __init__(self, porch: Porch, exchange: Exchange, size: int) -> None:
        self._porch = porch
        self._exchange = exchange
        self._size = size

    def body_received(self, data: bytes) -> None:
        """Some of the body; perhaps it is enough now, though not all."""
        exchange = self._exchange
        exchange.body_received(data)
        if exchange.bytes_in >= self._size and exchange.bytes_in != exchange.length:
            self.let_in()

    def body_finished(self, trailers: Fields) -> None:
        """The body is complete."""
        self._exchange.body_finished(trailers)
        self.let_in()

    def let_in(self) -> None:
        """It has waited enough, or as long as it may."""
        self._porch.left(self)
        if not self._exchange.over:
            self._exchange.request.receiver = self._exchange
            self._porch.enter(self._exchange)

    def body_failed(self, error: BadMessage) -> None:
        """The body broke off, or took too long."""
        self._porch.left(self)
        self._exchange.body_failed(error)

    def left(self) -> None:
        """The application is gone."""
        self._porch.left(self)
        self._exchange.left()

    def drained(self) -> None:
        """Nothing was written that anybody waits for."""
