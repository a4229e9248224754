"""The hub's side of a link: lets an agent in, and turns its frames into calls on exchanges."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, ISSLTransport
from twisted.logger import Logger

from slime import __version__
from slime.direct import Corks
from slime.errors import BadMessage, ErrorCode, RemoteProtocolError
from slime.http.body import are_trailers
from slime.http.head import Fields, RequestHead, field_values, serialise_request_head, tokens
from slime.hub.answers import Trouble
from slime.hub.exchange import Exchange
from slime.hub.passage import Passage
from slime.hub.pool import AgentPool
from slime.hub.refusing import Complaints
from slime.hub.request import StreamedRequest
from slime.hub.seats import Rights
from slime.rate import TokenBucket
from slime.tokens import AgentClaims, RevokedToken, TokenError, verify
from slime.tunnel.connection import TunnelConnection, TunnelLimits
from slime.tunnel.frames import (
    Capacity,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Hello,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
    Welcome,
)
from slime.tunnel.growth import WindowLimits
from slime.tunnel.states import Role
from slime.websocket import Phase
from slime.wslink import SUBPROTOCOL, CloseCode, TunnelProtocolMixin, harden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Door", "HubLink", "LinkPolicy"]

MAX_SLOTS = 4096
_OPEN = Phase.OPEN
CHALLENGE = [(b"WWW-Authenticate", b'Bearer realm="slime"')]
CERTIFICATE_CHALLENGE = [(b"WWW-Authenticate", b'Certificate realm="slime"')]


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """Settings of the hub that concern links.

    :ivar secret: what agents' tokens are verified with.
    :ivar window: bytes of each answer that an agent may send ahead of the application's reading.
    :ivar windows: how that may grow.
    :ivar ping_interval: seconds between signs of life.
    :ivar handshake_timeout: seconds from the connection to HELLO.
    :ivar prefetch: requests sent ahead for each slot, at most.
    :ivar revoked: ids of tokens that are not accepted any more.
    :ivar certified: whether agents have to show a certificate (:mod:`slime.hub.listening` sees to its being good).
    :ivar handshake_rate: agents let in a second; 0 is no limit.
    :ivar control_rate: frames a second that an agent may send without sending anything by them; 0 is no limit.
    """

    secret: bytes
    window: int = 256 * 1024
    windows: WindowLimits | None = None
    ping_interval: float = 10.0
    handshake_timeout: float = 10.0
    prefetch: int = 4
    revoked: Container[str] = frozenset()
    certified: bool = False
    handshake_rate: int = 0
    control_rate: int = 0


class HubLink(TunnelProtocolMixin, WebSocketServerProtocol):  # type: ignore[misc]
    """One agent's link. The pool gives it exchanges; the agent's frames move them on.

    :ivar key: who the agent is: two tokens never share an agent, whatever their agents say of themselves.
    :ivar agent_id: what the agent calls itself.
    :ivar agent_name: the name in its token.
    :ivar claims: all that its token says.
    :ivar hello: what it said of itself; ``None`` before it did.
    :ivar ended: why the link is over; empty while it is not.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, pool: AgentPool, claims: AgentClaims, policy: LinkPolicy, corks: Corks
    ) -> None:
        tunnel = TunnelConnection(Role.HUB, TunnelLimits())
        super().__init__(tunnel, clock, policy.handshake_timeout)
        self.claims = claims
        self.key = self.agent_id = ""
        self.prefetch = 0
        self.agent_name = claims.name
        self.hello: Hello | None = None
        self.ended = ""
        self._pool = pool
        self._policy = policy
        self._corks = corks
        self._exchanges: dict[int, Exchange] = {}
        self._unsent: set[int] = set()
        self._fading: set[int] = set()
        self._expiry: IDelayedCall | None = None

    @property
    def address(self) -> str:
        """Host and port that the agent calls from."""
        return str(self.peer).partition(":")[2]

    # -- the link's own life ----------------------------------------------------------------------------------------

    def onConnect(self, request: Any) -> str:
        """Everything has been checked at the :class:`Door`; autobahn wants to know the subprotocol."""
        return SUBPROTOCOL

    def tunnel_opened(self) -> None:
        """The WebSocket is open: the token's end is the link's end, and HELLO must come."""
        if self.claims.expires is not None:
            left = max(0.0, self.claims.expires - time.time())
            self._expiry = self._clock.callLater(left, self.fail, CloseCode.UNAUTHORIZED, "the token has expired")

    def tunnel_closed(self, reason: str, clean: bool) -> None:
        """The link is over: its slots are gone, and each of its exchanges decides what becomes of it."""
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        self.ended = reason
        if self.hello is None:
            return
        self._log.info("agent {agent} left: {reason}", agent=self.agent_name, id=self.agent_id, reason=reason)
        self._pool.leave(self)
        exchanges, self._exchanges = self._exchanges, {}
        for exchange in exchanges.values():
            exchange.link_lost()

    def frames_received(self, frames: Sequence[Frame]) -> None:
        """Frames of one message: an application gets all that it has for it in one piece."""
        self._corks.during(self._handle, frames)

    def _handle(self, frames: Sequence[Frame]) -> None:
        exchanges = self._exchanges
        for frame in frames:
            if self._phase is not _OPEN:
                return
            if type(frame) is Data:
                # Of all frames by far the most.
                exchanges[frame.stream_id].response_data(frame.data)
            else:
                _HANDLERS[type(frame)](self, frame)

    def _hello(self, frame: Hello) -> None:
        if frame.check:
            self._checked()
            return
        self.hello = frame
        self.agent_id = frame.agent_id
        self.key = f"{self.claims.token_id}/{frame.agent_id}"
        policy = self._policy
        self.prefetch = frame.prefetch
        self.send(self._welcome(min(policy.prefetch, frame.prefetch)))
        self.established(policy.ping_interval, policy.windows, policy.control_rate)
        self._log.info(
            "agent {agent} joined with {slots} slots from {peer}",
            agent=self.agent_name,
            id=self.agent_id,
            slots=frame.slots,
            peer=self.peer,
            software=frame.software,
            upstream=frame.upstream,
        )
        rights = Rights(frozenset(self.claims.scopes), frozenset(self.claims.scope_paths))
        self._pool.join(self, rights, min(frame.slots, MAX_SLOTS))

    def _welcome(self, prefetch: int, about: Mapping[str, Any] | None = None) -> Welcome:
        policy = self._policy
        return Welcome(
            session=os.urandom(8).hex(),
            window=policy.window,
            ping_interval=policy.ping_interval,
            prefetch=prefetch,
            about=about,
        )

    def _checked(self) -> None:
        """Somebody wants to know whether the agent would be let in. The handshake's deadline, still on, ends this."""
        self._log.info("agent {agent} asks from {peer} whether it may join", agent=self.agent_name, peer=self.peer)
        self.send(self._welcome(0, about(self.claims)))

    def _capacity(self, frame: Capacity) -> None:
        self._pool.resize(self, min(frame.slots, MAX_SLOTS))

    def _drain(self, frame: Drain) -> None:
        self._pool.depart(self)

    def fence(self) -> None:
        """A newer link of the same agent has come."""
        self.fail(CloseCode.REPLACED, "the agent has linked anew")

    def drain(self) -> None:
        """The hub takes its leave."""
        self.send(Drain())

    def end(self, reason: str = "the hub stops") -> None:
        """Close the link in good order."""
        self.close(reason)

    def expel(self) -> None:
        """The token is not accepted any more."""
        self.fail(CloseCode.UNAUTHORIZED, "the token has been revoked")

    # -- what exchanges call ------------------------------------------------------------------------------------------

    def open(self, exchange: Exchange, ahead: bool) -> int:
        """Start a stream for the exchange."""
        upgrade = exchange.upgrade is not None
        stream_id = self.tunnel.open(exchange.forward_head, exchange.length, prefetch=ahead, upgrade=upgrade)
        self._exchanges[stream_id] = exchange
        self._unsent.add(stream_id)
        self.schedule_flush()
        return stream_id

    def send_body(self, stream_id: int, data: bytes) -> int:
        """Queue request body; returns what waits in the stream's queue."""
        self.send(Data(stream_id, data))
        return self.tunnel.queued(stream_id)

    def end_body(self, stream_id: int, trailers: Fields) -> None:
        """The request body is complete."""
        self.send(End(stream_id, trailers))

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """Give the stream up."""
        self.send(Reset(stream_id, code))

    def revoke(self, stream_id: int) -> None:
        """Ask for a stream that has not begun."""
        self.send(Revoke(stream_id))

    def was_flushed(self, stream_id: int) -> bool:
        """Has the stream's OPEN left this process?"""
        return stream_id not in self._unsent

    def resume(self, stream_id: int) -> None:
        """The stream's queue became short."""
        exchange = self._exchanges.get(stream_id)
        if exchange is not None:
            exchange.writable()

    def flushed(self) -> None:
        """What could be sent has been; maybe the last bytes of a passage whose other half is over already."""
        if self._fading:
            for stream_id in [one for one in self._fading if not self.tunnel.is_live(one)]:
                self._fading.discard(stream_id)
                self._free(stream_id).response_end([])

    def _transmit(self, message: bytes) -> None:
        self._unsent.clear()
        super()._transmit(message)

    # -- the agent's frames ---------------------------------------------------------------------------------------

    def _started(self, frame: Started) -> None:
        self._exchanges[frame.stream_id].upstream_started()

    def _head(self, frame: Head) -> None:
        self._exchanges[frame.stream_id].response_head(frame)
        if frame.interim:
            self.tunnel.chatter += 1
        elif frame.length == 0:
            self._free(frame.stream_id).response_end([])

    def _end(self, frame: End) -> None:
        if frame.trailers and not are_trailers(frame.trailers):
            raise RemoteProtocolError("trailers that cannot be")
        exchange = self._exchanges[frame.stream_id]
        if exchange.switched:
            self._fading.add(frame.stream_id)
            cast(Passage, exchange).upstream_ended()
            self.schedule_flush()
        else:
            self._free(frame.stream_id).response_end(frame.trailers)

    def _reset(self, frame: Reset) -> None:
        self._fading.discard(frame.stream_id)
        self._free(frame.stream_id).stream_reset(frame.code, frame.detail)

    def _refused(self, frame: Refused) -> None:
        self._free(frame.stream_id).refused()

    def _revoked(self, frame: Revoked) -> None:
        self._free(frame.stream_id).revoked()

    def _free(self, stream_id: int) -> Exchange:
        exchange = self._exchanges.pop(stream_id)
        self._pool.release(exchange)
        return exchange


_HANDLERS: Mapping[type, Callable[[HubLink, Any], None]] = {
    Hello: HubLink._hello,
    Capacity: HubLink._capacity,
    Drain: HubLink._drain,
    Started: HubLink._started,
    Head: HubLink._head,
    End: HubLink._end,
    Reset: HubLink._reset,
    Refused: HubLink._refused,
    Revoked: HubLink._revoked,
}


def about(claims: AgentClaims) -> dict[str, Any]:
    """What an agent that asks may know of its token, and of the hub."""
    told = {name: getattr(claims, name) for name in ("name", "expires", "scopes", "scope_paths")}
    return {**told, "software": f"slime/{__version__}"}


def shows_certificate(transport: Any) -> bool:
    """Whether a client has shown a certificate; one that is not good has ended the handshake."""
    return ISSLTransport.providedBy(transport) and transport.getPeerCertificate() is not None


class Door:
    """Lets agents in: checks the token before the WebSocket handshake, then takes the connection over."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, pool: AgentPool, policy: LinkPolicy, corks: Corks | None = None) -> None:
        self._corks = corks or Corks()
        self._clock = clock
        self._pool = pool
        self._policy = policy
        self._rate = TokenBucket(policy.handshake_rate, clock.seconds())
        self._complaints = Complaints(clock)
        self._factory = WebSocketServerFactory(protocols=[SUBPROTOCOL], reactor=clock)
        harden(self._factory)
        self._factory.setProtocolOptions(webStatus=False)

    def enter(self, request: StreamedRequest) -> None:
        """An agent knocks."""
        if self._policy.certified and not shows_certificate(request.channel.transport):
            self._complaints.about(self._log, request.getClientAddress(), "it shows no certificate")
            detail = "an agent shows a certificate, over TLS"
            request.fail(Trouble(ErrorCode.UNAUTHORIZED, detail, CERTIFICATE_CHALLENGE))
            return
        try:
            claims = self._authorize(request.head, request.getClientAddress())
        except BadMessage as error:
            request.fail(Trouble(error.code, error.detail, CHALLENGE if error.code is ErrorCode.UNAUTHORIZED else []))
            return
        if self._pool.leaving:
            request.fail(Trouble(ErrorCode.DRAINING))
            return
        if not self._rate.take(self._clock.seconds()):
            request.fail(Trouble(ErrorCode.ALL_BUSY, "too many agents come at a time (--handshake-rate)"))
            return
        link = HubLink(self._clock, self._pool, claims, self._policy, self._corks)
        link.factory = self._factory
        unread = request.channel.detach(link)
        link.dataReceived(serialise_request_head(request.head) + unread)

    def _authorize(self, head: RequestHead, peer: IAddress) -> AgentClaims:
        offered = tokens(head.fields, b"sec-websocket-protocol")
        if SUBPROTOCOL.encode("ascii") not in offered:
            raise BadMessage(ErrorCode.BAD_REQUEST, f"an agent speaks the subprotocol {SUBPROTOCOL}")
        if field_values(head.fields, b"origin"):
            raise BadMessage(ErrorCode.BAD_REQUEST, "agents are no web pages")
        credentials = field_values(head.fields, b"authorization")
        if len(credentials) != 1 or credentials[0][:7].lower() != b"bearer ":
            raise BadMessage(ErrorCode.UNAUTHORIZED, "an agent's token is needed")
        try:
            return self._verified(credentials[0][7:].strip().decode("latin-1"))
        except TokenError as error:
            self._complaints.about(self._log, peer, f"its token is {error.reason}")
            raise BadMessage(ErrorCode.UNAUTHORIZED, "the token is not accepted") from None

    def _verified(self, token: str) -> AgentClaims:
        claims = verify(self._policy.secret, token, time.time())
        if claims.token_id in self._policy.revoked:
            raise RevokedToken
        return claims
