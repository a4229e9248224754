"""Many agents in one small process, which answer every request by themselves: a load for the hub alone.

::

    SLIME_TOKEN=... python -m benchmarks.canned HUB_PORT LINKS

It says ``linked`` on standard output when the hub has let all of them in. Each is a link with one slot; the answer is
the small one of the suite.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.servers import BODY
from slime.demo.children import Child, leashed
from slime.demo.fleet import HubProcess
from slime.tunnel import Data, End, Head, Hello, Open, Reset, Started, TunnelConnection, Welcome
from slime.tunnel.states import Role

__all__ = ["canned"]

HANDSHAKE = "\r\n".join([
    "GET /v1/agent/tunnel HTTP/1.1", "Host: hub", "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: slime.v1",
    "Authorization: Bearer {}", "", "",
])  # fmt: skip
ANSWER = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


@contextmanager
def canned(hub: HubProcess, links: int) -> Iterator[None]:
    """So many of them, linked to the hub."""
    command = leashed("benchmarks.canned", str(hub.port), str(links))
    child = Child("canned", command, {"SLIME_TOKEN": hub.token("canned")})
    try:
        child.wait_for("linked", 90.0)
        yield
    finally:
        child.end()


class Link:
    """One of them."""

    def __init__(self, port: int, token: str, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tunnel = TunnelConnection(Role.AGENT)
        self._received = b""
        self.socket.sendall(HANDSHAKE.format(token).encode())
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(head.decode("latin-1"))
        self._tunnel.send(Hello(agent_id=f"canned-{number}", name="canned", slots=1, prefetch=0))
        self._flush()
        while self._tunnel.remote is None:
            self.serve()

    def serve(self) -> None:
        """Read what is there and answer it."""
        self._receive()
        for message in self._messages():
            for frame in self._tunnel.receive(message):
                if isinstance(frame, Open):
                    self._answer(frame.stream_id)
                elif not isinstance(frame, (Welcome, Reset)):  # RESET: an application has left
                    raise ConnectionError(f"unexpected: {frame}")
        self._flush()

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the hub closed the link")
        self._received += data

    def _messages(self) -> Iterator[bytes]:
        """Whole binary messages, as hubs send them: unmasked, in one frame each (RFC 6455 section 5.2)."""
        while len(self._received) >= 2:
            size, begin = self._received[1], 2
            if size == 126 and len(self._received) >= 4:
                (size,), begin = struct.unpack_from("!H", self._received, 2), 4
            if len(self._received) < begin + size:
                return
            message, self._received = self._received[begin : begin + size], self._received[begin + size :]
            yield message

    def _answer(self, stream_id: int) -> None:
        head, body = Head(stream_id, ANSWER, len(BODY)), Data(stream_id, BODY.encode())
        for frame in (Started(stream_id), head, body, End(stream_id)):
            self._tunnel.send(frame)

    def _flush(self) -> None:
        while (message := self._tunnel.next_message()) is not None:
            size = bytes([0x80 | len(message)]) if len(message) < 126 else struct.pack("!BH", 0x80 | 126, len(message))
            # Masked with zeros, which changes nothing.
            self.socket.sendall(b"\x82" + size + bytes(4) + message)


def main(port: int, count: int) -> None:
    """Link, and serve until ended."""
    with selectors.DefaultSelector() as selector:
        for number in range(count):
            link = Link(port, os.environ["SLIME_TOKEN"], number)
            selector.register(link.socket, selectors.EVENT_READ, link)
            _serve(selector, 0.0)
        sys.stdout.write("linked\n")
        sys.stdout.flush()
        while True:
            _serve(selector, None)


def _serve(selector: selectors.BaseSelector, patience: float | None) -> None:
    for key, _ in selector.select(patience):
        key.data.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
