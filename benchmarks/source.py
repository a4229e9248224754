"""An upstream for the benchmarks: token streams whose events say when they were sent, and a hashing sink.

::

    python -m benchmarks.source

``GET /events?N`` streams N server-sent events at the rate of the suite, each with its number and the time at
which it was sent; ``PUT /sink`` answers with the SHA-256 of the body it got. It writes its port on standard output.
A thread for each connection: none waits for another, whatever its client does.
"""

from __future__ import annotations

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, monotonic_ns, sleep
from zlib import crc32

__all__ = ["INTERVAL", "event_line"]

INTERVAL = 0.02
"""Seconds between two events of a stream."""

PADDING = "x" * 40


def event_line(number: int) -> bytes:
    """Event ``number`` as it is sent now: a size that a token of a model has on the wire."""
    return b"data: %d %d %s\n\n" % (number, monotonic_ns(), PADDING.encode())


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Stream events, each at its own time, whether the one before was late or not."""
        count = int(self.path.partition("?")[2])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        begin = monotonic() + (self._phase() if count > 1 else 0)
        for number in range(count):
            sleep(max(0.0, begin + number * INTERVAL - monotonic()))
            self._chunk(event_line(number))
        self._chunk(b"")

    def _phase(self) -> float:
        """A delay of this connection's own, so that streams that begin together do not beat together."""
        return crc32(repr(self.client_address).encode()) % 1000 / 1000 * INTERVAL

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def do_PUT(self) -> None:
        """Read the body, keep nothing of it but its hash."""
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        room = memoryview(bytearray(1 << 20))
        while left:
            got = self.rfile.readinto(room[:min(left, len(room))])
            if not got:
                return
            digest.update(room[:got])
            left -= got
        self._answer(json.dumps({"sha256": digest.hexdigest()}).encode())

    def _answer(self, body: bytes) -> None:
        """One write for all of it, as every serious server does."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Hundreds of streams may begin at once."""

    request_queue_size = 1024
    daemon_threads = True


def main() -> None:
    """Serve until ended."""
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"port {server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
