"""An upstream that takes as long for each request as the request says, and writes down when it had something to do.

::

    python -m benchmarks.provider [FACTOR]

``GET /work?SECONDS,WORD`` is answered after ``SECONDS`` times ``FACTOR`` with ``done WORD``; ``GET /visits`` tells of
the requests since it was last asked. It writes its port on standard output. A thread for each connection, since a
sleeping thread wakes within 0.1 ms, where an event loop's timers come a millisecond late.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Thread
from time import monotonic, sleep

from slime.demo.children import Child, leashed

__all__ = ["Visit", "answer_to", "path_of", "provider", "visits"]


@dataclass(frozen=True, slots=True)
class Visit:
    """A request at the provider, from its last byte to its answer's; times are monotonic."""

    word: str
    began: float
    ended: float


def path_of(seconds: float, word: str) -> str:
    """What to ask for."""
    return f"/work?{seconds},{word}"


def answer_to(word: str) -> str:
    """The body of the right answer."""
    return f"done {word}"


@contextmanager
def provider(factor: float = 1.0) -> Iterator[int]:
    """A provider as a process of its own; gives its port."""
    child = Child("provider", leashed("benchmarks.provider", str(factor)))
    try:
        yield int(child.wait_for(r"port (\d+)")[1])
    finally:
        child.end()


def visits(port: int) -> list[Visit]:
    """All requests that have ended since this was last asked."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/visits")
        return [Visit(*visit) for visit in json.load(connection.getresponse())]
    finally:
        connection.close()


class Provider:
    """Serves connections."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._visits: list[tuple[str, float, float]] = []

    def serve(self, connection: socket.socket) -> None:
        """Answer one request after another until the client goes."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            try:
                while path := _next_path(connection):
                    connection.sendall(_answer(self._take() if path == "/visits" else self._work(path)))
            except OSError:
                return  # the client is gone

    def _work(self, path: str) -> str:
        began = monotonic()
        seconds, _, word = path.partition("?")[2].partition(",")
        sleep(float(seconds) * self._factor)
        self._visits.append((word, began, monotonic()))
        return answer_to(word)

    def _take(self) -> str:
        taken, self._visits = self._visits, []
        return json.dumps(taken)


def _next_path(connection: socket.socket) -> str:
    """The path of the next request, which has no body; empty when there is none."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = connection.recv(65536)
        if not data:
            return ""
        head += data
    return head.split(b" ", 2)[1].decode("ascii")


def _answer(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def main(factor: float) -> None:
    """Serve until ended."""
    served = Provider(factor)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as door:
        sys.stdout.write(f"port {door.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            Thread(target=served.serve, args=(door.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
