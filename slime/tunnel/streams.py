"""The live streams of one end: each frame checked against its stream's phase, credit and length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slime.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from slime.tunnel.codec import encode
from slime.tunnel.flow import Sending, Terms, Window
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
# An enumeration's member costs as much to look up as a frame's whole step.
_OVER, _SWITCHED = Phase.OVER, Phase.SWITCHED
_STARTED, _DATA, _END, _REVOKE = Step.STARTED, Step.DATA, Step.END, Step.REVOKE
_RESET = Step.RESET
_INTERIM, _SWITCH, _HEAD, _HEAD_WHOLE = Step.INTERIM, Step.SWITCH, Step.HEAD, Step.HEAD_WHOLE
_OPENED, _OPENED_WHOLE, _OPENED_UPGRADE = (
    NEXT[Phase.IDLE, step, Role.HUB] for step in (Step.OPEN, Step.OPEN_WHOLE, Step.OPEN_UPGRADE)
)
# These cross with a stream's end; anything else for a stream that is over is a violation.
_CROSSING = frozenset({Reset, Credit, Revoke})
_GIVEN_UP = frozenset({Phase.HUB_RESET, Phase.AGENT_RESET, Phase.OVER})


class Stream:
    """What one end knows of one stream.

    :ivar parting: the RESET that follows an END which waits.
    """

    __slots__ = ("parting", "phase", "sending", "window")

    def __init__(self, phase: Phase, window: Window, sending: Sending) -> None:
        self.phase = phase
        self.window = window
        self.sending = sending
        self.parting: Reset | None = None


class Streams:
    """The streams of one end.

    :ivar live: those that are not over, by id.
    :ivar last_id: the id of the newest.
    """

    __slots__ = ("_answered", "_deaf", "_done", "_outbox", "_received", "_sent", "_terms", "last_id", "live")

    def __init__(self, role: Role, outbox: Outbox, terms: Terms) -> None:
        self._sent, self._received = steps(role), steps(role.other)
        self._deaf, self._answered = DEAF[role], ANSWERED_BY_RESET[role]
        self._done = DEAF[role] if role is Role.AGENT else frozenset()
        self._outbox = outbox
        self._terms = terms
        self.live: dict[int, Stream] = {}
        self.last_id = 0

    def begin(self, frame: Open, window: Window, sending: Sending) -> None:
        """A stream begins."""
        phase = _OPENED if frame.length != 0 else _OPENED_UPGRADE if frame.upgrade else _OPENED_WHOLE
        self.last_id = frame.stream_id
        self.live[frame.stream_id] = Stream(phase, window, sending)

    def ended(self, stream_ids: list[int]) -> None:
        """The END or RESET of these, which waited behind their bodies, have gone into a message."""
        for stream_id in stream_ids:
            stream = self.live[stream_id]
            stream.phase = self._sent[stream.phase][_RESET if stream.sending.broken else _END]
            if stream.phase is _OVER:
                del self.live[stream_id]
            elif stream.parting is not None:
                self._send_plain(stream.parting)

    def consumed(self, stream_id: int, size: int) -> int:
        """This end has used bytes it received; the credit that it grants for them now, mostly 0.

        :raises LocalProtocolError: that is more than it received.
        """
        stream = self.live.get(stream_id)
        if stream is None or stream.phase in self._deaf:
            return 0
        credit = stream.window.consumed(size)
        if credit:
            self._grant(stream_id, credit)
        return credit

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
            raise _not_live(frame)
        stream.window.left = frame.length
        return frame if self._arrive(frame.stream_id, stream, _head_step(frame)) else None

    def _receive_data(self, frame: Data) -> Frame | None:
        stream = self.live.get(frame.stream_id)
        if stream is None:
            raise _not_live(frame)
        phase = stream.phase
        if _DATA not in self._received[phase]:
            raise RemoteProtocolError(f"DATA in phase {phase.name}")
        stream.window.receive(len(frame.data))
        return None if phase in self._deaf else frame

    def _receive_end(self, frame: End) -> Frame | None:
        stream = self.live.get(frame.stream_id)
        if stream is None:
            raise _not_live(frame)
        delivered = self._arrive(frame.stream_id, stream, _END)
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
        """These may have crossed with their stream's end; but there must have been one."""
        if type(frame) not in _CROSSING or not 0 < frame.stream_id <= self.last_id:
            raise _not_live(frame)

    def _arrive(self, stream_id: int, stream: Stream, step: Step) -> bool:
        """Take the step of a received frame; says whether the frame matters to this end."""
        before = stream.phase
        after = self._received[before].get(step)
        if after is None:
            raise RemoteProtocolError(f"{step.name} in phase {before.name}")
        if after is before:
            # A REVOKE that came too late, or what a peer sent before it knew that this end has done.
            return step is not _REVOKE and before not in self._deaf
        if after in self._answered:
            self._outbox.put(encode(Reset(stream_id, ErrorCode.NO_ERROR)))
            after = _OVER
        stream.phase = after
        if after in _GIVEN_UP:
            self._give_up(stream_id, stream)
        return before not in self._done

    # Sending ----------------------------------------------------------------------------------------------

    def senders(self) -> dict[type, _Sender]:
        """What sends each frame that this end may send of itself.

        A frame for a stream that is over for this end is dropped: its end may stand in the very message whose
        events are being delivered, so this is nobody's mistake.
        """
        special: dict[type, _Sender] = {
            Started: self._send_started, Head: self._send_head, Data: self._send_data, End: self._send_end,
        }  # fmt: skip
        return {kind: special.get(kind, self._send_plain) for kind in _occurring(self._sent)}

    def _send_plain(self, frame: Reset | Revoke | Revoked | Refused) -> None:
        stream = self.live.get(frame.stream_id)
        if stream is None or stream.phase in self._deaf:
            self._check_known(frame.stream_id)
        else:
            self._depart(stream, frame, _STEP[type(frame)])

    def _send_started(self, frame: Started) -> None:
        stream = self.live.get(frame.stream_id)
        if stream is None or stream.phase in self._deaf:
            self._check_known(frame.stream_id)
            return
        self._depart(stream, frame, _STARTED)
        if stream.window.size < self._terms.window:
            # It was prefetched.
            self._grant(frame.stream_id, stream.window.resize(self._terms.window))

    def _send_head(self, frame: Head) -> None:
        stream = self.live.get(frame.stream_id)
        if stream is None or stream.phase in self._deaf:
            self._check_known(frame.stream_id)
            return
        self._depart(stream, frame, _head_step(frame))
        stream.sending.left = None if frame.interim or frame.upgrade else frame.length

    def _send_data(self, frame: Data) -> None:
        stream = self.live.get(frame.stream_id)
        if stream is None or stream.phase in self._deaf:
            self._check_known(frame.stream_id)
            return
        if _DATA not in self._sent[stream.phase]:
            raise LocalProtocolError(f"DATA in phase {stream.phase.name}")
        if frame.data:
            stream.sending.push(frame.data)
            self._outbox.schedule(stream.sending)

    def _send_end(self, frame: End) -> None:
        stream = self.live.get(frame.stream_id)
        if stream is None or stream.phase in self._deaf:
            self._check_known(frame.stream_id)
            return
        sending = stream.sending
        if sending.left or sending.end is not None:
            raise LocalProtocolError("END before the declared length, or twice")
        if sending.queued:
            sending.end = encode(frame)
        else:
            self._depart(stream, frame, _END)

    def break_off(self, frame: Reset) -> None:
        """Send RESET behind what waits of the body; an END that waits there goes as well only if it is still true."""
        stream = self.live.get(frame.stream_id)
        if stream is None or stream.phase in self._deaf or not stream.sending.queued:
            self._send_plain(frame)
        elif stream.sending.end is None:
            stream.sending.end = encode(frame)
            stream.sending.broken = True
        elif stream.phase is _SWITCHED:
            stream.parting = frame
        else:
            self._send_plain(frame)

    def _check_known(self, stream_id: int) -> None:
        if not 0 < stream_id <= self.last_id:
            raise LocalProtocolError(f"stream {stream_id} was never opened")

    def _depart(self, stream: Stream, frame: StreamFrame, step: Step) -> None:
        """Send a frame and take its step."""
        after = self._sent[stream.phase].get(step)
        if after is None:
            raise LocalProtocolError(f"{step.name} in phase {stream.phase.name}")
        self._outbox.put(encode(frame))
        stream.phase = after
        if after in _GIVEN_UP:
            self._give_up(frame.stream_id, stream)

    def _give_up(self, stream_id: int, stream: Stream) -> None:
        """Nothing more of this end's half will go out."""
        if stream.sending.queued:
            stream.sending.drop()
        if stream.phase is _OVER:
            del self.live[stream_id]


def _not_live(frame: StreamFrame) -> RemoteProtocolError:
    return RemoteProtocolError(f"{type(frame).__name__} for a stream that is not live")


def _occurring(table: tuple[dict[Step, Phase], ...]) -> list[type]:
    """The frames of a sender that live streams know."""
    known = {step for rows in table[Phase.IDLE + 1 :] for step in rows}
    return [kind for kind, step in _STEP.items() if step in known]


def _head_step(frame: Head) -> Step:
    if frame.interim:
        return _INTERIM
    if frame.upgrade:
        return _SWITCH
    return _HEAD_WHOLE if frame.length == 0 else _HEAD
