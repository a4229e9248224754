"""Upgrades through a whole hub in memory: an application on one side, an agent's frames on the other."""

from __future__ import annotations

import socket
from typing import Any
from unittest import mock

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, ISSLTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from slime import direct
from slime.errors import ErrorCode
from slime.hub.exchange import Exchange, ExchangePolicy
from slime.hub.gateway import GatewayPolicy
from slime.hub.pool import PoolLimits
from slime.tunnel import Credit, Data, End, Frame, Head, Open, Refused, Reset, Started
from tests.link_fixture import AppPeer, MemoryHub

HANDSHAKE = (
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, superchat\r\n"
)
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: chat\r\n" + ACCEPT
    + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
)  # fmt: skip
OK_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class UpgradeCase(SynchronousTestCase):
    """One agent with one slot, and an application."""

    limits: PoolLimits | None = None
    policy: GatewayPolicy | None = None

    def setUp(self) -> None:
        self.hub = MemoryHub(None, self.limits, self.policy)
        self.agent = self.hub.agent(slots=1, prefetch=0)
        self.app = self.hub.app()

    def opened(self, fields: bytes = HANDSHAKE, method: bytes = b"GET", body: bytes = b"") -> Open:
        """The application asks, and the agent is asked."""
        self.app.ask(b"/chat", fields, method, body)
        opened, *_ = self.agent.frames()
        assert isinstance(opened, Open)
        return opened

    def switch(self, head: bytes = SWITCH) -> bytes:
        """The upstream switches; what the application is told."""
        self.agent.say(Started(1), Head(1, head, None, upgrade=True))
        return self.app.taken()

    def switched(self) -> None:
        self.opened()
        self.switch()

    def said(self) -> list[Frame]:
        """What the agent is told, credit aside."""
        frames = [frame for frame in self.agent.frames() if not isinstance(frame, Credit)]
        self.agent.flush()
        return frames

    def end_half(self) -> None:
        """The application closes its half."""
        channel: Any = self.app.channel
        self.assertTrue(IHalfCloseableProtocol.providedBy(channel))
        channel.readConnectionLost()

    @property
    def slot_is_free(self) -> bool:
        self.hub.turn()
        (seat,) = self.hub.pool.seats
        return not seat.tickets

    @property
    def finished(self) -> Exchange:
        """What goes into the access log."""
        (exchange,) = self.hub.finished
        return exchange

    def assertEnded(self, outcome: str, read: int, written: int) -> None:
        """It is in the log, and its slot is free."""
        passage = self.finished
        self.assertEqual((passage.status, passage.outcome), (101, outcome))
        self.assertEqual((passage.bytes_in, passage.request.answer_bytes), (read, written))
        self.assertTrue(self.slot_is_free)


class AskingTests(UpgradeCase):
    """What becomes of the request."""

    def test_websocket(self) -> None:
        opened = self.opened()
        self.assertTrue(opened.upgrade)
        self.assertEqual(opened.length, 0)
        self.assertTrue(opened.head.endswith(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
        self.assertIn(b"\r\nSec-WebSocket-Protocol: chat, superchat\r\n", opened.head)

    def test_not_as_it_has_to(self) -> None:
        """An ordinary request, without Upgrade."""
        opened = self.opened(HANDSHAKE.replace(b"Version: 13", b"Version: 13\r\nSec-WebSocket-Version: 13"))
        self.assertFalse(opened.upgrade)
        self.assertNotIn(b"Upgrade", opened.head)
        self.agent.say(Started(1), Head(1, OK_HEAD, 0))
        self.assertTrue(self.app.taken().startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_with_a_body(self) -> None:
        opened = self.opened(HANDSHAKE + b"Content-Length: 2\r\n", body=b"hi")
        self.assertEqual((opened.upgrade, opened.length), (False, 2))

    def test_other_protocol(self) -> None:
        opened = self.opened(b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n")
        self.assertFalse(opened.upgrade)
        self.assertNotIn(b"h2c", opened.head)

    def test_refused_elsewhere(self) -> None:
        """Who had no slot for it changes nothing: the next agent is asked for the same."""
        self.opened()
        other = self.hub.agent(agent_id="other", prefetch=0)
        self.agent.say(Refused(1, ErrorCode.DRAINING))
        (opened,) = other.frames()
        assert isinstance(opened, Open)
        self.assertTrue(opened.upgrade)

    def test_refused_upgrade(self) -> None:
        """An answer other than 101 is an ordinary one, and the connection serves the next request."""
        self.opened()
        self.agent.say(Started(1), Head(1, b"HTTP/1.1 426 Upgrade Required\r\n\r\n", 3), Data(1, b"no!"), End(1))
        self.assertTrue(self.app.taken().endswith(b"\r\nContent-Length: 3\r\n\r\nno!"))
        self.assertFalse(IHalfCloseableProtocol.providedBy(self.app.channel))
        self.app.ask(b"/next")
        (opened,) = self.said()
        assert isinstance(opened, Open)
        self.assertEqual((opened.stream_id, opened.upgrade), (2, False))

    def test_interim_before_the_switch(self) -> None:
        self.opened()
        self.agent.say(Started(1), Head(1, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", None, interim=True))
        self.assertTrue(self.app.taken().startswith(b"HTTP/1.1 103 "))
        self.agent.say(Head(1, SWITCH, None, upgrade=True))
        self.assertTrue(self.app.taken().startswith(b"HTTP/1.1 101 "))

    def test_early_bytes_of_a_refused_upgrade(self) -> None:
        """Nobody has agreed on another protocol, so they are the next request, as RFC 9110 section 7.8 has it."""
        self.opened(body=b"GET /pipelined HTTP/1.1\r\nHost: hub\r\n\r\n")
        self.agent.say(Started(1), Head(1, OK_HEAD, 0))
        (opened,) = self.said()
        assert isinstance(opened, Open)
        self.assertTrue(opened.head.startswith(b"GET /pipelined "))


class AllowedTests(UpgradeCase):
    """--allow-upgrade."""

    policy = GatewayPolicy(allow_upgrade=frozenset({b"tcp", b"h2c"}))

    def test_listed(self) -> None:
        opened = self.opened(b"Connection: upgrade\r\nUpgrade: TCP\r\nContent-Length: 0\r\n", b"POST")
        self.assertTrue(opened.upgrade)
        answer = self.switch(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 101 UPGRADED\r\n"))
        self.agent.say(Data(1, b"raw"))
        self.assertEqual(self.app.taken(), b"raw")

    def test_listed_http_2(self) -> None:
        opened = self.opened(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n")
        self.assertTrue(opened.head.endswith(b"HTTP2-Settings: AAM\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n"))

    def test_not_listed(self) -> None:
        self.assertFalse(self.opened(b"Connection: upgrade\r\nUpgrade: udp\r\n").upgrade)


class PassageTests(UpgradeCase):
    """Bytes both ways, and how they end."""

    def test_answer(self) -> None:
        self.opened()
        head, rest = self.switch().split(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.assertEqual((lines[0], rest), (b"HTTP/1.1 101 Switching Protocols", b""))
        self.assertEqual(lines[-2:], [b"Upgrade: websocket", b"Connection: Upgrade"])
        self.assertIn(b"Sec-WebSocket-Protocol: chat", lines)
        self.assertIn(b"Slime-Agent-Name: worker", lines)
        self.assertNotIn(b"Transfer-Encoding", head)

    def test_both_ways(self) -> None:
        """Raw bytes, in whatever turn; nothing of them is read as HTTP."""
        self.switched()
        self.app.deliver(b"GET / HTTP/1.1\r\n\r\n\x00")
        self.assertEqual(self.said(), [Data(1, b"GET / HTTP/1.1\r\n\r\n\x00")])
        self.agent.say(Data(1, b"\x81\x02hi"), Data(1, b"!"))
        self.assertEqual(self.app.taken(), b"\x81\x02hi!")
        self.assertFalse(self.slot_is_free)

    def test_early_bytes(self) -> None:
        """What came behind the request is said in the new protocol, once there is one."""
        self.opened(body=b"early")
        self.agent.say(Started(1))
        self.assertEqual(self.said(), [])
        self.agent.say(Head(1, SWITCH, None, upgrade=True), Data(1, b"late"))
        self.assertTrue(self.app.taken().endswith(b"\r\n\r\nlate"))
        self.assertEqual(self.said(), [Data(1, b"early")])

    def test_application_ends_first(self) -> None:
        """It goes on listening; the end comes when the upstream has ended too."""
        self.switched()
        self.app.deliver(b"bye")
        self.end_half()
        self.assertEqual(self.said(), [Data(1, b"bye"), End(1)])
        self.agent.say(Data(1, b"one more"))
        self.assertEqual((self.app.taken(), self.slot_is_free), (b"one more", False))
        self.agent.say(End(1))
        self.hub.turn()
        self.assertTrue(self.app.transport.disconnecting)
        self.assertFalse(self.app.transport.aborted)
        self.assertEnded("ok", 3, 8)

    def test_upstream_ends_first(self) -> None:
        """The application hears of it, and may go on talking."""
        self.switched()
        self.agent.say(Data(1, b"bye"), End(1))
        self.assertEqual((self.app.taken(), self.app.transport.half_closed), (b"bye", True))
        self.assertFalse(self.app.transport.disconnecting)
        self.app.deliver(b"one more")
        self.end_half()
        self.assertEqual(self.said(), [Data(1, b"one more"), End(1)])
        self.hub.turn()
        self.assertTrue(self.app.transport.disconnecting)
        self.assertEnded("ok", 8, 3)

    def test_slot_waits_for_the_last_byte(self) -> None:
        """Both have ended, but what the application said waits for the upstream to take it."""
        self.hub = MemoryHub(None, self.limits, self.policy)
        self.agent = self.hub.agent(slots=1, prefetch=0, window=10)
        self.app = self.hub.app()
        self.switched()
        self.app.deliver(b"x" * 15)
        self.end_half()
        self.agent.say(End(1))
        self.assertEqual(self.said(), [Data(1, b"x" * 10)])
        self.assertFalse(self.slot_is_free)
        self.agent.tunnel.consumed(1, 10)
        self.agent.flush()
        self.assertEqual(self.said(), [Data(1, b"x" * 5), End(1)])
        self.assertEnded("ok", 15, 0)

    def test_application_is_lost(self) -> None:
        self.switched()
        self.agent.say(Data(1, b"half"))
        self.app.channel.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.said(), [Reset(1, ErrorCode.CANCELLED)])
        self.assertEnded("left", 0, 4)

    def test_application_is_lost_after_it_ended(self) -> None:
        self.switched()
        self.end_half()
        self.app.channel.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.said(), [End(1), Reset(1, ErrorCode.CANCELLED)])
        self.assertEnded("left", 0, 0)

    def test_application_is_lost_after_the_upstream_ended(self) -> None:
        """RESET ends the stream at once then, and so the slot is free without another word of the agent's."""
        self.switched()
        self.agent.say(End(1))
        self.app.channel.connectionLost(Failure(ConnectionLost()))
        self.assertEnded("left", 0, 0)
        self.assertEqual(self.said(), [Reset(1, ErrorCode.CANCELLED)])

    def test_upstream_breaks(self) -> None:
        """The application sees its connection cut, never a clean end."""
        self.switched()
        self.agent.say(Reset(1, ErrorCode.UPSTREAM_BROKE, "gone"))
        self.assertTrue(self.app.transport.aborted)
        self.app.leave()
        self.assertEnded("upstream-broke", 0, 0)

    def test_upstream_breaks_behind_its_words(self) -> None:
        """What it said before is the application's: its connection is cut when all that has come."""
        self.switched()
        self.agent.say(Data(1, b"last words"))
        with mock.patch.object(direct, "unsent", return_value=1):
            self.agent.say(Reset(1, ErrorCode.UPSTREAM_BROKE, "gone"))
            self.hub.site.sweep()
            self.app.deliver(b"for nobody")
            self.end_half()
        self.assertEqual(self.app.taken(), b"last words")
        self.assertFalse(self.app.transport.disconnecting)
        self.assertEnded("upstream-broke", 0, 10)
        self.hub.site.sweep()
        self.assertFalse(self.app.transport.aborted)
        self.hub.site.sweep()
        self.assertTrue(self.app.transport.aborted)

    def test_upstream_breaks_and_nobody_reads_its_words(self) -> None:
        """Who reads more slowly than --min-rate is not waited for, though it is no request any more."""
        self.switched()
        self.agent.say(Data(1, b"last words"))
        channel = self.app.channel
        with mock.patch.object(direct, "unsent", return_value=1):
            self.agent.say(Reset(1, ErrorCode.UPSTREAM_BROKE, "gone"))
            self.hub.site.sweep()
            self.assertFalse(self.app.transport.aborted)
            with mock.patch.object(channel, "reading_lag", return_value=channel.limits.rates.grace + 1):
                self.hub.site.sweep()
        self.assertTrue(self.app.transport.aborted)

    def test_upstream_breaks_after_the_application_ended(self) -> None:
        self.switched()
        self.end_half()
        self.agent.say(Reset(1, ErrorCode.UPSTREAM_BROKE, "gone"))
        self.assertTrue(self.app.transport.aborted)
        self.assertEnded("upstream-broke", 0, 0)

    def test_upstream_goes_after_its_end(self) -> None:
        """All that it said has arrived, so the application may read it; what it still says is for nobody."""
        self.switched()
        self.agent.blurt(Data(1, b"bye"), End(1), Reset(1, ErrorCode.NO_ERROR, "closed"))
        self.assertEqual(self.app.taken(), b"bye")
        self.assertEqual((self.app.transport.half_closed, self.app.transport.aborted), (True, False))
        self.app.deliver(b"nobody listens")
        self.assertEnded("ok", 0, 3)
        self.end_half()
        self.assertTrue(self.app.transport.disconnecting)

    def test_upstream_breaks_after_its_end(self) -> None:
        self.switched()
        self.agent.say(End(1))
        self.agent.say(Reset(1, ErrorCode.UPSTREAM_BROKE, "reset by peer"))
        self.assertEnded("upstream-broke", 0, 0)

    def test_agent_is_lost(self) -> None:
        self.switched()
        self.agent.leave()
        self.assertTrue(self.app.transport.aborted)
        self.assertEqual(self.finished.outcome, "agent-lost")

    def test_agent_is_lost_after_the_application(self) -> None:
        self.switched()
        self.app.channel.connectionLost(Failure(ConnectionLost()))
        self.agent.leave()
        self.assertEqual(self.finished.outcome, "left")

    def test_next_request_of_the_queue(self) -> None:
        """It has the slot as soon as the passage is over."""
        self.switched()
        waiting = self.hub.app()
        waiting.ask(b"/next", b"Slime-Block: 1\r\n")
        self.assertEqual(self.said(), [])
        self.agent.say(End(1))
        self.end_half()
        end, opened = self.said()
        assert isinstance(opened, Open)
        self.assertEqual((end, opened.stream_id), (End(1), 2))

    def test_length_of_a_passage_says_nothing_of_requests(self) -> None:
        """How long one lasts does not count as the agent's time for a request."""
        self.switched()
        self.hub.clock.advance(5)
        self.end_half()
        self.agent.say(End(1))
        self.assertTrue(self.slot_is_free)
        (seat,) = self.hub.pool.seats
        self.assertIsNone(seat.service_time)

    def test_shutdown(self) -> None:
        """A passage may go on while the hub drains; the end of its link cuts it off."""
        self.switched()
        self.hub.site.drain()
        drained = self.hub.pool.drain()
        self.app.deliver(b"still here")
        self.assertIn(Data(1, b"still here"), self.said())
        self.assertNoResult(drained)
        self.hub.pool.links[0].end()
        self.assertTrue(self.app.transport.aborted)
        self.successResultOf(drained)


class HostileAgentTests(UpgradeCase):
    """A 101 that cannot be ends the link, and no byte of it reaches the application."""

    def refused(self, head: bytes, upgrade: bool = True) -> None:
        self.opened()
        self.agent.blurt(Started(1), Head(1, head, None, upgrade=upgrade, interim=not upgrade))
        self.assertEqual(self.agent.close_code, 4400)
        self.assertIn(b"Slime-Error: agent-lost", self.app.taken())

    def test_other_protocol(self) -> None:
        self.refused(SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c"))

    def test_wrong_accept(self) -> None:
        self.refused(SWITCH.replace(b"s3pP", b"s3pp"))

    def test_other_status(self) -> None:
        self.refused(OK_HEAD)

    def test_no_head(self) -> None:
        self.refused(b"HTTP/1.1 101\r\n")

    def test_interim(self) -> None:
        self.refused(SWITCH, upgrade=False)

    def test_not_asked_for(self) -> None:
        self.opened(b"")
        self.agent.blurt(Started(1), Head(1, SWITCH, None, upgrade=True))
        self.assertEqual(self.agent.close_code, 4400)

    def test_bytes_after_the_end(self) -> None:
        self.switched()
        self.agent.say(End(1))
        self.agent.blurt(Data(1, b"more"))
        self.assertEqual(self.agent.close_code, 4400)
        self.assertTrue(self.app.transport.aborted)

    def test_more_than_credit(self) -> None:
        self.switched()
        producer: Any = self.app.transport.producer
        producer.pauseProducing()
        for _ in range(5):
            self.agent.blurt(Data(1, bytes(60_000)))
        self.assertEqual(self.agent.close_code, 4400)

    def test_switch_of_a_stream_that_was_given_up(self) -> None:
        self.opened()
        self.app.leave()
        self.agent.say(Started(1))
        self.agent.blurt(Head(1, SWITCH, None, upgrade=True), Data(1, b"x"), End(1))
        self.assertIsNone(self.agent.close_code)
        self.assertTrue(self.slot_is_free)


class BackpressureTests(UpgradeCase):
    """Whoever does not read holds up whoever talks, and nobody else."""

    def test_slow_application(self) -> None:
        self.switched()
        producer: Any = self.app.transport.producer
        producer.pauseProducing()
        self.agent.say(Data(1, bytes(60_000)), Data(1, bytes(60_000)), Data(1, bytes(60_000)))
        self.assertEqual(self.agent.frames(), [])
        producer.resumeProducing()
        self.assertEqual(self.agent.frames(), [Credit(1, 180_000)])

    def test_slow_application_and_the_upstream_ends(self) -> None:
        """The end comes behind all that was said."""
        self.switched()
        producer: Any = self.app.transport.producer
        producer.pauseProducing()
        self.agent.say(Data(1, b"last"), End(1))
        self.end_half()
        self.hub.turn()
        self.assertEqual((self.app.taken(), self.app.transport.half_closed), (b"", False))
        producer.resumeProducing()
        self.assertEqual((self.app.taken(), self.app.transport.disconnecting), (b"last", True))
        self.assertEnded("ok", 0, 4)

    def test_slow_application_and_the_upstream_breaks(self) -> None:
        """It may read all that was said, and then sees that this was not the end; or it takes too long."""
        for reads in (True, False):
            self.setUp()
            self.switched()
            producer: Any = self.app.transport.producer
            producer.pauseProducing()
            self.agent.blurt(Data(1, b"last"), Reset(1, ErrorCode.UPSTREAM_BROKE, "gone"))
            self.hub.clock.advance(59)
            self.hub.site.sweep()
            self.assertEqual((self.app.taken(), self.app.transport.aborted), (b"", False))
            if reads:
                producer.resumeProducing()
            self.hub.clock.advance(2)
            self.hub.site.sweep()
            self.assertEqual((self.app.taken(), self.app.transport.aborted), (b"last" if reads else b"", True))
            self.assertEnded("upstream-broke", 0, 4)

    def test_slow_upstream(self) -> None:
        self.switched()
        for _ in range(10):
            self.app.deliver(bytes(60_000))
        self.hub.turn()
        self.assertEqual(self.app.transport.producerState, "paused")
        got = sum(len(frame.data) for frame in self.agent.frames() if isinstance(frame, Data))
        self.agent.tunnel.consumed(1, got)
        self.agent.flush()
        self.hub.turn()
        self.assertEqual(self.app.transport.producerState, "paused")
        got = sum(len(frame.data) for frame in self.agent.frames() if isinstance(frame, Data))
        self.agent.tunnel.consumed(1, got)
        self.agent.flush()
        self.hub.turn()
        self.assertEqual(self.app.transport.producerState, "producing")

    def test_large_body_limit_does_not_count(self) -> None:
        """--max-body is for requests; a passage has no body."""
        self.hub = MemoryHub(None, PoolLimits(exchange=ExchangePolicy(max_body=4)))
        self.agent = self.hub.agent()
        self.app = self.hub.app()
        self.switched()
        self.app.deliver(b"longer than that")
        self.assertEqual(self.said(), [Data(1, b"longer than that")])


class SweepTests(UpgradeCase):
    """What the sweep looks after, once a second."""

    limits = PoolLimits(exchange=ExchangePolicy(upgrade_idle=10.0))

    def setUp(self) -> None:
        super().setUp()
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)
        self.app.transport.fileno = self.ours.fileno  # type: ignore[attr-defined]

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.hub.clock.advance(1)
            self.hub.site.sweep()
            self.said()

    def test_idle(self) -> None:
        self.switched()
        self.wait(8)
        self.app.deliver(b"x")
        self.wait(8)
        self.agent.say(Data(1, b"y"))
        self.wait(8)
        self.assertFalse(self.app.transport.aborted)
        self.hub.clock.advance(3)
        self.hub.site.sweep()
        self.assertTrue(self.app.transport.aborted)
        self.assertEqual(self.said(), [Reset(1, ErrorCode.CANCELLED)])
        self.assertEnded("upgrade-idle", 1, 1)

    def test_no_limit(self) -> None:
        self.hub.pool.policy = ExchangePolicy()
        self.switched()
        self.wait(100)
        self.assertFalse(self.app.transport.aborted)

    def test_request_that_waits_is_not_idle(self) -> None:
        self.opened()
        self.wait(30)
        self.assertFalse(self.app.transport.disconnecting)

    def test_goodbye_while_nobody_reads(self) -> None:
        """The upstream is slow; that the application has closed its half meanwhile is no reason to cut it off."""
        self.switched()
        for _ in range(10):
            self.app.deliver(bytes(60_000))
        self.theirs.shutdown(socket.SHUT_WR)
        self.wait(2)
        self.assertFalse(self.app.transport.aborted)
        self.theirs.close()
        self.ours.close()
        self.wait(1)
        self.assertTrue(self.app.transport.aborted)

    def test_application_that_does_not_read(self) -> None:
        self.switched()
        producer: Any = self.app.transport.producer
        producer.pauseProducing()
        self.agent.say(Data(1, b"x"))
        self.app.deliver(b"x")
        for _ in range(63):
            self.app.deliver(b"x")
            self.wait(1)
        self.assertTrue(self.app.transport.aborted)

    def test_silence_after_the_upstream_ended(self) -> None:
        """Lingering is for requests: who may still talk is not cut off for a pause."""
        self.switched()
        self.agent.say(End(1))
        self.wait(9)
        self.assertFalse(self.app.transport.disconnecting)
        self.wait(2)
        self.assertTrue(self.app.transport.aborted)


class TLSTests(UpgradeCase):
    """TLS has no halves: its goodbye ends both."""

    def setUp(self) -> None:
        super().setUp()
        alsoProvides(self.app.transport, ISSLTransport)

    def test_application_says_goodbye(self) -> None:
        """What it said arrives; the upstream has a short while to end as well."""
        self.switched()
        self.app.deliver(b"bye")
        self.app.leave()
        self.assertEqual(self.said(), [Data(1, b"bye"), End(1)])
        self.agent.say(Data(1, b"for nobody"), End(1))
        self.assertEnded("left", 3, 0)
        self.hub.clock.advance(3)
        self.assertEqual(self.said(), [])

    def test_upstream_takes_too_long(self) -> None:
        self.switched()
        self.app.leave()
        self.assertEqual(self.said(), [End(1)])
        self.assertFalse(self.slot_is_free)
        self.hub.clock.advance(2)
        self.assertEqual(self.said(), [Reset(1, ErrorCode.CANCELLED)])
        self.assertTrue(self.slot_is_free)

    def test_upstream_breaks(self) -> None:
        """What TLS has been given in this turn it has not passed on yet, and the sweep may come first in the next."""
        self.app.channel._secure = True
        self.switched()
        self.agent.blurt(Data(1, b"last"), Reset(1, ErrorCode.UPSTREAM_BROKE, "gone"))
        self.assertFalse(self.app.transport.disconnecting)
        self.hub.site.sweep()
        self.assertFalse(self.app.transport.aborted)
        self.hub.site.sweep()
        self.assertTrue(self.app.transport.aborted)

    def test_upstream_says_goodbye(self) -> None:
        """So the connection is closed, and the application's goodbye is the end."""
        self.switched()
        self.agent.say(Data(1, b"bye"), End(1))
        self.assertTrue(self.app.transport.disconnecting)
        self.assertFalse(self.app.transport.half_closed)
        self.app.leave()
        self.assertEqual(self.said(), [End(1)])
        self.assertEnded("ok", 0, 3)


class TooLateTests(UpgradeCase):
    """What is told to a passage that is over changes nothing."""

    def test_all(self) -> None:
        self.opened()
        passage: Any = self.app.channel._request.receiver  # type: ignore[union-attr]
        self.app.leave()
        self.app.taken()
        passage.response_head(Head(1, SWITCH, None, upgrade=True))
        passage.upstream_ended()
        passage.dataReceived(b"x")
        passage.readConnectionLost()
        self.assertEqual((passage.switched, self.app.taken()), (False, b""))
        self.assertEqual(self.said(), [Reset(1, ErrorCode.CANCELLED)])


class TwoPassagesTests(UpgradeCase):
    """Passages of one link."""

    def test_slow_application_holds_back_its_own_passage_only(self) -> None:
        self.agent = self.hub.agent(slots=2)
        self.switched()
        other = AppPeer(self.hub)
        other.ask(b"/chat", HANDSHAKE)
        self.agent.frames()
        self.agent.say(Started(2), Head(2, SWITCH, None, upgrade=True))
        other.taken()
        producer: Any = self.app.transport.producer
        producer.pauseProducing()
        self.agent.say(Data(1, bytes(60_000)), Data(2, b"quick"))
        self.assertEqual((self.app.taken(), other.taken()), (b"", b"quick"))
