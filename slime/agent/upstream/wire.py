"""The socket under a connection: made ready, looked at, and closed, whether TCP, TLS or UNIX."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport, ISystemHandle
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from slime.agent.reads import read_more
from slime.direct import DirectWriter
from slime.sockets import broken

__all__ = ["Wire"]


class Wire(Protocol):
    """A protocol that registers itself as the producer of its transport, to be told when the socket is full.

    :ivar secured: fires when the socket may be used: at once, or when the TLS handshake is done; fails with
        what ended the handshake.
    :ivar direct: writes to the socket.
    """

    transport: Any

    def __init__(self) -> None:
        self.secured: Deferred[None] = succeed(None)
        self._socket: Any = None

    def connectionMade(self) -> None:
        transport = self.transport
        transport.registerProducer(self, True)
        self.direct = DirectWriter(transport)
        read_more(transport)
        if isinstance(transport.getPeer(), (IPv4Address, IPv6Address)):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        if ISSLTransport.providedBy(transport):
            # Not of the class: the wrapper that endpoints put around a protocol forgets all interfaces but one.
            alsoProvides(self, IHandshakeListener)
            self.secured = Deferred(lambda _: transport.abortConnection())
        elif ISystemHandle.providedBy(transport):
            self._socket = transport.getHandle()
            if isinstance(transport, Connection):
                transport.writeSomeData = self._write_or_listen  # type: ignore[method-assign]

    def _write_or_listen(self, data: bytes) -> int | ConnectionLost:
        """What the transport writes with. An upstream that refuses an upload answers, closes, and so resets the
        connection; a write that finds it reset must not be the end before the answer has been read."""
        transport = self.transport
        sent = Connection.writeSomeData(transport, data)
        if not isinstance(sent, int):
            transport.doRead()
        return sent

    def handshakeCompleted(self) -> None:
        self.secured.callback(None)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        if not self.secured.called:
            self.secured.errback(reason)

    def is_silent(self) -> bool:
        """Whether nothing waits to be read, not even the connection's end.

        The look costs a system call (2 us), and spares a request a connection whose end the reactor has yet to
        come round to, or an answer that came before it was asked. Under TLS it is not possible.
        """
        if self._socket is None:
            return True
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def is_reset(self) -> bool:
        """Whether the peer has reset the connection since it closed its half: the reactor does not look at it then."""
        return self._socket is not None and broken(self._socket.fileno())

    def readConnectionLost(self) -> None:
        """The peer has closed its half."""

    def writeConnectionLost(self) -> None:
        """Our half is closed, as we asked."""

    def stopProducing(self) -> None:
        """The transport is going; :meth:`connectionLost` deals with it."""

    def half_close(self) -> None:
        """Say that no more will be written.

        TLS says goodbye for both halves; what the peer still says is read until it answers that.
        """
        if ISSLTransport.providedBy(self.transport):
            self.hang_up()
        else:
            self.transport.loseWriteConnection()

    def hang_up(self) -> None:
        """Close when everything is written."""
        # With a producer it would not close.
        self.transport.unregisterProducer()
        self.transport.loseConnection()
