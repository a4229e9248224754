"""Credit: how many bytes of body may be under way, one stream and one direction at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from slime.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["CREDIT_LIMIT", "GRANT", "LOW_WATER", "Sending", "Terms", "Window"]

#: The most credit a stream may have, in bytes.
CREDIT_LIMIT = 2**31 - 1
#: Bytes that may wait for credit before the producer should pause, and at which it may go on.
LOW_WATER = 64 * 1024
#: Bytes that are granted at once at the latest. Over a long way a sender has used its credit up long before it hears
#: of more, so to hold much of a large window back is to make it smaller.
GRANT = 128 * 1024


@dataclass(slots=True)
class Terms:
    """With how much credit the bodies of a link begin, in bytes.

    :ivar window: what this end grants.
    :ivar prefetch_window: the same, for prefetched requests.
    :ivar credit: what the other end grants.
    :ivar prefetch_credit: the same, for prefetched requests.
    """

    window: int = 0
    prefetch_window: int = 0
    credit: int = 0
    prefetch_credit: int = 0


class Window:
    """The receiving half of a body: what the peer may send, and what it said it would.

    :ivar size: bytes that may be under way or unused at a time.
    :ivar available: bytes the peer may send now.
    :ivar held: bytes received and not yet used.
    :ivar left: bytes of the declared length still to come; ``None`` when it declared none.
    """

    __slots__ = ("_least", "available", "held", "left", "size")

    def __init__(self, size: int, left: int | None = None) -> None:
        self.size = self.available = size
        self._least = min(size, 2 * GRANT)
        self.held = 0
        self.left = left

    def receive(self, size: int) -> None:
        """Count bytes that arrived.

        :raises RemoteProtocolError: they exceed the credit or the declared length.
        """
        if size > self.available:
            raise RemoteProtocolError("DATA beyond the credit granted")
        if self.left is not None:
            if size > self.left:
                raise RemoteProtocolError("DATA beyond the declared length")
            self.left -= size
        self.available -= size
        self.held += size

    def finish(self) -> None:
        """Nothing more comes.

        :raises RemoteProtocolError: less came than was declared.
        """
        if self.left:
            raise RemoteProtocolError("END before the declared length")
        self.left = 0

    def consumed(self, size: int) -> int:
        """Count bytes that were used.

        :returns: the credit to grant now, mostly 0: half a window or ``GRANT`` at least, so that grants are few.
        :raises LocalProtocolError: more was used than had arrived.
        """
        held = self.held - size
        if held < 0:
            raise LocalProtocolError(f"{size} bytes consumed of {self.held} received")
        self.held = held
        # Nearly always there is nothing to grant yet.
        return self._due() if (self.size - self.available - held) * 2 >= self._least else 0

    def resize(self, size: int) -> int:
        """Make the window larger or smaller; a smaller one takes effect as bytes are used.

        :returns: the credit to grant now.
        """
        self.size = size
        self._least = min(size, 2 * GRANT)
        return self._due()

    def _due(self) -> int:
        gap = self.size - self.available - self.held
        if gap * 2 < self._least or (self.left is not None and self.left <= self.available):
            return 0
        self.available += gap
        return gap


class Sending:
    """The sending half of a body: what the peer takes, what was declared, and what waits.

    :ivar stream_id: the stream.
    :ivar available: bytes the peer takes now.
    :ivar left: bytes of the declared length not yet given to :meth:`push`; ``None`` when none was declared.
    :ivar queued: bytes that wait.
    :ivar end: the bytes of the frame that ends the half, when it waits behind them.
    :ivar scheduled: the half stands in the queue of those that have something to send.
    :ivar above: more than ``LOW_WATER`` has waited since it last fell under it.
    :ivar broken: what waits as ``end`` is a RESET.
    """

    __slots__ = ("above", "available", "broken", "chunks", "end", "left", "queued", "scheduled", "stream_id")

    def __init__(self, stream_id: int, available: int, left: int | None = None) -> None:
        self.stream_id = stream_id
        self.available = available
        self.left = left
        self.chunks: deque[bytes | memoryview] = deque()
        self.queued = 0
        self.end: bytes | None = None
        self.scheduled = self.above = self.broken = False

    def push(self, data: bytes) -> None:
        """Let bytes wait.

        :raises LocalProtocolError: END was sent already, or they exceed the declared length.
        """
        size = len(data)
        if self.end is not None:
            raise LocalProtocolError("DATA after END")
        if self.left is not None:
            if size > self.left:
                raise LocalProtocolError("DATA beyond the declared length")
            self.left -= size
        self.chunks.append(data)
        self.queued += size
        if self.queued > LOW_WATER:
            self.above = True

    def grant(self, amount: int) -> None:
        """The peer takes more.

        :raises RemoteProtocolError: it takes more than the protocol allows.
        """
        self.available += amount
        if self.available > CREDIT_LIMIT:
            raise RemoteProtocolError("CREDIT beyond its limit")

    def take(self, size: int, parts: list[bytes | memoryview]) -> None:
        """Move ``size`` bytes, no more than wait, to ``parts``, splitting a chunk without a copy."""
        self.available -= size
        if size == self.queued:
            parts += self.chunks
            self.chunks.clear()
            self.queued = 0
            return
        self.queued -= size
        while size:
            chunk = self.chunks.popleft()
            if len(chunk) > size:
                view = memoryview(chunk)
                self.chunks.appendleft(view[size:])
                chunk = view[:size]
            parts.append(chunk)
            size -= len(chunk)

    def drop(self) -> None:
        """Forget what waits."""
        self.chunks.clear()
        self.queued = 0
        self.end = None
        self.above = False
