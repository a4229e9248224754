"""An HTTP proxy that opens tunnels, or says what a test tells it to; owes nothing to the code that is tested."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from threading import Thread

from tests.e2e.messages import BrokenError, Message, Wire

__all__ = ["OPEN", "ConnectProxy"]

OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ConnectProxy:
    """A proxy on the loopback, each of its connections in a thread.

    :ivar port: where it listens.
    :ivar asked: the heads of the requests so far.
    """

    def __init__(self, answer: bytes = OPEN, tls: ssl.SSLContext | None = None) -> None:
        """
        :param answer: what to say to everybody; nothing at all, when it is empty.
        :param tls: what to speak TLS with to clients.
        """
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._listener]
        self.port: int = self._listener.getsockname()[1]
        self.asked: list[Message] = []
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End everything."""
        for one in self._open:
            # Closing alone would not wake the thread that waits for it.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
                self._open.append(client)
            request = Wire(client).head()
            self.asked.append(request)
            self._reply(client, request)
        except (OSError, BrokenError):
            client.close()

    def _reply(self, client: socket.socket, request: Message) -> None:
        if self._answer == OPEN:
            host, _, port = request.target.decode().rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(OPEN)
                splice(client, server)
        if self._answer:
            client.sendall(self._answer)
            client.close()


def splice(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)
