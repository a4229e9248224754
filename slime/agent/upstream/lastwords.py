"""All that an upstream said before it went, and whether it went in good order, though it was still being talked to."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.logger import Logger
from twisted.python.failure import Failure

from slime.agent.upstream.wire import Wire
from slime.direct import connection_below
from slime.sockets import hung_up

__all__ = ["LastWords"]


_Result = TypeVar("_Result")

#: There is no room at the moment; or the peer had said goodbye.
_PASSING = (errno.EAGAIN, errno.ENOBUFS, errno.EPIPE)


class Witness:
    """A socket that remembers whether it was reset.

    The kernel says so once, to whoever asks first, and from then on that the connection has ended. What was sent to
    somebody who had said goodbye before he reset it fails with ``EPIPE``.
    """

    def __init__(self, witnessed: socket.socket) -> None:
        self.saw_reset = False
        self._socket = witnessed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def send(self, data: bytes) -> int:
        """As the socket does."""
        return self._watched(self._socket.send, data)

    def recv(self, size: int) -> bytes:
        """The same."""
        return self._watched(self._socket.recv, size)

    def recvmsg(self, *sizes: int) -> tuple[bytes, Any, int, Any]:
        """The same."""
        return self._watched(self._socket.recvmsg, *sizes)

    def _watched(self, operation: Callable[..., _Result], *arguments: Any) -> _Result:
        try:
            return operation(*arguments)
        except OSError as error:
            self.saw_reset |= error.errno not in _PASSING
            raise


class LastWords:
    """Has a connection read to its end before its protocol hears of that.

    Who closes a connection while he is still talked to resets it by what is sent to him then. Twisted closes the socket
    when it finds that by writing, or polls it while nobody reads, with all that waits to be read; and if somebody reads
    again since it has polled, it takes the reset for a good end. So from :meth:`listen` on the rest is read first,
    whether reading is paused or not: it is no more than the kernel has held so far.

    :param protocol: at the end of the connection.
    :param is_heard: whether it cares for what is still to be read.
    """

    _log = Logger()

    def __init__(self, protocol: Wire, is_heard: Callable[[], bool]) -> None:
        self._protocol = protocol
        self._is_heard = is_heard
        self._connection: Any = connection_below(protocol.transport)

    def listen(self) -> None:
        """Begin; who writes to the connection's socket directly has to take it anew."""
        connection = self._connection
        if connection is not None:
            connection.socket = Witness(connection.socket)
            self._end, connection.readConnectionLost = connection.readConnectionLost, self._ended
            self._lose, connection.connectionLost = connection.connectionLost, self._lost

    def _ended(self, reason: Failure) -> None:
        """The reactor says that there is nothing more to be read."""
        try:
            whole = not self._is_heard() or self._read_rest()
        except Exception:
            self._log.failure("an upstream's last words were not understood")
            self._let_go(Failure())
            return
        if whole:
            self._end(reason)
        else:
            self._lost(Failure(ConnectionLost()))

    def _lost(self, reason: Failure) -> None:
        """The reactor says that the connection is lost."""
        try:
            if self._is_heard():
                reason = self._hear_out(reason)
        finally:
            self._let_go(reason)

    def _let_go(self, reason: Failure) -> None:
        """Lose the connection, and leave nothing on it that would keep it in memory."""
        for name in ("readConnectionLost", "connectionLost"):
            vars(self._connection).pop(name, None)
        self._lose(reason)

    def _hear_out(self, reason: Failure) -> Failure:
        """How the connection ends for somebody who has heard all."""
        whole = self._read_rest()
        transport = self._protocol.transport
        secure = ISSLTransport.providedBy(transport)
        if secure and transport.getHandle().get_shutdown() & SSL.RECEIVED_SHUTDOWN:
            return Failure(ConnectionDone())
        if whole and not secure:
            self._protocol.readConnectionLost()
        return reason

    def _read_rest(self) -> bool:
        """Read what there is; says whether that was all that was said, and its end a goodbye."""
        connection = self._connection
        if hung_up(connection.fileno()):
            while self._is_heard():
                try:
                    data = connection.socket.recv(connection.bufferSize)
                except OSError:
                    return False
                if not data:
                    return not connection.socket.saw_reset
                connection.protocol.dataReceived(data)
        return False
