"""The live streams of one end: each frame checked against its stream's phase, credit and length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slime.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from slime.tunnel.codec import encode
from slime.tunnel.flow import Sending, Window
from slime.tunnel.frames import (
    Credit,
    Data,
    End,
    Frame,
    Head,
    Open,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
    StreamFrame,
)
from slime.tunnel.outbox import Outbox
from slime.tunnel.states import ANSWERED_BY_RESET, DEAF, NEXT, Phase, Role, Step, steps

__all__ = ["Stream", "Streams"]

_Receiver = Callable[[Any], Frame | None]
_Sender = Callable[[Any], None]

_STEP: dict[type, Step] = {
    Started: Step.STARTED, Head: Step.HEAD, Data: Step.DATA, End: Step.END, Reset: Step.RESET,
    Revoke: Step.REVOKE, Revoked: Step.REVOKED, Refused: Step.REFUSED,
}  # fmt: skip
# These cross with a stream's end; anything else for a stream that is over is a violation.
_CROSSING = frozenset({Reset, Credit, Revoke})
_GIVEN_UP = frozenset({Phase.HUB_RESET, Phase.AGENT_RESET, Phase.OVER})


class Stream:
    """What one end knows of one stream."""

    __slots__ = ("phase", "sending", "window")

    def __init__(self, phase: Phase, window: Window, sending: Sending) -> None:
        self.phase = phase
        self.window = window
        self.sending = sending


class Streams:
    """The streams of one end.

    :ivar live: those that are not over, by id.
    :ivar last_id: the id of the newest.
    :ivar window: bytes of each body this end takes before it grants more.
    """

    __slots__ = ("_answered", "_deaf", "_outbox", "_received", "_sent", "last_id", "live", "window")

    def __init__(self, role: Role, outbox: Outbox) -> None:
        self._sent, self._received = steps(role), steps(role.other)
        self._deaf, self._answered = DEAF[role], ANSWERED_BY_RESET[role]
        self._outbox = outbox
        self.live: dict[int, Stream] = {}
        self.last_id = self.window = 0

    def begin(self, frame: Open, window: Window, sending: Sending) -> None:
        """A stream begins."""
        step = Step.OPEN if frame.length != 0 else Step.OPEN_UPGRADE if frame.upgrade else Step.OPEN_WHOLE
        self.last_id = frame.stream_id
        self.live[frame.stream_id] = Stream(_OPENED[step], window, sending)

    def ended(self, stream_ids: list[int]) -> None:
        """The END of these, which waited behind their bodies, have gone into a message."""
        for stream_id in stream_ids:
            stream = self.live[stream_id]
            self._enter(stream_id, stream, self._sent[stream.phase][Step.END])

    def consumed(self, stream_id: int, size: int) -> None:
        """This end has used bytes it received."""
        stream = self.live.get(stream_id)
        if stream is not None and stream.phase not in self._deaf:
            self._grant(stream_id, stream.window.consumed(size))

    def resize(self, stream_id: int, size: int) -> None:
        """Make a stream's window larger or smaller."""
        stream = self.live.get(stream_id)
        if stream is not None and stream.phase not in self._deaf:
            self._grant(stream_id, stream.window.resize(size))

    def _grant(self, stream_id: int, amount: int) -> None:
        if amount:
            self._outbox.put(encode(Credit(stream_id, amount)))

    # Receiving --------------------------------------------------------------------------------------------

    def receivers(self) -> dict[type, _Receiver]:
        """What takes each frame that the other end may send; each gives the event, if it is one."""
        special: dict[type, _Receiver] = {Head: self._receive_head, Data: self._receive_data, End: self._receive_end}
        handlers = {kind: special.get(kind, self._receive_plain) for kind in _occurring(self._received)}
        return {**handlers, Credit: self._receive_credit}

    def _receive_plain(self, frame: Started | Reset | Revoke | Revoked | Refused) -> Frame | None:
        stream = self.live.get(frame.stream_id)
        if stream is None:
            self._stray(frame)
            return None
        return frame if self._arrive(frame.stream_id, stream, _STEP[type(frame)]) else None

    def _receive_head(self, frame: Head) -> Frame | None:
        stream = self.live.get(frame.stream_id)
        if stream is None:
            self._stray(frame)
            return None
        stream.window.left = frame.length
        return frame if self._arrive(frame.stream_id, stream, _head_step(frame)) else None

    def _receive_data(self, frame: Data) -> Frame | None:
        stream = self.live.get(frame.stream_id)
        if stream is None:
            self._stray(frame)
            return None
        phase = stream.phase
        if Step.DATA not in self._received[phase]:
            raise RemoteProtocolError(f"DATA in phase {phase.name}")
        stream.window.receive(len(frame.data))
        return None if phase in self._deaf else frame

    def _receive_end(self, frame: End) -> Frame | None:
        stream = self.live.get(frame.stream_id)
        if stream is None:
            self._stray(frame)
            return None
        delivered = self._arrive(frame.stream_id, stream, Step.END)
        stream.window.finish()
        return frame if delivered else None

    def _receive_credit(self, frame: Credit) -> Frame | None:
        stream = self.live.get(frame.stream_id)
        if stream is None:
            self._stray(frame)
            return None
        stream.sending.grant(frame.amount)
        self._outbox.schedule(stream.sending)
        return None

    def _stray(self, frame: StreamFrame) -> None:
        """A frame for no live stream is a violation, unless it may have crossed with the stream's end."""
        if type(frame) not in _CROSSING or not 0 < frame.stream_id <= self.last_id:
            raise RemoteProtocolError(f"{type(frame).__name__} for a stream that is not live")

    def _arrive(self, stream_id: int, stream: Stream, step: Step) -> bool:
        """Take the step of a received frame; says whether the frame matters to this end."""
        before = stream.phase
        after = self._received[before].get(step)
        if after is None:
            raise RemoteProtocolError(f"{step.name} in phase {before.name}")
        if after is before:
            # A REVOKE that came too late, or what a peer sent before it knew that this end has done.
            return step is not Step.REVOKE and before not in self._deaf
        if after in self._answered:
            self._outbox.put(encode(Reset(stream_id, ErrorCode.NO_ERROR)))
            after = Phase.OVER
        self._enter(stream_id, stream, after)
        return True

    # Sending ----------------------------------------------------------------------------------------------

    def senders(self) -> dict[type, _Sender]:
        """What sends each frame that this end may send of itself."""
        special: dict[type, _Sender] = {
            Started: self._send_started, Head: self._send_head, Data: self._send_data, End: self._send_end,
        }  # fmt: skip
        return {kind: special.get(kind, self._send_plain) for kind in _occurring(self._sent)}

    def _send_plain(self, frame: Started | Reset | Revoke | Revoked | Refused) -> None:
        stream = self._sendable(frame.stream_id)
        if stream is not None:
            self._depart(stream, frame, _STEP[type(frame)])

    def _send_started(self, frame: Started) -> None:
        self._send_plain(frame)
        # A prefetched request had a smaller window until now.
        self.resize(frame.stream_id, self.window)

    def _send_head(self, frame: Head) -> None:
        stream = self._sendable(frame.stream_id)
        if stream is not None:
            self._depart(stream, frame, _head_step(frame))
            stream.sending.left = frame.length

    def _send_data(self, frame: Data) -> None:
        stream = self._sendable(frame.stream_id)
        if stream is None or not frame.data:
            return
        if Step.DATA not in self._sent[stream.phase]:
            raise LocalProtocolError(f"DATA in phase {stream.phase.name}")
        stream.sending.push(frame.data)
        self._outbox.schedule(stream.sending)

    def _send_end(self, frame: End) -> None:
        stream = self._sendable(frame.stream_id)
        if stream is None:
            return
        sending = stream.sending
        if sending.left or sending.end is not None:
            raise LocalProtocolError("END before the declared length, or twice")
        if sending.queued:
            sending.end = encode(frame)
        else:
            self._depart(stream, frame, Step.END)

    def _sendable(self, stream_id: int) -> Stream | None:
        """The stream, unless it is over for this end, when what it sends is dropped.

        Its end may stand in the very message whose events are being delivered, so this is nobody's mistake.
        """
        stream = self.live.get(stream_id)
        if stream is None and not 0 < stream_id <= self.last_id:
            raise LocalProtocolError(f"stream {stream_id} was never opened")
        return None if stream is None or stream.phase in self._deaf else stream

    def _depart(self, stream: Stream, frame: StreamFrame, step: Step) -> None:
        after = self._sent[stream.phase].get(step)
        if after is None:
            raise LocalProtocolError(f"{step.name} in phase {stream.phase.name}")
        data = encode(frame)
        if after is not stream.phase:
            self._enter(frame.stream_id, stream, after)
        self._outbox.put(data)

    # Phases -----------------------------------------------------------------------------------------------

    def _enter(self, stream_id: int, stream: Stream, phase: Phase) -> None:
        stream.phase = phase
        if phase in _GIVEN_UP:
            stream.sending.drop()
        if phase is Phase.OVER:
            del self.live[stream_id]


_OPENED = {step: NEXT[Phase.IDLE, step, Role.HUB] for step in (Step.OPEN, Step.OPEN_WHOLE, Step.OPEN_UPGRADE)}


def _occurring(table: tuple[dict[Step, Phase], ...]) -> list[type]:
    """The frames of a sender that live streams know."""
    known = {step for rows in table[Phase.IDLE + 1 :] for step in rows}
    return [kind for kind, step in _STEP.items() if step in known]


def _head_step(frame: Head) -> Step:
    if frame.interim:
        return Step.INTERIM
    if frame.upgrade:
        return Step.SWITCH
    return Step.HEAD_WHOLE if frame.length == 0 else Step.HEAD
