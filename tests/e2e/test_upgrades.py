"""Upgraded connections: raw bytes both ways, and how they end."""

from __future__ import annotations

import signal
import socket
from array import array
from collections.abc import Callable
from functools import cache
from time import monotonic

from tests.e2e.harness import Application, Fleet, Served, SharedFleetTestCase, SlimeTestCase, shared_fleet
from tests.e2e.messages import DEADLINE, BrokenError, Wire

# The example of RFC 6455 section 1.3.
HANDSHAKE = (
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
AT_ONCE = 1.0


@cache
def words() -> bytes:
    """Bytes of which no two pieces are alike."""
    return array("I", range(10_000_000)).tobytes()


def end_half(wire: Wire) -> None:
    """Close our half of a connection."""
    wire.socket.shutdown(socket.SHUT_WR)


class UpgradeTests(SharedFleetTestCase):
    """One slot, and applications that ask for an upgrade."""

    def switched(self, early: bytes = b"", at_once: bytes = b"") -> tuple[Application, Served]:
        """A passage: its two ends.

        :param early: what the application says before it has an answer.
        :param at_once: what the upstream says in the segment of its answer.
        """
        asked = self.ask(b"GET /chat", *HANDSHAKE)
        if early:
            asked.send(early)
        served = self.provider.next()
        self.assertEqual(served.request.one(b"upgrade"), b"websocket")
        self.assertEqual(served.request.one(b"connection"), b"Upgrade")
        served.send(SWITCH + at_once)
        answer = asked.head()
        self.assertEqual((answer.status, answer.one(b"connection")), (101, b"Upgrade"))
        self.assertEqual(answer.all(b"content-length") + answer.all(b"transfer-encoding"), [])
        return asked, served

    def last_line(self, *parts: str) -> None:
        """A line of the access log with all these appears."""
        self.shared.child.wait_for(" ".join(["status=101", *parts]))

    def test_bytes_at_once(self) -> None:
        """What stands in the segment of request or answer is part of the conversation."""
        asked, served = self.switched(b"early", b"at once")
        self.assertEqual((served.exactly(5), asked.exactly(7)), (b"early", b"at once"))
        served.send(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        self.assertEqual(asked.exactly(22), b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        asked.close()
        served.to_end()

    def test_slot_is_held(self) -> None:
        asked, served = self.switched()
        self.assertEqual(self.ask(b"GET /").response().one(b"slime-error"), b"all-busy")
        asked.close()
        served.close()

    def test_application_ends_first(self) -> None:
        asked, served = self.switched()
        asked.send(b"bye")
        end_half(asked)
        self.assertEqual(served.to_end(), b"bye")
        served.send(b"x" * 300_000)
        self.assertEqual(asked.exactly(300_000), b"x" * 300_000)
        served.close()
        self.assertEqual(asked.to_end(), b"")
        self.last_line("outcome=ok .* in=3 out=300000 ")

    def test_upstream_ends_first(self) -> None:
        asked, served = self.switched()
        served.send(b"bye")
        end_half(served)
        self.assertEqual(asked.to_end(), b"bye")
        asked.send(b"y" * 300_000)
        self.assertEqual(served.exactly(300_000), b"y" * 300_000)
        end_half(asked)
        self.assertEqual(served.to_end(), b"")
        self.last_line("outcome=ok .* in=300000 out=3 ")

    def test_application_is_reset(self) -> None:
        asked, served = self.switched()
        asked.reset()
        with self.assertRaises(BrokenError):
            served.exactly(1)
        self.last_line("outcome=left ")

    def test_upstream_is_reset(self) -> None:
        """The application sees a broken connection, no clean end."""
        asked, served = self.switched()
        served.reset()
        with self.assertRaises(BrokenError) as caught:
            asked.to_end()
        self.assertIsInstance(caught.exception.__cause__, ConnectionResetError)
        self.last_line("outcome=upstream-broke ")

    def test_upstream_is_gone_after_its_end(self) -> None:
        """All that it said arrives; nobody listens any more, so the slot is free though the application goes on."""
        asked, served = self.switched()
        served.send(b"last words")
        end_half(served)
        self.assertEqual(asked.to_end(), b"last words")
        served.reset()
        while not asked.closed_within(0.05):
            try:
                asked.send(b"is there anybody?")
            except OSError:
                break

    def fill(self, served: Served) -> bytes:
        """The upstream says as much as there is room for on its way to an application that does not read."""
        served.socket.settimeout(0.5)
        sent = 0
        with self.assertRaises(TimeoutError):
            while True:
                sent += served.socket.send(words()[sent : sent + 65536])
        self.assertTrue(sent < 40_000_000, sent)
        return words()[:sent]

    def test_slow_reader(self) -> None:
        """Who does not read is not sent more than credit and sockets hold, and gets everything in the end."""
        asked, served = self.switched()
        said = self.fill(served)
        self.assertTrue(asked.exactly(len(said)) == said)
        end_half(served)
        end_half(asked)
        self.assertEqual(asked.to_end(), b"")

    def overtalked(self, ends: Callable[[Served], None], noticed: str) -> tuple[Application, bytes]:
        """An upstream has ended while it is talked to by an application that does not read; what it has said still.

        :param ends: how it does.
        :param noticed: what the agent says when it notices.
        """
        asked, served = self.switched()
        said = self.fill(served)
        # Somewhat less, so that all has left the upstream, but not the agent.
        half = len(said) // 2
        self.assertTrue(asked.exactly(half) == said[:half])
        served.arrive()
        ends(served)
        agent, end = shared_fleet().agent.child, monotonic() + DEADLINE
        before = sum(noticed in line for line in agent.lines)
        while sum(noticed in line for line in agent.lines) == before:
            asked.send(b"is there anybody?")
            self.settle()
            self.assertLess(monotonic(), end)
        return asked, said[half:]

    def test_upstream_closes_while_it_is_talked_to(self) -> None:
        """Both halves at once: all that it said arrives, wherever it waits, and that it was all."""
        asked, said = self.overtalked(Served.close, "closed the connection while it was still talked to")
        self.assertTrue(asked.to_end() == said)
        self.last_line("outcome=upstream-broke ")

    def test_upstream_is_reset_behind_its_words(self) -> None:
        """They arrive, and whoever reads them sees that they need not be all."""
        asked, said = self.overtalked(Served.reset, "the connection was lost before the answer's end")
        self.assertTrue(asked.exactly(len(said)) == said)
        with self.assertRaises(BrokenError) as caught:
            asked.exactly(1)
        self.assertIsInstance(caught.exception.__cause__, ConnectionResetError)

    def test_refused(self) -> None:
        """An ordinary answer, and the connection goes on."""
        asked = self.ask(b"GET /chat", *HANDSHAKE)
        served = self.provider.next()
        served.answer(b"who are you?", b"403 Forbidden")
        self.provider.again(served)
        answer = asked.response()
        self.assertEqual((answer.status, answer.body), (403, b"who are you?"))
        asked.ask(b"GET /next")
        self.provider.serve(b"next")
        self.assertEqual(asked.response().body, b"next")

    def test_version_refused(self) -> None:
        """The upstream says which version of WebSocket it speaks."""
        asked = self.ask(b"GET /chat", *HANDSHAKE[:2], b"Sec-WebSocket-Version: 7", HANDSHAKE[3])
        served = self.provider.next()
        served.answer(b"", b"426 Upgrade Required", b"Sec-WebSocket-Version: 13", b"Upgrade: websocket",
                      b"Connection: Upgrade")
        answer = asked.response()
        self.assertEqual((answer.status, answer.one(b"sec-websocket-version")), (426, b"13"))
        self.assertEqual(answer.all(b"upgrade"), [])

    def test_bad_handshake(self) -> None:
        """Passed on as what it is, an ordinary request."""
        for lines in (HANDSHAKE[:3], HANDSHAKE[1:], (*HANDSHAKE, b"Content-Length: 0", HANDSHAKE[2])):
            asked = self.ask(b"GET /chat", *lines)
            served = self.provider.next()
            self.assertEqual(served.request.all(b"upgrade") + served.request.all(b"connection"), [])
            served.answer(b"hello")
            self.provider.again(served)
            self.assertEqual(asked.response().status, 200)

    def test_unlisted_protocol(self) -> None:
        asked = self.ask(b"GET /", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
        request = self.provider.serve().request
        self.assertEqual(request.all(b"upgrade") + request.all(b"http2-settings") + request.all(b"connection"), [])
        self.assertEqual(asked.response().status, 200)

    def test_unasked_switch(self) -> None:
        """502, and nothing of what follows reaches the application."""
        for lines in ((), (b"Connection: upgrade", b"Upgrade: foo"), HANDSHAKE[1:]):
            asked = self.ask(b"GET /", *lines)
            self.provider.next().send(SWITCH + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            answer = asked.response()
            self.assertEqual((answer.status, answer.one(b"slime-error")), (502, b"upstream-broke"))
            self.assertNotIn(b"poison", answer.body)

    def test_other_switch(self) -> None:
        """A switch that does not fit the request is a broken answer, and ends nobody else's."""
        for wrong in (SWITCH.replace(b"s3pP", b"s3pp"), SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c")):
            asked = self.ask(b"GET /chat", *HANDSHAKE)
            self.provider.next().send(wrong)
            answer = asked.response()
            self.assertEqual((answer.status, answer.one(b"slime-error")), (502, b"upstream-broke"))
            self.assertEqual([line for line in self.shared.child.lines if "agent shared left" in line], [])


class SettingTests(SlimeTestCase):
    """What the hub can be told about upgrades, and how passages end with it."""

    def passage(self, fleet: Fleet, lines: tuple[bytes, ...] = HANDSHAKE, switch: bytes = SWITCH,
                start: bytes = b"GET /chat") -> tuple[Application, Served]:
        """A passage of this fleet: its two ends."""
        asked = self.asking(fleet.hub, start, *lines)
        served = fleet.upstream.next()
        served.send(switch)
        self.assertEqual(asked.head().status, 101)
        return asked, served

    def fleet_of(self, *hub_options: str) -> Fleet:
        """A hub with these options."""
        hub, upstream = self.hub(*hub_options), self.upstream()
        return Fleet(hub, self.agent(hub, upstream.address), upstream)

    def test_listed_and_idle(self) -> None:
        """--allow-upgrade, with any method, and --upgrade-idle: then it is cut off, not closed."""
        fleet = self.fleet_of("--allow-upgrade", "tcp,foo/2", "--upgrade-idle", "1s")
        switch = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        lines = (b"Connection: Upgrade", b"Upgrade: tcp", b"Content-Length: 0")
        asked, served = self.passage(fleet, lines, switch, b"POST /containers/1/attach")
        asked.send(b"ping")
        self.assertEqual(served.exactly(4), b"ping")
        began = monotonic()
        with self.assertRaises(BrokenError):
            asked.to_end()
        self.assertTrue(served.closed_within(AT_ONCE))
        self.assertTrue(1.0 <= monotonic() - began < 4.0)
        fleet.hub.child.wait_for("status=101 outcome=upgrade-idle")

    def test_agent_is_killed(self) -> None:
        fleet = self.fleet_of()
        asked, _ = self.passage(fleet)
        fleet.agent.child.signal(signal.SIGKILL)
        with self.assertRaises(BrokenError) as caught:
            asked.to_end()
        self.assertIsInstance(caught.exception.__cause__, ConnectionResetError)
        fleet.hub.child.wait_for("status=101 outcome=agent-lost")

    def test_hub_stops(self) -> None:
        """A passage has the grace time, then it is cut off."""
        fleet = self.fleet_of("--grace", "1s")
        asked, served = self.passage(fleet)
        fleet.hub.child.signal(signal.SIGTERM)
        fleet.hub.child.wait_for("stopping")
        asked.send(b"still here")
        self.assertEqual(served.exactly(10), b"still here")
        with self.assertRaises(BrokenError):
            asked.exactly(1)
        self.assertTrue(served.closed_within(AT_ONCE))
        fleet.hub.child.wait()

    def test_hub_stops_after_the_passage(self) -> None:
        """If it ends in time, that is the end."""
        fleet = self.fleet_of("--grace", "20s")
        asked, served = self.passage(fleet)
        fleet.hub.child.signal(signal.SIGTERM)
        fleet.hub.child.wait_for("stopping")
        end_half(asked)
        self.assertEqual(served.to_end(), b"")
        served.close()
        self.assertEqual(asked.to_end(), b"")
        fleet.hub.child.wait(5)
