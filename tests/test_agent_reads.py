"""How much the agent reads at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.reads import READ_SIZE, read_more


class SocketStub:
    """A socket that is asked how much it has."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def setblocking(self, flag: bool) -> None:
        """As it is."""

    def fileno(self) -> int:
        return -1

    def recv(self, size: int) -> bytes:
        self.sizes.append(size)
        return b"x"


class ReadTests(SynchronousTestCase):
    """Of Twisted's own attribute."""

    def test_socket(self) -> None:
        socket: Any = SocketStub()
        connection = Connection(socket, Protocol(), MemoryReactor())
        read_more(connection)
        connection.doRead()
        self.assertEqual(socket.sizes, [READ_SIZE])

    def test_other(self) -> None:
        """What is no socket, such as TLS on one, is left alone."""
        transport = StringTransport()
        before = vars(transport).copy()
        read_more(transport)
        self.assertEqual(vars(transport), before)
