"""Reads many event streams at once and notes how late each event came."""

from __future__ import annotations

import gc
import selectors
import socket
from dataclasses import dataclass, field
from time import monotonic, monotonic_ns

__all__ = ["BrokenStreamError", "Delays", "first_event", "listen"]


class BrokenStreamError(Exception):
    """A stream did not give every event, in order, and then its end."""


@dataclass(slots=True)
class Delays:
    """How long the events took from the upstream's sending to the application's reading, in ms."""

    values: list[float] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """The delay that ``percent`` of the events did not exceed."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Unchunker:
    """Takes chunked framing off, as it comes in any pieces."""

    def __init__(self) -> None:
        self._rest, self.ended = b"", False

    def feed(self, data: bytes) -> bytes:
        """The body bytes of the complete chunks so far."""
        self._rest += data
        body = []
        while not self.ended and (chunk := self._next()) is not None:
            body.append(chunk)
            self.ended = not chunk
        return b"".join(body)

    def _next(self) -> bytes | None:
        line, found, rest = self._rest.partition(b"\r\n")
        if not found or len(rest) < (size := int(line.partition(b";")[0], 16)) + 2:
            return None
        self._rest = rest[size + 2:]
        return rest[:size]


class Stream:
    """One application that reads one stream."""

    def __init__(self, port: int, events: int) -> None:
        self._wanted, self._next, self._head, self._text = events, 0, b"", b""
        self._body = Unchunker()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"GET /events?%d HTTP/1.1\r\nHost: b\r\nSlime-Block: 1\r\n\r\n" % events)

    def read(self, delays: Delays) -> bool:
        """Read what is there; true when the stream is complete."""
        data = self.socket.recv(65536)
        now = monotonic_ns()
        if not data:
            raise BrokenStreamError(f"ended after {self._next} of {self._wanted} events: {self._head[:200]!r}")
        self._text += self._body.feed(self._past_head(data))
        *events, self._text = self._text.split(b"\n\n")
        for event in events:
            self._note(event, now, delays)
        return self._complete()

    def _past_head(self, data: bytes) -> bytes:
        if b"\r\n\r\n" in self._head:
            return data
        self._head, _, rest = (self._head + data).partition(b"\r\n\r\n")
        if not self._head.startswith(b"HTTP/1.1 200 "):
            raise BrokenStreamError(self._head[:200])
        self._head += b"\r\n\r\n"
        return rest

    def _note(self, event: bytes, now: int, delays: Delays) -> None:
        _, number, sent, _ = event.split(b" ")
        if int(number) != self._next:
            raise BrokenStreamError(f"event {int(number)} came where {self._next} was due")
        self._next += 1
        delays.values.append((now - int(sent)) / 1e6)

    def _complete(self) -> bool:
        if self._body.ended and self._next != self._wanted:
            raise BrokenStreamError(f"a clean end after {self._next} of {self._wanted} events")
        return self._body.ended


def listen(port: int, streams: int, events: int, patience: float = 30.0) -> Delays:
    """Read ``streams`` streams of ``events`` events each, all at once, to their ends.

    :raises BrokenStreamError: an event was missing, out of order, or did not come within ``patience`` seconds.
    """
    delays = Delays()
    gc.disable()  # a pause here would be counted as one of the server's
    try:
        _listen([Stream(port, events) for _ in range(streams)], delays, patience)
    finally:
        gc.enable()
    return delays


def _listen(streams: list[Stream], delays: Delays, patience: float) -> None:
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream.socket, selectors.EVENT_READ, stream)
        while selector.get_map():
            ready = selector.select(patience)
            if not ready:
                raise BrokenStreamError(f"{len(selector.get_map())} streams silent for {patience} s")
            for key, _ in ready:
                if key.data.read(delays):
                    selector.unregister(key.fileobj)
                    key.data.socket.close()


def first_event(port: int) -> float:
    """Seconds from asking for a stream to its first event, in ms."""
    began = monotonic()
    listen(port, 1, 1)
    return (monotonic() - began) * 1e3
