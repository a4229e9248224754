"""What the parsers of requests and of responses share: the buffer, the states and the framing of bodies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from slime.errors import BadMessage, ErrorCode
from slime.http.body import (
    FIRST_CHUNK,
    FIRST_CHUNK_SO_FAR,
    MAX_CHUNK,
    MAX_EXTENSIONS,
    MAX_EXTENSIONS_IN_ALL,
    MAX_TRAILERS,
    NEXT_CHUNK,
    NEXT_CHUNK_SO_FAR,
    SIZE_LINE_WINDOW,
)
from slime.http.fields import Faults, Fields, parse_fields, refuse_hopeless
from slime.http.head import HeadLimits, RequestHead, ResponseHead

__all__ = ["Data", "EndOfMessage", "MessageReader", "Signal"]


class Signal(Enum):
    """Why there is no event: more bytes are needed, or the caller has to say that it is ready for more."""

    NEED_DATA = "need data"
    PAUSED = "paused"


# A member of an enumeration is looked up slowly, and these are looked up for every read.
_NEED_DATA = Signal.NEED_DATA
_PAUSED = Signal.PAUSED


@dataclass(slots=True)
class Data:
    """Some bytes of the body; never none. How a sender cut its body into chunks is not to be seen."""

    data: bytes


@dataclass(slots=True)
class EndOfMessage:
    """The message is complete, with these trailer fields."""

    trailers: Fields


HeadT = TypeVar("HeadT", RequestHead, ResponseHead)


class MessageReader(ABC, Generic[HeadT]):
    """Bytes in, events out, one message at a time.

    The state is the function that reads what comes next. It is a plain function, called with the reader, so
    that a reader holds no reference to itself and is freed with its connection.

    :ivar head: the head of the message in progress or just completed; ``None`` before it has been read.
    :ivar body_length: the length of that message's body in bytes: 0 for none, ``None`` for chunked,
        :data:`slime.http.head.UNTIL_CLOSE` for all that comes.
    """

    __slots__ = (
        "_at",
        "_buffer",
        "_eof",
        "_extensions",
        "_failure",
        "_faults",
        "_left",
        "_limits",
        "_max_trailer_bytes",
        "_next_chunk",
        "_scanned",
        "_state",
        "body_length",
        "head",
    )

    def __init__(self, limits: HeadLimits, max_trailer_bytes: int, faults: Faults) -> None:
        self._limits, self._max_trailer_bytes, self._faults = limits, max_trailer_bytes, faults
        self._buffer, self._at = b"", 0
        self._scanned = self._left = self._extensions = 0
        self._next_chunk = FIRST_CHUNK
        self._eof = False
        self._failure = (ErrorCode.NO_ERROR, "")
        self._state: Callable[[Any], HeadT | Data | EndOfMessage | Signal] = MessageReader._pause
        self.head: HeadT | None = None
        self.body_length: int | None = 0

    @property
    def buffered(self) -> int:
        """How many bytes were fed and are not part of any event yet."""
        return len(self._buffer) - self._at

    @property
    def mid_message(self) -> bool:
        """Whether some bytes of a message have arrived, but not all of it."""
        if self._state is MessageReader._pause:
            return False
        return self.head is not None or self.buffered > 0

    def feed(self, data: bytes) -> None:
        """Take what has arrived. Whoever feeds without asking for events has to bound what it feeds."""
        buffer, at = self._buffer, self._at
        self._buffer = buffer[at:] + data if at < len(buffer) else data
        self._at = 0

    def next_event(self) -> HeadT | Data | EndOfMessage | Signal:
        """The next part of the message, or why there is none.

        :raises BadMessage: the message is refused, or was cut off; it is so at every later call too.
        """
        try:
            event = self._state(self)
            if event is _NEED_DATA and self._eof:
                raise BadMessage(self._faults.broken, "the connection ended before the message did")
        except BadMessage as error:
            self._failure = (error.code, error.detail)
            self._state = MessageReader._fail
            raise
        return event

    def detach(self) -> bytes:
        """Give up the stream, which speaks something else from here on: the bytes not read yet."""
        rest = self._buffer[self._at :]
        self._buffer, self._at = b"", 0
        self._state = MessageReader._pause
        return rest

    def _fail(self) -> Signal:
        raise BadMessage(*self._failure)

    def _pause(self) -> Signal:
        return _PAUSED

    def _finish(self) -> EndOfMessage:
        self._state = MessageReader._pause
        return EndOfMessage([])

    def _expect_body(self, length: int | None) -> None:
        self.body_length = length
        if length is None:
            self._state, self._next_chunk = MessageReader._read_chunks, FIRST_CHUNK
            self._left = self._extensions = 0
        elif length > 0:
            self._state, self._left = MessageReader._read_exactly, length
        else:
            self._state = MessageReader._read_to_close if length else MessageReader._finish

    def _section(self, max_bytes: int) -> bytes | None:
        """The lines before the next empty line, the CRLF of each included; ``None`` if it is not here yet."""
        buffer, at = self._buffer, self._at
        end = buffer.find(b"\r\n\r\n", at + self._scanned)
        if (end if end >= 0 else len(buffer) - 3) - at > max_bytes:
            raise BadMessage(self._faults.too_large, "too many bytes come before an empty line")
        if end < 0:
            refuse_hopeless(buffer, at + self._scanned, self._faults)
            self._scanned = max(0, len(buffer) - at - 3)
            return None
        self._scanned = 0
        self._consume(end + 4 - at)
        return buffer[at : end + 2]

    def _consume(self, size: int) -> None:
        """Step over ``size`` bytes, and don't keep a large buffer alive when nothing is left in it."""
        self._at += size
        if self._at == len(self._buffer):
            self._buffer, self._at = b"", 0

    def _read_exactly(self) -> Data | Signal:
        data = self._buffer[self._at : self._at + self._left]
        if not data:
            return _NEED_DATA
        self._consume(len(data))
        self._left -= len(data)
        if not self._left:
            self._state = MessageReader._finish
        return Data(data)

    def _read_to_close(self) -> Data | EndOfMessage | Signal:
        data = self._buffer[self._at :]
        self._consume(len(data))
        if data:
            return Data(data)
        return self._finish() if self._eof else _NEED_DATA

    def _read_chunks(self) -> Data | EndOfMessage | Signal:
        """All the chunks that have arrived, or parts of them, in one event."""
        buffer, at, left, end = self._buffer, self._at, self._left, len(self._buffer)
        if at == end:
            return _NEED_DATA
        pieces: list[bytes] = []
        while at < end:
            if not left:
                found = self._next_chunk.match(buffer, at, at + SIZE_LINE_WINDOW)
                if found is None:
                    break
                digits, extensions = found.groups()
                at, left = found.end(), int(digits, 16)
                self._next_chunk = NEXT_CHUNK
                if extensions or left > MAX_CHUNK:
                    self._weigh(left, extensions)
                if not left:
                    self._state = MessageReader._read_trailers
                    break
            pieces.append(buffer[at : at + left])
            at += left
            left = at - end if at > end else 0
            if at == end - 2 and buffer.endswith(b"\r\n"):
                # Most chunks come one by one: leave nothing behind that the next would be put together with.
                at, self._next_chunk = end, FIRST_CHUNK
        self._left = left
        self._consume((end if left else at) - self._at)
        data = b"".join(pieces)
        return Data(data) if data else self._between_chunks()

    def _weigh(self, size: int, extensions: bytes) -> None:
        self._extensions += len(extensions)
        too_many = len(extensions) > MAX_EXTENSIONS or self._extensions > MAX_EXTENSIONS_IN_ALL
        if too_many or size > MAX_CHUNK:
            raise BadMessage(self._faults.broken, "a chunk or its extensions are too large")

    def _between_chunks(self) -> EndOfMessage | Signal:
        """There is no data: say so, unless the line that begins a chunk has gone wrong already."""
        if self._state is MessageReader._read_trailers:
            return self._read_trailers()
        so_far = FIRST_CHUNK_SO_FAR if self._next_chunk is FIRST_CHUNK else NEXT_CHUNK_SO_FAR
        if self.buffered >= SIZE_LINE_WINDOW or not so_far.fullmatch(self._buffer, self._at):
            raise BadMessage(self._faults.broken, "a chunk does not begin or end as it has to")
        return _NEED_DATA

    def _read_trailers(self) -> EndOfMessage | Signal:
        if self._buffer.startswith(b"\r\n", self._at):
            self._consume(2)
            return self._finish()
        block = self._section(self._max_trailer_bytes)
        if block is None:
            return _NEED_DATA
        fields = parse_fields(b"\r\n" + block, 2, min(self._limits.fields, MAX_TRAILERS), self._faults)
        end = EndOfMessage(self._trailers(fields))
        self._state = MessageReader._pause
        return end

    @abstractmethod
    def _trailers(self, fields: Fields) -> Fields:
        """Those of ``fields`` that may be trailers.

        :raises BadMessage: if one that may not be is to be refused.
        """
