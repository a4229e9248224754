"""Reading HTTP/1.1 off a socket, strictly and with a deadline; owes nothing to the code that is tested."""

from __future__ import annotations

import fcntl
import re
import socket
import termios
from dataclasses import dataclass, field
from time import monotonic

__all__ = ["BrokenError", "Message", "Wire"]

DEADLINE = 10.0

Fields = list[tuple[bytes, bytes]]


class BrokenError(Exception):
    """The other side ended the connection, or said what is not HTTP, where more was due."""


@dataclass
class Message:
    """A request or response as it was received.

    :ivar start: its first line.
    :ivar fields: names as received.
    """

    start: bytes
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)

    def all(self, name: bytes) -> list[bytes]:
        """The values of a field."""
        return [value for other, value in self.fields if other.lower() == name.lower()]

    def one(self, name: bytes) -> bytes:
        """The value of a field that stands exactly once.

        :raises BrokenError: it does not.
        """
        values = self.all(name)
        if len(values) != 1:
            raise BrokenError(f"{name!r} stands {len(values)} times in {self.fields}")
        return values[0]

    @property
    def status(self) -> int:
        """A response's status."""
        return int(self.start.split(b" ")[1])

    @property
    def method(self) -> bytes:
        """A request's method."""
        return self.start.split(b" ")[0]

    @property
    def target(self) -> bytes:
        """A request's target."""
        return self.start.split(b" ")[1]


LINE = re.compile(rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")


class Wire:
    """One connection, read by need."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.rest = b""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self.socket.settimeout(DEADLINE)
        self.socket.sendall(data)

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def arrive(self) -> None:
        """Return as soon as the other kernel has all that was sent.

        :raises BrokenError: it does not take it.
        """
        end = monotonic() + DEADLINE
        while any(fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4))):
            if monotonic() > end:
                raise BrokenError("what was sent has not been acknowledged")

    def reset(self) -> None:
        """Close the connection with a reset, as soon as the other kernel has all that was sent.

        :raises BrokenError: it does not take it.
        """
        self.arrive()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def more(self, deadline: float = DEADLINE) -> None:
        """Read once.

        :raises BrokenError: the connection ended, or nothing came.
        """
        self.socket.settimeout(deadline)
        try:
            data = self.socket.recv(1 << 18)
        except (TimeoutError, OSError) as error:
            raise BrokenError(f"{error!r} after {self.rest[:200]!r}") from error
        if not data:
            raise BrokenError(f"the connection ended after {self.rest[:200]!r}")
        self.rest += data

    def until(self, mark: bytes) -> bytes:
        """Everything before ``mark``, which is read too."""
        while mark not in self.rest:
            self.more()
        before, _, self.rest = self.rest.partition(mark)
        return before

    def exactly(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        pieces, wanted = [self.rest], count - len(self.rest)
        while wanted > 0:
            self.rest = b""
            self.more()
            pieces.append(self.rest)
            wanted -= len(self.rest)
        whole = b"".join(pieces)
        self.rest = whole[count:]
        return whole[:count]

    def head(self) -> Message:
        """Read a head."""
        start, *lines = self.until(b"\r\n\r\n").split(b"\r\n")
        return Message(start, _fields(lines))

    def body(self, message: Message) -> Message:
        """Read the body of a request or response, which must have one that is framed by length or chunks."""
        if message.all(b"transfer-encoding"):
            if message.all(b"content-length") or message.one(b"transfer-encoding") != b"chunked":
                raise BrokenError(f"framing: {message.fields}")
            message.body, message.trailers = self._chunks()
        elif message.all(b"content-length"):
            message.body = self.exactly(int(message.one(b"content-length")))
        return message

    def _chunks(self) -> tuple[bytes, Fields]:
        body = []
        while chunk := self.chunk():
            body.append(chunk)
        lines = []
        while line := self.until(b"\r\n"):
            lines.append(line)
        return b"".join(body), _fields(lines)

    def chunk(self) -> bytes:
        """Read one chunk; the last one is empty, and its trailers are still to come."""
        size = self.until(b"\r\n")
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
            raise BrokenError(f"chunk size {size!r}")
        if not int(size, 16):
            return b""
        data = self.exactly(int(size, 16))
        if self.exactly(2) != b"\r\n":
            raise BrokenError("no CRLF after a chunk")
        return data

    def response(self, method: bytes = b"GET") -> Message:
        """Read a final response and its body, skipping interim ones."""
        message = self.head()
        while message.status < 200 and message.status != 101:
            message = self.head()
        if method == b"HEAD" or message.status in {101, 204, 304}:
            return message
        if message.all(b"transfer-encoding") or message.all(b"content-length"):
            return self.body(message)
        message.body = self.to_end()
        return message

    def to_end(self) -> bytes:
        """Everything until the other side ends the connection in good order."""
        while True:
            try:
                self.more()
            except BrokenError as error:
                if error.__cause__ is not None:
                    raise
                body, self.rest = self.rest, b""
                return body

    def closed_within(self, seconds: float) -> bool:
        """Whether the other side ends the connection, in whatever way, within this time."""
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0:
            try:
                self.more(left)
            except BrokenError as error:
                return not isinstance(error.__cause__, TimeoutError)
        return False


def _fields(lines: list[bytes]) -> Fields:
    found = [LINE.fullmatch(line) for line in lines]
    if None in found:
        raise BrokenError(f"field lines {lines}")
    return [(match["name"], match["value"]) for match in found if match]
