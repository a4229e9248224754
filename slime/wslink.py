"""What both ends of a link share: a WebSocket that drives one TunnelConnection.

:class:`TunnelProtocolMixin` goes in front of autobahn's server protocol in ``slime/hub/links.py`` and in front
of its client protocol in ``slime/agent/link.py``. Here is what is the same at both ends:

* all frames of a reactor turn leave in one binary message, never more than the transport asks for, but
  control frames even then (:class:`~slime.sender.Sender`);
* a sign of life every interval, and the round trip measured by it (:class:`~slime.liveness.Liveness`);
* the end of the link, told once and at once whatever it is (:class:`~slime.websocket.HardenedWebSocket`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from slime.liveness import Liveness
from slime.rate import TokenBucket
from slime.sender import Sender
from slime.tunnel import Data, Frame, Ping, Pong
from slime.tunnel.growth import Growth, WindowLimits
from slime.websocket import SUBPROTOCOL, CloseCode, HardenedWebSocket, Phase, harden

if TYPE_CHECKING:
    from slime.tunnel import TunnelConnection

__all__ = ["SUBPROTOCOL", "CloseCode", "TunnelProtocolMixin", "harden"]

#: Intervals in which the transport has taken nothing of what there is to send, after which the link is dead.
STALLED_INTERVALS = 6

#: Seconds between two signs of life, at least, whatever the peer asks for.
SHORTEST_INTERVAL = 0.1

#: Bytes of a piece of a body below which it is not worth a message of its own while others are likely to follow.
SMALL = 4096

# A member of an enumeration is looked up slowly, and this one for every frame.
_OPEN = Phase.OPEN


class TunnelProtocolMixin(HardenedWebSocket):
    """One end of a link, in front of an autobahn protocol: between a transport and a TunnelConnection.

    Subclasses fill in :meth:`tunnel_opened`, :meth:`frame_received` (or :meth:`frames_received`),
    :meth:`resume` and :meth:`tunnel_closed`. What these raise ends this link and no other: a
    :exc:`~slime.errors.RemoteProtocolError` with ``CloseCode.PROTOCOL``, anything else with ``INTERNAL``.

    :param tunnel: the pure side of this end.
    :param clock: times flushes, handshake, liveness and closing.
    :param handshake_timeout: seconds from the connection to :meth:`established`.
    """

    def __init__(self, tunnel: TunnelConnection, clock: IReactorTime, handshake_timeout: float) -> None:
        super().__init__(clock, handshake_timeout)
        self.tunnel = tunnel
        self._sender = Sender(tunnel, clock, self._transmit, self._resume_stream, self._flush_due)
        self._liveness: Liveness | None = None
        self._growth: Growth | None = None
        self._control = TokenBucket(0, clock.seconds())
        self._counted = 0
        self._next_tick: IDelayedCall | None = None

    # -- what subclasses fill in -----------------------------------------------------------------------------

    def tunnel_opened(self) -> None:
        """The WebSocket is open; the hub waits for HELLO, the agent sends it."""

    def frames_received(self, frames: Sequence[Frame]) -> None:
        """The frames of one message, at least one, valid and in order. Gives each to :meth:`frame_received`."""
        for frame in frames:
            if self._phase is not _OPEN:
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
        """The smoothed round trip in seconds; ``None`` until it has been measured."""
        return None if self._liveness is None else self._liveness.rtt

    def established(
        self, ping_interval: float, windows: WindowLimits | None = None, control_rate: int = 0
    ) -> None:
        """HELLO and WELCOME are exchanged: the handshake's deadline is off, signs of life begin.

        :param ping_interval: seconds between two of them.
        :param windows: how windows may grow; without it they do not.
        :param control_rate: frames a second that carry no part of a request or answer, and as many at once; 0 is no
            limit.
        """
        self._control = TokenBucket(control_rate, self._clock.seconds())
        self._counted = self.tunnel.chatter
        self._growth = Growth(windows, self.tunnel.is_live) if windows is not None else None
        self.shaken_hands()
        self._liveness = Liveness(max(ping_interval, SHORTEST_INTERVAL), self._clock.seconds())
        self._tick(self._liveness)

    def send(self, frame: Frame) -> None:
        """Queue one frame; it leaves when the turn ends. On a link that is over it goes nowhere.

        :raises LocalProtocolError: the protocol does not allow this frame here.
        """
        if self._phase is _OPEN:
            self.tunnel.send(frame)
            if type(frame) is Data and len(frame.data) < SMALL:
                self._sender.schedule_gathered()
            else:
                self._sender.schedule()

    def send_at_leisure(self, frame: Frame) -> None:
        """As :meth:`send`, for a frame that may wait some milliseconds for others to go with it."""
        if self._phase is _OPEN:
            self.tunnel.send(frame)
            self._sender.schedule_at_leisure()

    def consumed(self, stream_id: int, amount: int) -> None:
        """``amount`` bytes of a stream's DATA were used: the peer may send more."""
        if self._phase is _OPEN and (credit := self.tunnel.consumed(stream_id, amount)):
            # Credit comes in large pieces.
            growth = self._growth
            if growth is not None:
                window = growth.judge(stream_id, credit, self._clock.seconds(), self.rtt)
                if window:
                    self.tunnel.resize(stream_id, window)
            self._sender.schedule()

    def schedule_flush(self) -> None:
        """Something was queued on :attr:`tunnel` directly: let it leave when the turn ends."""
        if self._phase is _OPEN:
            self._sender.schedule()

    def close(self, reason: str) -> None:
        """End the link on purpose; what was queued and may go, goes first."""
        if self._phase is Phase.OPEN:
            self._flush_due()
        super().close(reason)

    # -- what the WebSocket calls ----------------------------------------------------------------------------

    def websocket_opened(self) -> None:
        """The greetings come next."""
        self._sender.start(self.transport)
        self.tunnel_opened()

    def message_received(self, payload: bytes) -> None:
        """One message of frames."""
        frames = self.tunnel.receive(payload)
        if self.tunnel.chatter != self._counted:
            self._count_control()
            frames = self._without_pongs(frames)
        if self.tunnel.pending:
            self.schedule_flush()
        if frames:
            self.frames_received(frames)

    def websocket_over(self, reason: str, clean: bool) -> None:
        """So is the link."""
        self._sender.stop()
        if self._next_tick is not None:
            self._next_tick.cancel()
        self.tunnel_closed(reason, clean)

    # -- inside ----------------------------------------------------------------------------------------------

    def _count_control(self) -> None:
        """All of a message's at once: a frame that asks for nothing costs as much to read as one that does."""
        before, self._counted = self._counted, self.tunnel.chatter
        if not self._control.take(self._clock.seconds(), self._counted - before):
            self.fail(CloseCode.FLOOD, "too many control frames (--control-rate)")

    def _without_pongs(self, frames: Sequence[Frame]) -> list[Frame]:
        if self._liveness is not None:
            for frame in frames:
                if isinstance(frame, Pong):
                    self._liveness.pong(frame.token, self._clock.seconds())
        return [frame for frame in frames if not isinstance(frame, Pong)]

    def _flush_due(self) -> None:
        self._guarded(self._sender.flush)
        if self._phase is _OPEN:
            self._guarded(self.flushed)

    def _resume_stream(self, stream_id: int) -> None:
        if self._phase is Phase.OPEN:
            self.resume(stream_id)

    def _tick(self, liveness: Liveness) -> None:
        now = self._clock.seconds()
        # Any bytes are a sign of life.
        liveness.heard = max(liveness.heard, self._read_at)
        self._next_tick = None
        self.allow_pings()
        if self._growth is not None:
            for stream_id, window in self._growth.forget(now - liveness.interval).items():
                self.tunnel.resize(stream_id, window)
        if liveness.is_dead(now):
            self.abort("the peer gave no sign of life")
        elif self._sender.stalled(now, liveness.interval * STALLED_INTERVALS):
            self.abort("the peer takes nothing of what is sent")
        else:
            self.send(Ping(liveness.ping(now)))
            self._next_tick = self._clock.callLater(liveness.next_tick(now), self._tick, liveness)
