"""Bodies larger than any buffer, readers slower than any sender, many streams at once."""

from __future__ import annotations

import hashlib
import random
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import median
from time import monotonic

from benchmarks.machine import Memory
from benchmarks.streams import listen
from slime.demo.children import Child, leashed
from tests.e2e.harness import Fleet, SlimeTestCase
from tests.e2e.messages import Wire

SIZE = 64 * 1024 * 1024
ROOM = 16.0
"""MB that hub and agent may grow by, whatever passes through them."""

STALL = 0.5
"""Seconds in which a sender that can send would."""


def block(number: int) -> bytes:
    """A MiB of a body, unlike any other."""
    return random.Random(number).randbytes(1 << 20)


def whole_hash() -> str:
    """The hash of the whole body."""
    digest = hashlib.sha256()
    for number in range(SIZE >> 20):
        digest.update(block(number))
    return digest.hexdigest()


def send_all(wire: Wire) -> None:
    """Send the body."""
    for number in range(SIZE >> 20):
        wire.send(block(number))


def receive_all(wire: Wire) -> str:
    """Read the body; its hash."""
    digest, left = hashlib.sha256(), SIZE
    while left:
        if not wire.rest:
            wire.more()
        digest.update(wire.rest)
        left -= len(wire.rest)
        wire.rest = b""
    return digest.hexdigest()


class BodyTests(SlimeTestCase):
    """A fleet with two slots, and how much memory its programs use."""

    def setUp(self) -> None:
        self.small = self.fleet("--num-worker", "2")
        self.helper = ThreadPoolExecutor(1)
        self.addCleanup(self.helper.shutdown)
        self.warm_up(self.small)
        self.memory = [Memory(child.pid) for child in (self.small.hub.child, self.small.agent.child)]

    def warm_up(self, fleet: Fleet) -> None:
        """A request that lets both programs load and allocate what any first request needs."""
        asked = self.asking(fleet.hub, b"POST /", body=b"x" * 100_000)
        fleet.upstream.serve(b"y" * 100_000)
        self.assertEqual(len(asked.response().body), 100_000)

    def send_in_background(self, wire: Wire) -> Future[None]:
        """Send the body while the test goes on."""
        return self.helper.submit(send_all, wire)

    def no_growth(self) -> None:
        """Neither program has grown much, not even for a moment."""
        hub, agent = (memory.growth() for memory in self.memory)
        self.assertTrue(hub < ROOM and agent < ROOM, f"grown by {hub:.1f} MB (hub) and {agent:.1f} MB (agent)")

    def test_upload(self) -> None:
        """A large request arrives whole, in bounded memory."""
        asked = self.asking(self.small.hub, b"PUT /", b"Content-Length: %d" % SIZE)
        sent = self.send_in_background(asked)
        served = self.small.upstream.next()
        self.assertEqual(receive_all(served), whole_hash())
        sent.result()
        served.answer(b"thanks")
        self.assertEqual(asked.response().body, b"thanks")
        self.no_growth()

    def test_download(self) -> None:
        """A large answer arrives whole, in bounded memory."""
        asked = self.asking(self.small.hub, b"GET /")
        served = self.small.upstream.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        sent = self.send_in_background(served)
        head = asked.head()
        self.assertEqual(receive_all(asked), whole_hash())
        sent.result()
        self.assertTrue(head.all(b"content-length") in ([b"%d" % SIZE], []))
        self.no_growth()

    def test_stalled_reader(self) -> None:
        """Who does not read his answer holds up his own upstream, and nobody else."""
        stalled = self.asking(self.small.hub, b"GET /stalled")
        served = self.small.upstream.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        self.assertTrue(sent_until_stall(served.socket) < SIZE, "everything went somewhere, unread")
        times = [self.time_of_another() for _ in range(50)]
        self.assertTrue(median(times) < 0.02, times)
        self.no_growth()
        stalled.close()
        self.assertTrue(served.closed_within(1.0))

    def time_of_another(self) -> float:
        """Seconds that another application's request takes meanwhile."""
        began = monotonic()
        asked = self.asking(self.small.hub, b"GET /other", b"Slime-Block: 1")
        self.small.upstream.serve(b"quick")
        self.assertEqual(asked.response().body, b"quick")
        return monotonic() - began


def sent_until_stall(upstream: socket.socket) -> int:
    """Bytes that an upstream gets rid of before its connection takes no more."""
    upstream.settimeout(STALL)
    sent, data = 0, b"x" * 65536
    try:
        while sent < SIZE:
            sent += upstream.send(data)
    except TimeoutError:
        return sent
    return sent


class ManyStreamsTests(SlimeTestCase):
    """Many token streams through one hub and one agent."""

    def test_every_event_in_order(self) -> None:
        """Each stream has all its events in order, and the usual one is not late."""
        source = Child("source", leashed("benchmarks.source"))
        self.addCleanup(source.end)
        hub = self.hub()
        self.agent(hub, f"127.0.0.1:{source.wait_for('port (.*)')[1]}", "--num-worker", "30")
        delays = listen(hub.port, streams=30, events=50)
        self.assertEqual(len(delays.values), 30 * 50)
        self.assertTrue(delays.percentile(50) < 10, f"{delays.percentile(50):.1f} ms")
