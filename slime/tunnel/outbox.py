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

    :ivar resumed: streams whose waiting bytes fell under the low-water mark.
    :ivar ended: streams whose waiting END has gone into a message.
    :ivar control_size: bytes of control frames that wait.
    """

    __slots__ = ("_control", "_ready", "control_size", "ended", "resumed")

    def __init__(self) -> None:
        self._control: list[bytes] = []
        self._ready: deque[Sending] = deque()
        self.control_size = 0
        self.resumed: list[int] = []
        self.ended: list[int] = []

    def put(self, frame: bytes) -> None:
        """Queue a control frame."""
        self._control.append(frame)
        self.control_size += len(frame)

    def schedule(self, sending: Sending) -> None:
        """Give a body its turn, if it has something that may go."""
        if not sending.scheduled and sending.ready:
            sending.scheduled = True
            self._ready.append(sending)

    def next_message(self, data: bool) -> bytes | None:
        """The next message, or ``None`` when nothing may go; without bodies unless ``data``."""
        parts: list[bytes | memoryview] = []
        room = FILL - self._take_control(parts)
        # Frames of a stream stay in order because its HEAD left with the control frames.
        if data and not self._control:
            self._take_bodies(parts, room)
        return b"".join(parts) if parts else None

    def _take_control(self, parts: list[bytes | memoryview]) -> int:
        """Move control frames to ``parts`` until a message is full, but at least one; gives their size."""
        size = self.control_size
        if size <= FILL:
            parts += self._control
            self._control.clear()
            self.control_size = 0
            return size
        taken = self._count_fitting()
        parts += self._control[:taken]
        del self._control[:taken]
        size = sum(map(len, parts))
        self.control_size -= size
        return size

    def _count_fitting(self) -> int:
        size = count = 0
        while size <= FILL:
            size += len(self._control[count])
            count += 1
        return max(1, count - 1)

    def _take_bodies(self, parts: list[bytes | memoryview], room: int) -> None:
        ready = self._ready
        while ready and room >= _SLIVER:
            sending = ready.popleft()
            sending.scheduled = False
            room -= self._take_piece(sending, parts, room)
            self.schedule(sending)

    def _take_piece(self, sending: Sending, parts: list[bytes | memoryview], room: int) -> int:
        """Move one piece of a body, and its END when that is next, to ``parts``; gives their size."""
        size = min(PIECE, room - HEADER_SIZE, sending.available, sending.queued)
        taken = 0
        if size:
            parts.append(data_header(sending.stream_id, size))
            sending.take(size, parts)
            taken = size + HEADER_SIZE
            if sending.above and sending.queued <= LOW_WATER:
                sending.above = False
                self.resumed.append(sending.stream_id)
        if sending.end is not None and not sending.queued:
            parts.append(sending.end)
            taken += len(sending.end)
            sending.end = None
            self.ended.append(sending.stream_id)
        return taken
