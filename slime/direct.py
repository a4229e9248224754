"""Writing to a socket without a detour.

Twisted's ``transport.write`` keeps the bytes, asks the reactor to watch the socket, writes when the reactor comes
round to it, and then has the watch taken off again: four system calls where one would do, since the socket of a
peer that reads is writable nearly always. Over a proxy's whole path that is half of all its system calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.tcp import Connection

from slime.sockets import unsent

__all__ = ["Cork", "Corks", "DirectWriter", "connection_below", "is_delivered"]


def connection_below(transport: Any) -> Connection | None:
    """The connection of the system's that a transport is, or that TLS and the like have been put on."""
    while transport is not None and not isinstance(transport, Connection):
        transport = getattr(transport, "transport", None)
    return transport


def is_delivered(transport: Any) -> bool:
    """Has the peer's kernel all that was written to a transport, in an earlier turn if there is TLS on the way?"""
    below = connection_below(transport)
    kept = below is not None and (below.dataBuffer or below._tempDataBuffer)
    return not kept and not unsent(transport.fileno())


class DirectWriter:
    """Writes to a transport: at once as much as the kernel takes, the rest as the transport would.

    Only where nothing waits before it, so the order of bytes is kept, whoever else writes. A connection that turns
    out to be lost is left for the reactor to find, so that nobody hears of it in the middle of a write.

    (``_tempDataBuffer`` is Twisted's own; a test holds it to what is said here.)
    """

    __slots__ = ("_connection", "_send", "_transport")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._connection: Any = transport if isinstance(transport, Connection) else None
        self._send = None if self._connection is None else transport.socket.send

    def write(self, data: bytes) -> None:
        """Send bytes."""
        send, connection = self._send, self._connection
        if send is not None and data and not (connection.dataBuffer or connection._tempDataBuffer):
            try:
                sent = send(data)
            except OSError:
                # There is no room, or the connection is lost or about to be: all that is the transport's to see to.
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self._transport.write(data)

    def is_taken(self) -> bool:
        """Is everything written known to have reached the peer's kernel?

        To be asked at the connection's end: one that crossed with what was written acknowledges nothing of it.
        Under TLS, or after a reset, nobody knows.
        """
        connection = self._connection
        return connection is not None and connection.fileno() >= 0 and is_delivered(connection)


class Cork:
    """Collects what is written while somebody does work that may write much, to send it in one piece."""

    __slots__ = ("_corks", "_pieces", "_send")

    def __init__(self, corks: Corks, send: Callable[[bytes], object]) -> None:
        self._corks = corks
        self._send = send
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send bytes: now, or when the work that goes on is done."""
        if self._corks.busy:
            if not self._pieces:
                self._corks.waiting.append(self)
            self._pieces.append(data)
        else:
            self._send(data)

    @property
    def filled(self) -> bool:
        """Has something been collected that is not sent yet?"""
        return bool(self._pieces)

    def pull(self) -> None:
        """Send what has been collected, now."""
        pieces = self._pieces
        if pieces:
            self._pieces = []
            self._send(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def turn_to(self, send: Callable[[bytes], object]) -> None:
        """From now on, send by this."""
        if self._send is not _nowhere:
            self._send = send

    def drop(self) -> None:
        """Forget what has been collected, and whom it was for: nothing must be sent any more."""
        self._pieces = []
        self._send = _nowhere


class Corks:
    """All corks that one piece of work may fill, such as a message of an agent's with answers for many applications.

    :ivar busy: such work goes on.
    :ivar waiting: the corks with something in them.
    """

    __slots__ = ("busy", "waiting")

    def __init__(self) -> None:
        self.busy = False
        self.waiting: list[Cork] = []

    def during(self, work: Callable[..., object], *args: Any) -> None:
        """Do some work, then send what it has written."""
        if self.busy:
            work(*args)
            return
        self.busy = True
        try:
            work(*args)
        finally:
            self.busy = False
            while self.waiting:
                self.waiting.pop().pull()


def _nowhere(data: bytes) -> None:
    """Where the bytes of a lost connection go."""
