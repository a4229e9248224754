"""One worker of the earlier program's agents, as the pool sees an agent: a link with one slot.

The worker calls the hub, never the other way. It asks for work (*accept*, held until there is some; the answer is the
application's request), and then brings the upstream's answer (*submit*). Between the two nobody is connected, and a
request given to it may have run: it counts as started from the moment it was handed over. That it was given up shows
when the worker asks for work again; that an application has left, the worker hears when its submit is cut.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from slime.errors import ErrorCode, LocalProtocolError
from slime.http.head import Fields
from slime.hub.seats import Rights
from slime.hub.seedstream import SeedStream, Silent, watch_over
from slime.tunnel.frames import Hello

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from slime.hub.exchange import Exchange
    from slime.hub.pool import AgentPool
    from slime.hub.request import StreamedRequest
    from slime.tokens import AgentClaims

__all__ = ["ABSENCE", "FORSAKEN", "SeedLink"]

#: Seconds without a call after which a worker that has nothing to do is gone; it asks anew within a second or so.
ABSENCE = 10.0

#: Seconds that a worker may go on with a request whose application has left, before it is taken for gone: if its
#: upstream still thinks, it hears of that with the answer's head at the earliest. One that comes later joins anew.
FORSAKEN = 600.0


class Worker(NamedTuple):
    """Who calls.

    :ivar claims: what its token says.
    :ivar hardware: what its machine has, as far as it has been said.
    """

    claims: AgentClaims
    number: int
    hardware: dict[str, Any]


class SeedLink:
    """See the module's text. Made by :class:`slime.hub.seedagents.SeedDoor`; the pool and exchanges call it.

    :ivar stream: what the worker has been given and has not answered.
    :ivar address: host and port that it called from last.
    """

    _log = Logger()
    prefetch = 0
    rtt: float | None = None

    def __init__(
        self, clock: IReactorTime, pool: AgentPool, worker: Worker,
        streams: dict[int, SeedStream], on_gone: Callable[[SeedLink], object],
    ) -> None:  # fmt: skip
        claims = self.claims = worker.claims
        self.agent_id, self.agent_name = str(worker.number), claims.name
        self.key = f"{claims.token_id}/{self.agent_id}"
        self.hello = Hello(agent_id=self.agent_id, name=claims.name, slots=1, hardware=worker.hardware)
        self.address = ""
        self.ended = ""
        self.stream: SeedStream | None = None
        self._clock = clock
        self._pool = pool
        self._streams = streams
        self._on_gone = on_gone
        self._held: StreamedRequest | None = None
        self._absence: IDelayedCall | None = None
        self._joined = False
        self._expiry: IDelayedCall | None = None

    # -- the worker's calls -----------------------------------------------------------------------------------------

    def accept(self, request: StreamedRequest) -> None:
        """The worker asks for work. If it has some, it has given that up; if it asks already, it asks anew."""
        client: Any = request.client
        self.address = f"{getattr(client, 'host', '-')}:{getattr(client, 'port', '-')}"
        self._present()
        self._cut_held()
        if self.stream is not None:
            self.stream.abandoned()
            self._present()
        self._held = request
        request.receiver = Held(self)
        watch_over(request)
        if self._joined:
            self._pool.resize(self, 1)
            return
        self._joined = True
        self._end_with_token()
        self._log.info("agent {agent} joined from {peer}, as those of the seed do", agent=self.agent_name,
                       id=self.agent_id, peer=self.address)  # fmt: skip
        rights = Rights(frozenset(self.claims.scopes), frozenset(self.claims.scope_paths))
        self._pool.join(self, rights, 1)

    def _end_with_token(self) -> None:
        """No call with it is answered after its end, not even one that brings an answer."""
        if self.claims.expires is not None:
            left = max(0.0, self.claims.expires - time.time())
            self._expiry = self._clock.callLater(left, self.end, "its token has expired")

    def left_waiting(self) -> None:
        """The worker does not wait for work any more."""
        self._held = None
        self._pool.resize(self, 0)
        self._expect(ABSENCE)

    def _cut_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.answer_abort()

    def forsaken(self) -> None:
        """Nobody waits for what the worker has, and it can be told only when it calls."""
        self._expect(FORSAKEN)

    def _expect(self, seconds: float) -> None:
        """The worker should call by then."""
        self._present()
        if not self.ended:
            self._absence = self._clock.callLater(seconds, self.end, "it asks for no more work")

    def _present(self) -> None:
        absence, self._absence = self._absence, None
        _forget(absence)

    # -- what the pool calls ----------------------------------------------------------------------------------------

    def fence(self) -> None:
        """Another link has this one's key."""
        self.end("it has linked anew")

    def expel(self) -> None:
        """The token is not accepted any more."""
        self.end("its token has been revoked")

    def drain(self) -> None:
        """The hub takes its leave: who waits for work is sent away, in the only way that it understands.

        Nobody can connect from now on, so an answer that is not on its way will never be.
        """
        if self._held is not None:
            self._cut_held()
            self.left_waiting()
        elif self.stream is not None and not self.stream.answering:
            self.stream.abandoned()

    def end(self, reason: str = "the hub stops") -> None:
        """Part with the worker; what it has is lost."""
        if self.ended:
            return
        self.ended = reason
        self._log.info("agent {agent} left: {reason}", agent=self.agent_name, id=self.agent_id, reason=reason)
        self._present()
        _forget(self._expiry)
        self._pool.leave(self)
        self._cut_held()
        if self.stream is not None:
            self.stream.abandoned()
        self._on_gone(self)

    def when_gone(self) -> Deferred[None]:
        """There is no connection to wait for."""
        return succeed(None)

    # -- what exchanges call ----------------------------------------------------------------------------------------

    def open(self, exchange: Exchange, ahead: bool) -> int:
        """Give the worker, who waits, a request."""
        held, self._held = self._held, None
        if held is None:
            raise LocalProtocolError("nobody waits for this request")
        stream_id = int.from_bytes(os.urandom(7), "big")
        self.stream = self._streams[stream_id] = SeedStream(self, exchange, held, stream_id)
        self.stream.begin(held)
        # Later: the exchange has its body to send first, and keeps no more than it must from then on.
        self._clock.callLater(0, self.stream.started)
        return stream_id

    def send_body(self, stream_id: int, data: bytes) -> int:
        """More of the request's body."""
        return self._streams[stream_id].send_body(data)

    def end_body(self, stream_id: int, trailers: Fields) -> None:
        """The request's body is complete."""
        self._streams[stream_id].end_body(trailers)

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """Nobody wants the answer any more."""
        self._clock.callLater(0, self._streams[stream_id].cancel)

    def revoke(self, stream_id: int) -> None:
        """It has begun; there is nothing to give back."""

    def consumed(self, stream_id: int, size: int) -> None:
        """So much of the answer is out."""
        self._streams[stream_id].consumed(size)

    def was_flushed(self, stream_id: int) -> bool:
        """It goes out at once."""
        return True

    def free(self, stream: SeedStream) -> Exchange:
        """The stream is over: the slot is free when the worker asks for work again."""
        del self._streams[stream.stream_id]
        self.stream = None
        self._pool.resize(self, 0)
        self._pool.release(stream.exchange)
        self._expect(ABSENCE)
        return stream.exchange


def _forget(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


class Held(Silent):
    """Hears what becomes of an accept."""

    def __init__(self, link: SeedLink) -> None:
        self._link = link

    def left(self) -> None:
        """The worker hung up: while it waited, or in the middle of a request."""
        if self._link.stream is None:
            self._link.left_waiting()
        else:
            self._link.stream.accept_lost()

    def drained(self) -> None:
        """The worker has read what there was."""
        if self._link.stream is not None:
            self._link.stream.exchange.writable()
