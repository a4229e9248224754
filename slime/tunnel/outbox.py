"""What waits to be sent, and its packing into messages: control frames first, then bodies in turn."""

from __future__ import annotations

from collections import deque

from slime.tunnel.codec import HEADER_SIZE, data_header
from slime.tunnel.flow import LOW_WATER, Sending

__all__ = ["FILL", "PIECE", "Outbox"]

#: The most body bytes of one stream before another has its turn.
PIECE = 16 * 1024
#: A message is full at four pieces; only a single head or trailer section makes it longer.
FILL = 4 * (PIECE + HEADER_SIZE)
# With less room than this left, a body's next piece waits for the next message.
_SLIVER = 512


class Outbox:
    """The frames of all streams on their way out.

    :ivar put: queues a control frame's bytes.
    :ivar resumed: streams whose waiting bytes fell to the low-water mark.
    :ivar ended: streams whose waiting END or RESET has gone into a message.
    """

    __slots__ = ("_control", "_ready", "ended", "put", "resumed")

    def __init__(self) -> None:
        self._control: list[bytes] = []
        self._ready: deque[Sending] = deque()
        self.put = self._control.append
        self.resumed: list[int] = []
        self.ended: list[int] = []

    def schedule(self, sending: Sending) -> None:
        """Give a body with bytes that wait its turn, if it has credit."""
        if sending.available and not sending.scheduled and sending.queued:
            sending.scheduled = True
            self._ready.append(sending)

    @property
    def pending(self) -> bool:
        """Whether anything may go."""
        return bool(self._control or self._ready)

    def next_message(self, data: bool) -> bytes | None:
        """The next message, or ``None`` when nothing may go; without bodies unless ``data``."""
        control = self._control
        if not control and not (data and self._ready):
            return None
        parts: list[bytes | memoryview] = [*control]
        size = sum(map(len, control))
        if size > FILL:
            return self._control_only()
        control.clear()
        # Frames of a stream stay in order because its HEAD has left before or leaves now.
        if data and self._ready:
            self._take_bodies(parts, FILL - size)
        # Bodies that were dropped while they had their turn coming leave nothing.
        return b"".join(parts) or None

    def _control_only(self) -> bytes:
        """A full message of control frames, or of one that is longer."""
        size = count = 0
        while size <= FILL:
            size += len(self._control[count])
            count += 1
        count = max(1, count - 1)
        message = b"".join(self._control[:count])
        del self._control[:count]
        return message

    def _take_bodies(self, parts: list[bytes | memoryview], room: int) -> None:
        ready = self._ready
        while ready and room >= _SLIVER:
            sending = ready.popleft()
            sending.scheduled = False
            if sending.queued:
                room -= self._take_piece(sending, parts, room)

    def _take_piece(self, sending: Sending, parts: list[bytes | memoryview], room: int) -> int:
        """Move one piece of a body, and its END when that is next, to ``parts``; gives their size."""
        taken = min(PIECE, room - HEADER_SIZE, sending.available, sending.queued)
        parts.append(data_header(sending.stream_id, taken))
        sending.take(taken, parts)
        taken += HEADER_SIZE
        if sending.above and sending.queued <= LOW_WATER:
            sending.above = False
            self.resumed.append(sending.stream_id)
        if sending.queued:
            self.schedule(sending)
        elif sending.end is not None:
            parts.append(sending.end)
            taken += len(sending.end)
            sending.end = None
            self.ended.append(sending.stream_id)
        return taken
