"""What both ends of a link share: autobahn's WebSocket, hardened, driving one TunnelConnection.

:class:`TunnelProtocolMixin` goes in front of autobahn's server protocol in ``slime/hub/links.py`` and in
front of its client protocol in ``slime/agent/link.py``; those two, this module and :mod:`slime.wsframe` alone
know autobahn. Here is what is the same at both ends:

* all frames of a reactor turn leave in one binary message, never more than the transport asks for, but
  control frames even then (:class:`~slime.sender.Sender`);
* a sign of life every interval, and the round trip measured by it (:class:`~slime.liveness.Liveness`);
* only whole binary messages come in: fragments, text, oversize and floods of WebSocket pings end the link;
* a link ends once, and whatever ends it, :meth:`TunnelProtocolMixin.tunnel_closed` says so at once;
* every wait is on the clock given. autobahn's own timers, which know only the global reactor, stay off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from autobahn.twisted.websocket import WebSocketAdapterProtocol
from autobahn.websocket.protocol import WebSocketClientFactory, WebSocketProtocol, WebSocketServerFactory
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.errors import RemoteProtocolError
from slime.liveness import Liveness
from slime.sender import Sender
from slime.tunnel import MESSAGE_LIMIT, Frame, Ping, Pong
from slime.wsframe import mask, message_start, plain_message

if TYPE_CHECKING:
    from slime.tunnel import TunnelConnection

    class _Base(WebSocketAdapterProtocol, WebSocketProtocol):  # type: ignore[misc]
        """What of autobahn's protocols is used here; a test holds it against the real ones."""

        transport: Any
        factory: Any
        data: bytes
        current_frame: Any
        state: int
        wasClean: bool
        wasNotCleanReason: Any
        remoteCloseReason: str | None

else:
    _Base = object

__all__ = ["SUBPROTOCOL", "CloseCode", "TunnelProtocolMixin", "harden"]

SUBPROTOCOL = "slime.v1"

#: Seconds the peer has to close its end once we have closed ours; then the connection is aborted.
CLOSE_TIMEOUT = 1.0

#: Intervals in which the transport has taken nothing of what there is to send, after which the link is dead.
STALLED_INTERVALS = 6

#: Seconds between two signs of life, at least, whatever the peer asks for.
SHORTEST_INTERVAL = 0.1

#: WebSocket pings answered between two signs of life of our own. slime itself sends none.
PING_ALLOWANCE = 64

#: Opcodes from here on are control frames (RFC 6455 5.2).
_CONTROL = 8


class CloseCode(IntEnum):
    """Why a link was closed, as its WebSocket close code says it (RFC 6455 7.4.2: 4000-4999 are ours)."""

    DONE = 1000
    PROTOCOL = 4400
    UNAUTHORIZED = 4401
    TIMEOUT = 4408
    REPLACED = 4409
    INTERNAL = 4500


class Phase(Enum):
    """Where a link is in its life: ``tunnel_opened`` not told yet, told, or ``tunnel_closed`` told."""

    OPENING = "opening"
    OPEN = "open"
    OVER = "over"


def harden(factory: WebSocketClientFactory | WebSocketServerFactory) -> None:
    """Set what both ends need on an autobahn factory: bounds on, everything else off."""
    factory.setProtocolOptions(
        maxFramePayloadSize=MESSAGE_LIMIT,
        maxMessagePayloadSize=MESSAGE_LIMIT,
        autoFragmentSize=0,
        openHandshakeTimeout=0,
        closeHandshakeTimeout=0,
        failByDrop=True,
        tcpNoDelay=True,
    )


class TunnelProtocolMixin(_Base):
    """One end of a link, in front of an autobahn protocol: between a transport and a TunnelConnection.

    Subclasses fill in :meth:`tunnel_opened`, :meth:`frame_received` (or :meth:`frames_received`),
    :meth:`resume` and :meth:`tunnel_closed`. What these raise ends this link and no other: a
    :exc:`~slime.errors.RemoteProtocolError` with ``CloseCode.PROTOCOL``, anything else with ``INTERNAL``.

    :param tunnel: the pure side of this end.
    :param clock: times flushes, handshake, liveness and closing.
    :param handshake_timeout: seconds from the connection to :meth:`established`.
    """

    _log = Logger()

    def __init__(self, tunnel: TunnelConnection, clock: IReactorTime, handshake_timeout: float) -> None:
        super().__init__()
        self.tunnel = tunnel
        self._clock = clock
        self._handshake_timeout = handshake_timeout
        self._sender = Sender(tunnel, clock, self._transmit, self._resume_stream, self._flush_due)
        self._phase = Phase.OPENING
        self._liveness: Liveness | None = None
        self._timer: IDelayedCall | None = None
        self._ping_payload: bytes | None = None
        self._pings_left = PING_ALLOWANCE
        self._waiting: list[Deferred[None]] | None = []

    # -- what subclasses fill in -----------------------------------------------------------------------------

    def tunnel_opened(self) -> None:
        """The WebSocket is open; the hub waits for HELLO, the agent sends it."""

    def frames_received(self, frames: Sequence[Frame]) -> None:
        """Frames of one message, valid and in order, less PONGs. Gives each to :meth:`frame_received`."""
        for frame in frames:
            if self._phase is not Phase.OPEN:
                return
            self.frame_received(frame)

    def frame_received(self, frame: Frame) -> None:
        """One valid frame."""

    def resume(self, stream_id: int) -> None:
        """This stream's queue became short: whatever fills it may go on."""

    def flushed(self) -> None:
        """All that could be sent is with the transport."""

    def tunnel_closed(self, reason: str, clean: bool) -> None:
        """The link is over or never came to be. Told exactly once and at once; nothing is told after it.

        :param reason: why, for the log.
        :param clean: whether either end closed it on purpose with nothing amiss.
        """

    # -- what their owners call ------------------------------------------------------------------------------

    @property
    def rtt(self) -> float | None:
        """The smoothed round trip in seconds; ``None`` until it has been measured once."""
        return None if self._liveness is None else self._liveness.rtt

    @property
    def alive(self) -> bool:
        """Whether frames can be sent."""
        return self._phase is Phase.OPEN

    def established(self, ping_interval: float) -> None:
        """HELLO and WELCOME are exchanged: the handshake's deadline is off, signs of life begin.

        :param ping_interval: seconds between two of them.
        """
        self._stop_timer()
        self._liveness = Liveness(max(ping_interval, SHORTEST_INTERVAL), self._clock.seconds())
        self._tick(self._liveness)

    def send(self, frame: Frame) -> None:
        """Queue one frame; it leaves when the turn ends. On a link that is over it goes nowhere.

        :raises LocalProtocolError: the protocol does not allow this frame here.
        """
        if self._phase is Phase.OPEN:
            self.tunnel.send(frame)
            self._sender.schedule()

    def consumed(self, stream_id: int, amount: int) -> None:
        """``amount`` bytes of a stream's DATA were used: the peer may send more."""
        if self._phase is Phase.OPEN:
            self.tunnel.consumed(stream_id, amount)
            self._sender.schedule()

    def schedule_flush(self) -> None:
        """Something was queued on :attr:`tunnel` directly: let it leave when the turn ends."""
        if self._phase is Phase.OPEN:
            self._sender.schedule()

    def fail(self, code: int, reason: str) -> None:
        """End the link because something is amiss. ``reason`` is logged and told to the peer."""
        if self._phase is not Phase.OVER:
            self._log.warn("link to {peer} failed: {code} {reason}", peer=self.peer, code=code, reason=reason)
            self._close(code, reason, clean=False)

    def close(self, reason: str) -> None:
        """End the link on purpose; what was queued and may go, goes first."""
        if self._phase is Phase.OPEN:
            self._flush_due()
        if self._phase is not Phase.OVER:
            self._close(CloseCode.DONE, reason, clean=True)

    def abort(self, reason: str) -> None:
        """End the link without a word to a peer that would not read it."""
        if self._phase is not Phase.OVER:
            self._log.warn("link to {peer} aborted: {reason}", peer=self.peer, reason=reason)
            self._over(reason, clean=False)
            self.transport.abortConnection()

    def when_gone(self) -> Deferred[None]:
        """Fires when the connection itself is gone, which is later than :meth:`tunnel_closed`."""
        if self._waiting is None:
            return succeed(None)
        self._waiting.append(Deferred())
        return self._waiting[-1]

    # -- what the transport calls ----------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """The transport is there, the WebSocket's handshake comes next."""
        self._timer = self._clock.callLater(self._handshake_timeout, self.abort, "the handshake is late")
        super().connectionMade()
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the peer's; once the link is over only their end means something."""
        if self._phase is Phase.OVER:
            return
        if self._liveness is not None:
            self._liveness.heard = self._clock.seconds()
        self.data += data
        self._guarded(self.consumeData)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        super().connectionLost(reason)
        self._over(f"connection lost: {reason.getErrorMessage()}", clean=False)
        self._stop_timer()
        waiting, self._waiting = self._waiting or [], None
        for gone in waiting:
            gone.callback(None)

    # -- what autobahn calls ---------------------------------------------------------------------------------

    def processData(self) -> bool:
        """Read one message, or let autobahn read what is not one; return whether to go on."""
        if self._phase is Phase.OVER:
            return False
        if self.current_frame is None:
            read = plain_message(self.data, self.factory.isServer, MESSAGE_LIMIT)
            if read is not None:
                return self._message_read(*read)
        return bool(super().processData())

    def onFrameBegin(self) -> None:
        """No plain message. Pieces of one are refused: autobahn would keep them without end."""
        if self.current_frame.opcode < _CONTROL:
            self.fail(CloseCode.PROTOCOL, "a data frame that is not one whole binary message")
        else:
            super().onFrameBegin()

    def onOpen(self) -> None:
        """The WebSocket's handshake is done."""
        if self._phase is Phase.OVER:
            return
        self._phase = Phase.OPEN
        self.transport.registerProducer(self._sender, True)
        self._guarded(self.tunnel_opened)

    def onPing(self, payload: bytes) -> None:
        """Answer the last of a turn's pings (RFC 6455 5.5.3 allows that), and not any number of them."""
        self._pings_left -= 1
        if self._pings_left < 0:
            self.fail(CloseCode.PROTOCOL, "too many WebSocket pings")
            return
        if self._ping_payload is None:
            self._clock.callLater(0, self._answer_ping)
        self._ping_payload = payload

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> bool:
        """The peer closed the link. autobahn answers; then the connection goes."""
        violation = bool(super().onCloseFrame(code, reasonRaw))
        if not violation:
            said = f"{code} {self.remoteCloseReason or ''}".strip()
            self._over(f"closed by the peer: {said}", clean=code == CloseCode.DONE)
            self.transport.loseConnection()
        return violation

    def dropConnection(self, abort: bool = False) -> None:
        """autobahn gives the connection up: the handshake failed, or the closing handshake is done."""
        if not self.wasClean:
            self._over(f"the handshake failed: {self.wasNotCleanReason}", clean=False)
        super().dropConnection(abort)

    def _fail_connection(self, code: int = CloseCode.PROTOCOL, reason: str = "") -> None:
        """autobahn found a violation. Its own codes (1002, 1009, ...) cannot be sent by its own rules."""
        self.fail(CloseCode.PROTOCOL, reason)

    # -- inside ----------------------------------------------------------------------------------------------

    def _message_read(self, payload: bytes, size: int) -> bool:
        if not size:
            return False
        self.data = self.data[size:]
        frames = self.tunnel.receive(payload)
        if Pong in map(type, frames):
            frames = self._without_pongs(frames)
        self.frames_received(frames)
        self.schedule_flush()
        return len(self.data) > 0

    def _without_pongs(self, frames: Sequence[Frame]) -> list[Frame]:
        if self._liveness is not None:
            for frame in frames:
                if isinstance(frame, Pong):
                    self._liveness.pong(frame.token, self._clock.seconds())
        return [frame for frame in frames if not isinstance(frame, Pong)]

    def _flush_due(self) -> None:
        self._guarded(self._sender.flush)
        if self._phase is Phase.OPEN:
            self._guarded(self.flushed)

    def _transmit(self, message: bytes) -> None:
        key = b"" if self.factory.isServer else os.urandom(4)
        start = message_start(len(message), key)
        self.transport.writeSequence((start, mask(message, key) if key else message))

    def _resume_stream(self, stream_id: int) -> None:
        if self._phase is Phase.OPEN:
            self.resume(stream_id)

    def _answer_ping(self) -> None:
        payload, self._ping_payload = self._ping_payload, None
        self.sendPong(payload)

    def _tick(self, liveness: Liveness) -> None:
        now = self._clock.seconds()
        self._pings_left = PING_ALLOWANCE
        if liveness.is_dead(now):
            self.abort("the peer gave no sign of life")
        elif self._sender.stalled(now, liveness.interval * STALLED_INTERVALS):
            self.abort("the peer takes nothing of what is sent")
        else:
            self.send(Ping(liveness.ping(now)))
            self._timer = self._clock.callLater(liveness.next_tick(now), self._tick, liveness)

    def _close(self, code: int, reason: str, clean: bool) -> None:
        if self.state == WebSocketProtocol.STATE_OPEN:
            self.sendClose(int(code), reason)
            self._over(reason, clean)
        else:
            self._over(reason, clean)
            self.transport.abortConnection()

    def _over(self, reason: str, clean: bool) -> None:
        """Tell that the link is over, once, and leave the connection a short while to end."""
        if self._phase is Phase.OVER:
            return
        self._phase = Phase.OVER
        self._sender.cancel()
        self._stop_timer()
        self._timer = self._clock.callLater(CLOSE_TIMEOUT, self.transport.abortConnection)
        self.transport.unregisterProducer()
        self._guarded(self.tunnel_closed, printable(reason), clean)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _guarded(self, callback: Callable[..., object], *args: Any) -> None:
        try:
            callback(*args)
        except RemoteProtocolError as error:
            self.fail(CloseCode.PROTOCOL, str(error))
        except Exception:
            self._log.failure("link to {peer} failed", peer=self.peer)
            self.fail(CloseCode.INTERNAL, "internal error")


def printable(text: str) -> str:
    """``text`` fit for one line of a log, whoever wrote it."""
    return "".join([char if char.isprintable() else "?" for char in text])
