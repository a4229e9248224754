"""Slow connections of each kind, 200 at a time, at a hub with one agent that has one slot: they are in nobody's way."""

from __future__ import annotations

from collections.abc import Iterable
from selectors import EVENT_READ, DefaultSelector
from threading import Thread
from time import monotonic

from benchmarks.slow import ADMIN, Provider, Providers, only_agent
from slime.demo.fleet import HubProcess
from tests.e2e.harness import Application, SlimeTestCase
from tests.e2e.messages import Message

COUNT = 200
SOON = 5.0
"""Seconds that an ordinary request may take meanwhile, with other tests beside it; on an idle machine it is well under
one. A slow connection may last for a minute where it is in nobody's way, and would if it was in somebody's."""


class SlowTests(SlimeTestCase):
    """What was opened before is open, and known to the hub, when somebody who comes later is answered."""

    def setUp(self) -> None:
        server = Providers(("127.0.0.1", 0), Provider)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        Thread(target=server.serve_forever, daemon=True).start()
        self.busy = HubProcess(self.SECRET, admin="tcp:0:interface=127.0.0.1")
        self.addCleanup(self.busy.child.end)
        self.admin = int(self.busy.child.wait_for(ADMIN)[1])
        self.agent(self.busy, f"127.0.0.1:{server.server_address[1]}")

    def crowd(self, *start: bytes, count: int = COUNT) -> list[Application]:
        """Connections by which so much has been said."""
        crowd = [self.application(self.busy) for _ in range(count)]
        for one in crowd:
            one.send(b"\r\n".join(start))
        return crowd

    def get(self, *lines: bytes) -> Message:
        """An ordinary request, in time."""
        began = monotonic()
        answer = self.asking(self.busy, b"GET /2", *lines).response()
        self.assertLess(monotonic() - began, SOON)
        return answer

    def nobody_is_in_the_way(self) -> None:
        """Ordinary requests are served at once, whether they ask to wait or not."""
        for lines in ((), (b"Slime-Block: 1",)) * 2:
            self.assertEqual(self.get(*lines).status, 200)

    def slot_is_free(self) -> None:
        """Nothing runs at the agent."""
        agent = only_agent(self.admin)
        self.assertEqual((agent["slots"]["busy"], agent["work"]), (0, []))

    def test_heads(self) -> None:
        self.crowd(b"GET /2 HTTP/1.1", b"Host: x", b"X-Slow: ")
        self.nobody_is_in_the_way()
        self.slot_is_free()

    def test_bodies(self) -> None:
        self.crowd(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 8192", b"", b"x")
        self.nobody_is_in_the_way()
        self.slot_is_free()

    def test_bodies_of_unknown_length(self) -> None:
        """At first they wait outside. When they are let in one gets the slot, and loses it to whoever has a request."""
        crowd = self.crowd(b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", b"", b"1", b"x", b"")
        self.assertEqual(self.get().status, 200)
        refused = answers(crowd, COUNT - 1)
        self.assertLessEqual(refused, {(503, b"all-busy"), (408, b"too-slow")})
        self.nobody_is_in_the_way()
        self.slot_is_free()
        self.assertEqual(answers(crowd, 1), {(408, b"too-slow")})

    def test_readers(self) -> None:
        """An answer that the hub can keep frees the slot though nobody reads it, and arrives whole in the end."""
        crowd = self.crowd(b"GET /1000000 HTTP/1.1", b"Host: x", b"Slime-Block: 1", b"", b"", count=30)
        self.assertEqual(self.asking(self.busy, b"GET /2", b"Slime-Block: 1").response().status, 200)
        self.slot_is_free()
        self.nobody_is_in_the_way()
        for one in crowd:
            self.assertEqual(len(one.response().body), 1_000_000)

    def test_readers_of_more(self) -> None:
        """Of an answer that is too large for that nobody can hold the slot, either, while others want it."""
        self.crowd(b"GET /30000000 HTTP/1.1", b"Host: x", b"", b"")
        for _ in range(3):
            self.assertEqual(self.get(b"Slime-Block: 1").status, 200)
        self.assertEqual(self.get().status, 200)
        self.slot_is_free()


class PatienceTests(SlimeTestCase):
    """Who is slow for good reasons is left alone, though somebody waits for a second: the one slot is not to be had."""

    def setUp(self) -> None:
        self.one = self.fleet()

    def somebody_waits(self) -> None:
        """In vain."""
        answer = self.asking(self.one.hub, b"GET /2", b"Slime-Block: 1", b"Slime-Timeout: 1").response()
        self.assertEqual(answer.one(b"slime-error"), b"queue-timeout")

    def test_conversation(self) -> None:
        """The head alone makes the upstream begin to answer; then each says something now and then."""
        asked = self.asking(self.one.hub, b"POST /talk", b"Transfer-Encoding: chunked")
        served = self.one.upstream.next()
        served.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        asked.head()
        self.assertEqual(asked.chunk(), b"hello")
        self.somebody_waits()
        asked.send(b"2\r\nhi\r\n")
        self.assertEqual(served.chunk(), b"hi")
        self.somebody_waits()
        asked.send(b"0\r\n\r\n")
        self.assertEqual(served.chunk(), b"")
        served.send(b"3\r\nbye\r\n0\r\n\r\n")
        self.assertEqual((asked.chunk(), asked.chunk()), (b"bye", b""))

    def test_tokens(self) -> None:
        """The upstream is slow, and its reader is not."""
        asked = self.asking(self.one.hub, b"POST /tokens", body=b"{}")
        served = self.one.upstream.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        asked.head()
        for token in (b"a", b"b", b"c"):
            self.somebody_waits()
            served.send(token)
            self.assertEqual(asked.exactly(1), token)

    def test_download(self) -> None:
        """A reader slower than its upstream has its whole answer in the end; it reads some whenever another is told."""
        asked = self.asking(self.one.hub, b"GET /large")
        served = self.one.upstream.next()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 16000000\r\n\r\n")
        sender = Thread(target=served.send, args=(bytes(16_000_000),))
        sender.start()
        asked.head()
        waiting = self.asking(self.one.hub, b"GET /2", b"Slime-Block: 1")
        pace = self.application(self.one.hub)
        for _ in range(200):
            asked.exactly(80_000)
            pace.ask(b"GET /v1/agent/tunnel")
            self.assertEqual(pace.response().status, 426)
        sender.join()
        self.one.upstream.again(served)
        self.one.upstream.serve(b"ok")
        self.assertEqual(waiting.response().body, b"ok")


def answers(crowd: list[Application], count: int) -> set[tuple[int, bytes]]:
    """What so many of a crowd hear first; these leave it."""
    heard = set()
    for _ in range(count):
        one = next(iter(readable(crowd)))
        crowd.remove(one)
        answer = one.response()
        heard.add((answer.status, answer.one(b"slime-error")))
    return heard


def readable(crowd: Iterable[Application]) -> list[Application]:
    """Those that have been told something, as soon as one has.

    :raises AssertionError: nobody has.
    """
    with DefaultSelector() as selector:
        for one in crowd:
            selector.register(one.socket, EVENT_READ, one)
        ready = [key.data for key, _ in selector.select(10.0)]
    assert ready, "nobody hears anything"
    return ready
