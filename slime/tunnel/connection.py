"""One end of a link: messages in, events out; frames in, messages out. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from slime.errors import LocalProtocolError, RemoteProtocolError
from slime.tunnel.codec import MESSAGE_LIMIT, decode_known, encode
from slime.tunnel.flow import Sending, Window
from slime.tunnel.frames import (
    Capacity,
    Drain,
    Frame,
    Hello,
    Open,
    Ping,
    Pong,
    Reset,
    Revoke,
    Welcome,
)
from slime.tunnel.handshake import Handshake
from slime.tunnel.outbox import Outbox
from slime.tunnel.states import Role
from slime.tunnel.streams import Streams

__all__ = ["DEFAULT_LIMITS", "TunnelConnection", "TunnelLimits"]


@dataclass(frozen=True, slots=True)
class TunnelLimits:
    """What one end bears.

    :ivar max_message: the longest message taken, in bytes.
    :ivar max_streams: streams live at a time.
    :ivar chatter: frames in one message that are about the link, or lead to no event, as CREDIT does, or are of no
        known type.
    :ivar backlog: bytes of control frames that may go to a socket which takes no data.
    """

    max_message: int = MESSAGE_LIMIT
    max_streams: int = 20_000
    chatter: int = 4096
    backlog: int = 4 * 1024 * 1024


DEFAULT_LIMITS = TunnelLimits()


class TunnelConnection:
    """One end of a link.

    The adapter hands in each message it receives and delivers the events that come out; it hands in each frame
    to send and then takes messages until there are none. Nothing here calls back.

    :ivar role: which end this is.
    :ivar chatter: frames received so far that were about the link, or led to no event, or were of no known type, for
        an adapter that limits their rate and may count others in.
    """

    __slots__ = (
        "_handshake", "_limits", "_outbox", "_pressed", "_receivers", "_senders", "_streams", "_terms", "chatter",
        "role",
    )  # fmt: skip

    def __init__(self, role: Role, limits: TunnelLimits = DEFAULT_LIMITS) -> None:
        self.role = role
        self.chatter = 0
        self._limits = limits
        self._outbox = Outbox()
        self._handshake = Handshake(role, self._send_plain, self._link_up)
        self._terms = self._handshake.terms
        self._streams = Streams(role, self._outbox, self._terms)
        self._senders, self._receivers = self._handshake.senders, self._handshake.receivers
        self._pressed = 0

    # Messages ---------------------------------------------------------------------------------------------

    def receive(self, message: bytes) -> list[Frame]:
        """Take one message; what it means for this end, in order.

        PING is answered and CREDIT used here; neither is delivered, nor is what has ceased to matter.

        :raises RemoteProtocolError: the peer broke the protocol; the link must be closed, and this object is of
            no further use. What the message held before the violation is lost.
        """
        if len(message) > self._limits.max_message:
            raise RemoteProtocolError("a message beyond the size limit")
        frames, skipped = decode_known(message)
        events: list[Frame] = []
        chatter = self.chatter
        receivers = self._receivers
        for frame in frames:
            receiver = receivers.get(type(frame))
            if receiver is None:
                raise RemoteProtocolError(f"{type(frame).__name__} out of place")
            event = receiver(frame)
            if event is not None:
                events.append(event)
        self.chatter += len(frames) - len(events) + skipped
        if self.chatter - chatter > self._limits.chatter:
            raise RemoteProtocolError("too many control frames in one message")
        return events

    @property
    def pending(self) -> bool:
        """Whether :meth:`next_message` would give a message to a socket that takes bodies."""
        return self._outbox.pending

    def next_message(self, data: bool = True) -> bytes | None:
        """The next message to send, or ``None`` when nothing may go.

        :param data: whether bodies may go; not while the socket is full.
        :raises RemoteProtocolError: so many control frames went to a full socket that the peer cannot be reading.
        """
        outbox = self._outbox
        message = outbox.next_message(data)
        if data:
            self._pressed = 0
            if outbox.ended:
                self._streams.ended(outbox.ended)
                outbox.ended.clear()
        elif message is not None:
            self._press(len(message))
        return message

    def _press(self, size: int) -> None:
        self._pressed += size
        if self._pressed > self._limits.backlog:
            raise RemoteProtocolError("the peer does not read")

    # Frames -----------------------------------------------------------------------------------------------

    def send(self, frame: Frame) -> None:
        """Queue one frame.

        DATA waits for credit and END behind it. What is sent for a stream that is over for this end is dropped:
        its end may stand in the very message whose events are being delivered. OPEN is for :meth:`open`, CREDIT
        for :meth:`consumed`, PONG for :meth:`receive`.

        :raises LocalProtocolError: the protocol does not allow the frame now.
        """
        sender = self._senders.get(type(frame))
        if sender is None:
            raise LocalProtocolError(f"{type(frame).__name__} out of place")
        sender(frame)

    def break_off(self, frame: Reset) -> None:
        """Queue a RESET that spares what was sent before: it waits behind the body as END does, and goes at once
        where nothing waits. An END that waits is spared where it ends only this half, as after an upgrade; that of an
        answer would say more than has become true.
        """
        self._streams.break_off(frame)

    def open(self, head: bytes, length: int | None, prefetch: bool = False, upgrade: bool = False) -> int:
        """Hub only: begin a stream.

        :param head: the request head.
        :param length: bytes of body that follow; 0 for none, ``None`` when not known.
        :param prefetch: sent ahead of a free slot.
        :param upgrade: the application asks to switch protocols; ``length`` must be 0.
        :returns: the stream's id.
        :raises LocalProtocolError: there is no link yet, or too many streams are live, or the head is too long.
        """
        streams = self._streams
        if Revoke not in self._senders or (upgrade and length != 0):
            raise LocalProtocolError("OPEN out of place")
        if len(streams.live) >= self._limits.max_streams:
            raise LocalProtocolError("too many live streams")
        stream_id = streams.last_id + 1
        frame = Open(stream_id, head, length, prefetch, upgrade)
        self._outbox.put(encode(frame))
        terms = self._terms
        credit = terms.prefetch_credit if prefetch else terms.credit
        streams.begin(frame, Window(terms.window), Sending(stream_id, credit, length or None))
        return stream_id

    def consumed(self, stream_id: int, size: int) -> int:
        """This end has used ``size`` bytes of DATA it received, so that the peer may send more.

        :returns: the credit that the peer is granted for them now, mostly 0.
        :raises LocalProtocolError: that is more than it received.
        """
        return self._streams.consumed(stream_id, size)

    def resize(self, stream_id: int, window: int) -> None:
        """Let ``window`` bytes of the stream be under way from now on; it may grow and shrink."""
        self._streams.resize(stream_id, window)

    # Questions --------------------------------------------------------------------------------------------

    def queued(self, stream_id: int) -> int:
        """Bytes of the stream that :meth:`send` took and no message holds yet; above ``LOW_WATER`` pause."""
        stream = self._streams.live.get(stream_id)
        return 0 if stream is None else stream.sending.queued

    def drained(self) -> list[int]:
        """Streams whose waiting bytes exceeded ``LOW_WATER`` and fell to it since the last call: resume them."""
        resumed = self._outbox.resumed
        if resumed:
            self._outbox.resumed = []
        return resumed

    @property
    def remote(self) -> Hello | Welcome | None:
        """What the other end said in its greeting, once it has."""
        return self._handshake.remote

    @property
    def live(self) -> int:
        """How many streams are live."""
        return len(self._streams.live)

    def is_live(self, stream_id: int) -> bool:
        """Whether the stream has begun and is not over for both ends."""
        return stream_id in self._streams.live

    # The link itself --------------------------------------------------------------------------------------

    def _link_up(self) -> None:
        plain = self._send_plain
        self._senders |= self._streams.senders() | {Ping: plain, Drain: plain}
        self._receivers |= self._streams.receivers()
        self._receivers |= {Ping: self._receive_ping, Pong: self._receive_plain, Drain: self._receive_plain}
        if self.role is Role.HUB:
            self._receivers[Capacity] = self._receive_plain
        else:
            self._senders[Capacity] = plain
            self._receivers[Open] = self._receive_open

    def _send_plain(self, frame: Frame) -> None:
        self._outbox.put(encode(frame))

    def _receive_plain(self, frame: Pong | Drain | Capacity) -> Frame:
        self.chatter += 1
        return frame

    def _receive_ping(self, frame: Ping) -> None:
        self._outbox.put(encode(Pong(frame.token)))

    def _receive_open(self, frame: Open) -> Frame:
        streams, stream_id = self._streams, frame.stream_id
        if stream_id <= streams.last_id:
            raise RemoteProtocolError("OPEN with an id that is not new")
        if len(streams.live) >= self._limits.max_streams:
            raise RemoteProtocolError("too many live streams")
        terms = self._terms
        left = None if frame.upgrade else frame.length
        window = Window(terms.prefetch_window if frame.prefetch else terms.window, left)
        streams.begin(frame, window, Sending(stream_id, terms.credit))
        return frame
