"""The agent's side of a link: shakes hands with the hub, and turns its frames into calls on workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime import __version__
from slime.agent.egress import explained
from slime.agent.passage import PassageWorker
from slime.agent.reads import read_more
from slime.agent.worker import Worker, Workshop
from slime.errors import BadMessage
from slime.http.head import ResponseHead, field_values, parse_response_head
from slime.tunnel import Capacity, Data, Drain, End, Frame, Hello, Open, Reset, Revoke, Role, TunnelConnection, Welcome
from slime.tunnel.growth import WindowLimits
from slime.websocket import printable
from slime.wslink import SUBPROTOCOL, CloseCode, TunnelProtocolMixin, harden

__all__ = ["AgentLink", "LinkEnd", "LinkFactory", "LinkPolicy", "Verdict"]

#: Bytes of the hub's answer to the WebSocket's handshake.
MAX_HANDSHAKE = 16 * 1024

#: The longest Retry-After that is believed, in seconds.
MAX_RETRY_AFTER = 3600

_SOFTWARE = f"slime/{__version__}"

#: Ways in which a hub closes a link that will be closed again if nothing changes.
_HOPELESS = frozenset({CloseCode.PROTOCOL, CloseCode.UNAUTHORIZED, CloseCode.REPLACED, CloseCode.FLOOD})


class Verdict(Enum):
    """What the end of a link, or of an attempt at one, says about the next attempt.

    LOST: nothing was said, so try again. REFUSED: the hub said no and will say so again. MOVING: the hub is about to
    stop, and another one may be there already; the link itself lasts until what runs on it is over.
    """

    LOST = "lost"
    MOVING = "moving"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """How a link, or an attempt at one, ended.

    :ivar reason: for the log.
    :ivar verdict: what to make of it.
    :ivar lived: seconds since the hub's WELCOME; 0 if there was none.
    :ivar retry_after: seconds the hub asked to wait.
    :ivar status: what it answered to the WebSocket's handshake, if that was a refusal; else 0.
    """

    reason: str
    verdict: Verdict = Verdict.LOST
    lived: float = 0.0
    retry_after: float = 0.0
    status: int = 0


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """What a link needs to know.

    :ivar hello: who this agent is.
    :ivar ping_interval: seconds between signs of life.
    :ivar handshake_timeout: seconds from the connection to WELCOME.
    :ivar on_linked: called whenever the hub has let the agent in.
    :ivar windows: how the windows of requests' bodies may grow.
    :ivar control_rate: frames a second that the hub may send without sending anything by them; 0 is no limit.
    """

    hello: Hello
    ping_interval: float = 10.0
    handshake_timeout: float = 10.0
    on_linked: Callable[[], object] = lambda: None
    windows: WindowLimits | None = None
    control_rate: int = 0


class AgentLink(TunnelProtocolMixin, WebSocketClientProtocol):  # type: ignore[misc]
    """One link to a hub, for one upstream.

    :ivar ended: fires with how the link ended, as soon as it is over, or is good for nothing new.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, shop: Workshop, policy: LinkPolicy) -> None:
        super().__init__(TunnelConnection(Role.AGENT), clock, policy.handshake_timeout)
        self.ended: Deferred[LinkEnd] = Deferred()
        self._shop = shop
        self._policy = policy
        self._workers: dict[int, Worker] = {}
        self._welcomed_at: float | None = None
        self._refusal: LinkEnd | None = None
        self._drained: Deferred[None] | None = None

    def connectionMade(self) -> None:
        """The connection is there."""
        super().connectionMade()
        read_more(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """What one read brings of one request leaves in one piece."""
        self._shop.client.corks.during(super().dataReceived, data)

    # -- the WebSocket's handshake --------------------------------------------------------------------------------

    def processHandshake(self) -> None:
        """The hub's answer so far. Anything but a switch of protocols is a refusal, and says why."""
        block, end, _ = self.data.partition(b"\r\n\r\n")
        if len(block) > MAX_HANDSHAKE:
            self.failHandshake("an answer without end")
        elif end:
            self._answered(block)

    def _answered(self, block: bytes) -> None:
        try:
            head = parse_response_head(block)
        except BadMessage as error:
            self.failHandshake(f"not an HTTP answer: {error.detail}")
            return
        if head.status == 101:
            super().processHandshake()
        else:
            self._refusal = refusal(head)
            self.failHandshake(self._refusal.reason)

    def failHandshake(self, reason: str) -> None:
        """This is no hub, or not one that lets us in; whoever dials says so."""
        self._over(reason, clean=False)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone; a hub that could not prove itself is told apart from one that is away."""
        super().connectionLost(explained(reason))

    # -- the link's own life --------------------------------------------------------------------------------------

    def tunnel_opened(self) -> None:
        """The WebSocket is open."""
        self.send(self._policy.hello)

    def frame_received(self, frame: Frame) -> None:
        """One valid frame of the hub's."""
        handler = _HANDLERS.get(type(frame))
        if handler is not None:
            handler(self, frame)

    def flushed(self) -> None:
        """Maybe the last of what was running has just left."""
        if self._drained is not None and not self.tunnel.live:
            self._leave_drained()

    def tunnel_closed(self, reason: str, clean: bool) -> None:
        """The link is over; so is everything that came by it, which the hub has given up already."""
        workers, self._workers = self._workers, {}
        for worker in reversed(workers.values()):
            worker.abandon()
        self._leave_drained()
        self._shop.hubs.discard(self)
        if not self.ended.called:
            self.ended.callback(self._refusal or self._ending(reason))

    def _ending(self, reason: str) -> LinkEnd:
        refused = self.remoteCloseCode in _HOPELESS
        if self.remoteCloseCode == CloseCode.REPLACED:
            reason += "; is there a second agent with the id of this one?"
        return LinkEnd(reason, Verdict.REFUSED if refused else Verdict.LOST, self._lived())

    def _lived(self) -> float:
        return 0.0 if self._welcomed_at is None else self._clock.seconds() - self._welcomed_at

    def drain(self) -> Deferred[None]:
        """Tell the hub to send nothing more; fires when nothing runs any more, or the link is over."""
        drained: Deferred[None] = Deferred()
        self._drained = drained
        if self._welcomed_at is None or not self.alive:
            self._leave_drained()
        else:
            self.send(Capacity(0))
            self.send(Drain())
        return drained

    def _leave_drained(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.callback(None)

    @property
    def linked(self) -> bool:
        """Has the hub let the agent in, and is the link up?"""
        return self._welcomed_at is not None and self.alive

    # -- what workers call ----------------------------------------------------------------------------------------

    def break_off(self, frame: Reset) -> None:
        """Queue a stream's last frame, behind what waits of the answer."""
        if self.alive:
            self.tunnel.break_off(frame)
            self.schedule_flush()

    def queued(self, stream_id: int) -> int:
        """Bytes of an answer that wait."""
        return self.tunnel.queued(stream_id)

    def forget(self, stream_id: int) -> None:
        """The stream has no worker any more."""
        self._workers.pop(stream_id, None)
        if self._drained is not None:
            self.schedule_flush()

    def resume(self, stream_id: int) -> None:
        """The stream's queue became short."""
        worker = self._workers.get(stream_id)
        if worker is not None:
            worker.resume()

    # -- the hub's frames -----------------------------------------------------------------------------------------

    def _welcome(self, frame: Welcome) -> None:
        self._welcomed_at = self._clock.seconds()
        self._shop.hubs.add(self)
        self.established(self._policy.ping_interval, self._policy.windows, self._policy.control_rate)
        if self._shop.health.capacity != self._policy.hello.slots:
            self.send(Capacity(self._shop.health.capacity))
        self._log.info("linked to the hub at {peer}", peer=self.peer, session=frame.session)
        self._policy.on_linked()

    def _drain_received(self, frame: Drain) -> None:
        self._log.info("the hub at {peer} is about to stop", peer=self.peer)
        if not self.ended.called:
            self.ended.callback(LinkEnd("the hub is about to stop", Verdict.MOVING, self._lived()))

    def _open(self, frame: Open) -> None:
        kind = PassageWorker if frame.upgrade else Worker
        worker = self._workers[frame.stream_id] = kind(self._shop, self, frame)
        self._shop.admit(worker, frame.prefetch)

    def _data(self, frame: Data) -> None:
        worker = self._workers.get(frame.stream_id)
        if worker is not None:
            worker.body(frame)
        else:
            # The answer is complete and waits for an application that may have to finish its request first.
            self.consumed(frame.stream_id, len(frame.data))

    def _end(self, frame: End) -> None:
        worker = self._workers.get(frame.stream_id)
        if worker is not None:
            worker.body_ended(frame)

    def _reset(self, frame: Reset) -> None:
        worker = self._workers.get(frame.stream_id)
        if worker is not None:
            worker.abandon()

    def _revoke(self, frame: Revoke) -> None:
        worker = self._workers.get(frame.stream_id)
        if worker is not None:
            worker.revoke()


_HANDLERS: Mapping[type, Callable[[AgentLink, Any], None]] = {
    Welcome: AgentLink._welcome,
    Drain: AgentLink._drain_received,
    Open: AgentLink._open,
    Data: AgentLink._data,
    End: AgentLink._end,
    Reset: AgentLink._reset,
    Revoke: AgentLink._revoke,
}


def refusal(head: ResponseHead) -> LinkEnd:
    """What a hub's answer other than 101 means: 4xx will be said again, anything else may pass."""
    slug = b", ".join(field_values(head.fields, b"slime-error")).decode("latin-1")
    reason = f"the hub answers {head.status} {slug or head.reason.decode('latin-1')}".rstrip()
    if any(value.startswith(b"Certificate ") for value in field_values(head.fields, b"www-authenticate")):
        reason += ": it wants a client certificate, over TLS (--client-cert)"
    verdict = Verdict.REFUSED if 400 <= head.status < 500 else Verdict.LOST
    return LinkEnd(printable(reason), verdict, retry_after=retry_after(head), status=head.status)


def retry_after(head: ResponseHead) -> float:
    """Seconds in ``Retry-After`` (RFC 9110 10.2.3), as far as they are a number; dates are left alone."""
    values = field_values(head.fields, b"retry-after")
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > len(str(MAX_RETRY_AFTER)):
        return 0.0
    return float(min(int(values[0]), MAX_RETRY_AFTER))


class LinkFactory(WebSocketClientFactory):  # type: ignore[misc]
    """Makes a link for each connection to a hub.

    :param reactor: times what the links wait for.
    :param url: the hub's address, ``ws://`` or ``wss://``, path and all.
    :param token: the agent's token.
    """

    host: str

    def __init__(self, reactor: Any, url: str, token: str, shop: Workshop, policy: LinkPolicy) -> None:
        super().__init__(
            url,
            protocols=[SUBPROTOCOL],
            useragent=_SOFTWARE,
            headers={"Authorization": f"Bearer {token}"},
            reactor=reactor,
        )
        harden(self)
        self.setProtocolOptions(serverConnectionDropTimeout=0)
        self.noisy = False
        if ":" in self.host:
            # autobahn takes the brackets off an IPv6 address and forgets them in Host.
            self.host = f"[{self.host}]"
        self._shop = shop
        self._policy = policy

    def buildProtocol(self, addr: IAddress | None) -> AgentLink:
        link = AgentLink(self.reactor, self._shop, self._policy)
        link.factory = self
        return link
