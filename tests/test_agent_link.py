"""An agent's link, with a hub at the other end of an in-memory wire and no upstream behind it."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.link import AgentLink, LinkEnd, LinkFactory, LinkPolicy, Verdict
from slime.errors import ErrorCode
from slime.tunnel import (
    Capacity,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Hello,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
)
from slime.wslink import CloseCode
from tests.agent_fakes import ANSWER, ANSWER_BLOCK, SWITCH, UPGRADE, HubEnd, HubFactory, ScriptedCall, scripted_shop

URL = "ws://hub.example:8080/v1/agent/tunnel"
TOKEN = "slime1-token-of-the-agent"
HELLO = Hello(agent_id="a1", name="host", slots=2, prefetch=4, window=65536)


class LinkCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.shop, self.client = scripted_shop(2)
        policy = LinkPolicy(HELLO, 10.0, 10.0)
        factory = LinkFactory(self.clock, URL, TOKEN, self.shop, policy)
        self.link: AgentLink = factory.buildProtocol(None)
        self.link.makeConnection(FakeTransport(self.link, False))
        self.ends: list[LinkEnd] = []
        self.link.ended.addCallback(self.ends.append)

    def request(self) -> bytes:
        """The handshake, as it went out."""
        sent = b"".join(self.link.transport.stream)
        self.link.transport.stream.clear()
        return sent

    def settle(self) -> None:
        """End turns and move bytes until nothing moves."""
        self.clock.advance(0)
        while self.pump.flush():
            self.clock.advance(0)

    def linked(self) -> HubEnd:
        """A hub that has welcomed the agent."""
        self.hub = hub = HubFactory(self.clock).buildProtocol(None)
        hub.makeConnection(FakeTransport(hub, True))
        self.pump = IOPump(self.link, hub, self.link.transport, hub.transport, False)
        self.settle()
        return hub

    def said(self) -> list[list[Frame]]:
        """What the agent has said since this was asked last, message by message."""
        self.settle()
        said, self.hub.messages = self.hub.messages, []
        return said

    @property
    def call(self) -> ScriptedCall:
        return self.client.calls[-1]


class HandshakeTests(LinkCase):
    """From the connection to WELCOME."""

    def test_request(self) -> None:
        lines = self.request().split(b"\r\n")
        self.assertEqual(lines[0], b"GET /v1/agent/tunnel HTTP/1.1")
        for line in (b"Authorization: Bearer " + TOKEN.encode(), b"Sec-WebSocket-Protocol: slime.v1"):
            self.assertIn(line, lines)
        self.assertNotIn(b"origin", b"".join(lines).lower())
        self.assertNotIn(b"extensions", b"".join(lines).lower())

    def test_hub_at_an_ipv6_address(self) -> None:
        factory = LinkFactory(self.clock, "ws://[::1]:80/v1/agent/tunnel", TOKEN, self.shop, LinkPolicy(HELLO))
        self.link = factory.buildProtocol(None)
        self.link.makeConnection(FakeTransport(self.link, False))
        self.assertIn(b"\r\nHost: [::1]:80\r\n", self.request())

    def test_hello(self) -> None:
        hub = self.linked()
        self.assertEqual(hub.messages[0], [HELLO])
        self.assertTrue(self.link.alive)
        self.assertIsNotNone(self.link.rtt)

    def _refused(self, answer: bytes) -> LinkEnd:
        self.link.dataReceived(answer)
        (end,) = self.ends
        return end

    def test_bad_token(self) -> None:
        """The hub says which class of reason; a token is not tried again at once."""
        answer = b"HTTP/1.1 401 Unauthorized\r\nSlime-Error: unauthorized\r\n\r\n"
        expected = LinkEnd("the hub answers 401 unauthorized", Verdict.REFUSED, status=401)
        self.assertEqual(self._refused(answer), expected)

    def test_no_certificate(self) -> None:
        """The way out of this refusal is another one."""
        field = b'WWW-Authenticate: Certificate realm="slime"'
        end = self._refused(b"HTTP/1.1 401 Unauthorized\r\nSlime-Error: unauthorized\r\n" + field + b"\r\n\r\n")
        self.assertIn("401 unauthorized: it wants a client certificate, over TLS (--client-cert)", end.reason)
        self.assertIs(end.verdict, Verdict.REFUSED)

    def test_hub_is_draining(self) -> None:
        answer = b"HTTP/1.1 503 Service Unavailable\r\nSlime-Error: draining\r\nRetry-After: 7\r\n\r\n"
        expected = LinkEnd("the hub answers 503 draining", Verdict.LOST, retry_after=7.0, status=503)
        self.assertEqual(self._refused(answer), expected)

    def test_not_a_hub(self) -> None:
        answer = b"HTTP/1.1 404 Not Found\r\nRetry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
        self.assertEqual(self._refused(answer), LinkEnd("the hub answers 404 Not Found", Verdict.REFUSED, status=404))

    def test_endless_patience_is_not_asked_for(self) -> None:
        for asked, believed in ((b"4000", 3600.0), (b"99999999", 0.0)):
            self.setUp()
            answer = b"HTTP/1.1 503 No\r\nRetry-After: " + asked + b"\r\n\r\n"
            self.assertEqual(self._refused(answer).retry_after, believed)

    def test_not_http(self) -> None:
        self.assertIn("not an HTTP answer", self._refused(b"SSH-2.0-OpenSSH\r\n\r\n").reason)

    def test_endless_answer(self) -> None:
        end = self._refused(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 4096)
        self.assertIn("an answer without end", end.reason)

    def test_answer_in_pieces(self) -> None:
        for byte in b"HTTP/1.1 401 No\r\n\r\n":
            self.link.dataReceived(bytes((byte,)))
        self.assertEqual(self.ends, [LinkEnd("the hub answers 401 No", Verdict.REFUSED, status=401)])

    def test_wrong_accept(self) -> None:
        answer = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: bm8=\r\n\r\n"
        )
        self.assertIn("Sec-WebSocket-Accept bogus", self._refused(answer).reason)

    def test_late_welcome(self) -> None:
        self.clock.advance(10)
        self.assertEqual(self.ends, [LinkEnd("the handshake is late")])

    def test_token_is_not_logged(self) -> None:
        with capturedLogs() as events:
            self.setUp()
            self.linked()
            self.link.close("bye")
            self.settle()
        self.assertNotIn(TOKEN, repr(events))


class ServingTests(LinkCase):
    """The hub's frames and the workers' answers."""

    def setUp(self) -> None:
        super().setUp()
        self.linked()
        self.said()

    def test_small_answer_is_one_message(self) -> None:
        stream_id = self.hub.open()
        self.settle()
        self.call.answer(b"hello")
        expected = [Started(stream_id), Head(stream_id, ANSWER_BLOCK, 5), Data(stream_id, b"hello"), End(stream_id)]
        self.assertEqual(self.said(), [expected])
        self.assertEqual(self.link.tunnel.live, 0)

    def test_chunk_leaves_in_its_turn(self) -> None:
        stream_id = self.hub.open()
        self.settle()
        self.call.sink.started()
        self.call.sink.head(ANSWER, None)
        self.said()
        for chunk in (b"one", b"two"):
            self.call.sink.data(chunk)
            self.assertEqual(self.said(), [[Data(stream_id, chunk)]])

    def test_upload(self) -> None:
        stream_id = self.hub.open(length=None)
        for size in (50_000, 50_000):
            self.hub.send(Data(stream_id, b"x" * size))
        self.hub.send(End(stream_id))
        self.settle()
        body = b"".join(part for part in self.call.done if isinstance(part, bytes))
        self.assertEqual((len(body), self.call.done[-1]), (100_000, ("end", [])))

    def test_upload_leaves_in_large_pieces(self) -> None:
        """What one read of the link brings is one piece of work for the upstream's connections."""
        stream_id = self.hub.open(length=None)
        self.settle()
        corks, busy = self.client.corks, []
        self.call.write = lambda data: busy.append(corks.busy)  # type: ignore[method-assign]
        self.hub.send(Data(stream_id, b"x" * 20_000))
        self.settle()
        self.assertEqual((busy, corks.busy), ([True, True], False))

    def test_slow_application(self) -> None:
        """The upstream is paused when the hub's credit is used up and much waits, and resumed in time."""
        stream_id = self.hub.open()
        self.settle()
        self.call.sink.started()
        self.call.sink.head(ANSWER, None)
        taken = 0
        while self.call.done != ["pause"]:
            self.call.sink.data(b"x" * 50_000)
            taken += 50_000
        self.assertLess(taken, 65536 + 300_000)
        while self.call.done != ["pause", "resume"]:
            bodies = [frame for message in self.said() for frame in message if isinstance(frame, Data)]
            self.assertTrue(bodies)
            self.hub.consumed(stream_id, sum(len(frame.data) for frame in bodies))

    def test_upload_behind_an_answer_that_waits(self) -> None:
        """The application must send all of its request before it reads: what is left of it goes nowhere."""
        stream_id = self.hub.open(length=None)
        self.settle()
        self.call.sink.started()
        self.call.sink.head(ANSWER, None)
        self.call.sink.data(b"x" * 100_000)
        self.call.sink.end([])
        for _ in range(10):
            self.hub.send(Data(stream_id, b"y" * 50_000))
            self.settle()
        self.assertEqual(self.hub.tunnel.queued(stream_id), 0)
        self.hub.send(End(stream_id))
        self.hub.consumed(stream_id, 65536)
        self.assertIn(End(stream_id), self.said()[-1])
        self.assertEqual(self.link.tunnel.live, 0)

    def test_upstream_breaks_off(self) -> None:
        """What it said in its last moment goes before the news."""
        stream_id = self.hub.open()
        self.settle()
        self.call.sink.started()
        self.call.sink.head(ANSWER, None)
        self.call.sink.data(b"last words")
        self.call.sink.failed(ErrorCode.UPSTREAM_BROKE, "gone")
        last = [frame for message in self.said() for frame in message][-2:]
        self.assertEqual(last, [Data(stream_id, b"last words"), Reset(stream_id, ErrorCode.UPSTREAM_BROKE, "gone")])
        self.assertEqual((self.link.tunnel.live, self.hub.tunnel.live), (0, 0))

    def test_upstream_goes_before_its_words_have(self) -> None:
        """Another request has its slot; what the hub gives credit for goes on, and the end behind it, unasked."""
        stream_id = self.hub.tunnel.open(UPGRADE, 0, upgrade=True)
        self.hub.schedule_flush()
        self.settle()
        self.call.sink.started()
        self.call.sink.head(SWITCH, None)
        self.call.sink.data(b"x" * 100_000)
        self.call.sink.end([])
        self.call.sink.failed(ErrorCode.NO_ERROR, "closed")
        self.hub.open()
        self.hub.open()
        self.assertNotIn(End(stream_id), self.said()[-1])
        self.hub.send(Data(stream_id, b"y" * 60_000))
        self.hub.send(Data(stream_id, b"y" * 60_000))
        self.settle()
        self.assertEqual((len(self.client.calls), self.hub.tunnel.queued(stream_id)), (3, 0))
        self.hub.consumed(stream_id, 65536)
        said = [frame for message in self.said() for frame in message]
        self.assertEqual(sum(len(frame.data) for frame in said if isinstance(frame, Data)), 100_000 - 65536)
        self.assertEqual(said[-2:], [End(stream_id), Reset(stream_id, ErrorCode.NO_ERROR, "closed")])
        self.assertEqual((self.link.tunnel.live, self.hub.tunnel.live), (2, 2))

    def test_slots(self) -> None:
        """A stream beyond the slots is refused; one that was sent ahead waits, or is given back."""
        running = self.hub.open(), self.hub.open()
        refused, revoked, waiting = self.hub.open(), self.hub.open(prefetch=True), self.hub.open(prefetch=True)
        self.settle()
        self.hub.send(Revoke(revoked))
        self.client.calls[0].start()
        self.hub.send(Revoke(running[0]))
        said = [[Refused(refused, ErrorCode.ALL_BUSY)], [Started(running[0]), Revoked(revoked)]]
        self.assertEqual(self.said(), said)
        self.call.answer(b"")
        self.call.sink.started()
        self.assertIn(Started(waiting), self.said()[0])

    def test_application_leaves(self) -> None:
        stream_id = self.hub.open()
        self.settle()
        self.hub.send(Reset(stream_id, ErrorCode.CANCELLED))
        self.settle()
        self.assertEqual(self.call.done, ["abort"])
        self.assertEqual((self.link.tunnel.live, self.hub.tunnel.live), (0, 0))

    def test_frames_of_a_worker_that_is_gone(self) -> None:
        """What stands behind the frame by which a worker ended is nobody's."""
        stream_id = self.hub.open(length=None)
        self.hub.send(Data(stream_id, b"x"))
        self.hub.send(End(stream_id))
        self.client.unreachable = True
        self.settle()
        self.assertEqual(self.link.tunnel.live, 0)
        self.link._end(End(stream_id))
        self.link._reset(Reset(stream_id, ErrorCode.CANCELLED))
        self.link._revoke(Revoke(stream_id))
        self.link.resume(stream_id)
        self.assertTrue(self.link.alive)

    def test_hub_announces_its_end(self) -> None:
        with capturedLogs() as events:
            self.hub.send(Drain())
            self.settle()
        self.assertIn("about to stop", events[-1]["log_format"])
        self.assertTrue(self.link.alive)

    def test_frame_without_meaning_here(self) -> None:
        self.link.frame_received(Capacity(1))
        self.assertTrue(self.link.alive)


class EndTests(LinkCase):
    """How a link ends, and what of it is told to whoever dials."""

    def setUp(self) -> None:
        super().setUp()
        self.linked()

    def test_lost(self) -> None:
        """Everything that came by the link ends with it, what waits without ever beginning."""
        for prefetch in (False, False, True):
            self.hub.open(prefetch=prefetch)
        self.settle()
        self.clock.advance(5)
        self.link.connectionLost(Failure(ConnectionLost("reset")))
        self.assertEqual([call.done for call in self.client.calls], [["abort"], ["abort"]])
        (end,) = self.ends
        self.assertEqual((end.verdict, end.lived), (Verdict.LOST, 5.0))
        self.assertTrue(end.reason.startswith("connection lost"))

    def test_closed_by_the_hub(self) -> None:
        for code, verdict in (
            (CloseCode.UNAUTHORIZED, Verdict.REFUSED),
            (CloseCode.REPLACED, Verdict.REFUSED),
            (CloseCode.PROTOCOL, Verdict.REFUSED),
            (CloseCode.INTERNAL, Verdict.LOST),
        ):
            self.setUp()
            self.hub.fail(code, "why")
            self.settle()
            (end,) = self.ends
            self.assertTrue(end.reason.startswith(f"closed by the peer: {code.value} why"))
            self.assertIs(end.verdict, verdict)

    def test_drain_when_idle(self) -> None:
        drained = self.link.drain()
        self.said()
        self.successResultOf(drained)

    def test_drain(self) -> None:
        """Told to the hub at once; over when the last byte of the last answer has left."""
        stream_id = self.hub.open()
        self.said()
        drained = self.link.drain()
        self.assertEqual(self.said(), [[Capacity(0), Drain()]])
        self.call.sink.started()
        self.call.sink.head(ANSWER, None)
        self.call.sink.data(b"x" * 100_000)
        self.call.sink.end([])
        self.said()
        self.assertNoResult(drained)
        self.hub.consumed(stream_id, 60_000)
        self.settle()
        self.successResultOf(drained)

    def test_drain_with_a_passage(self) -> None:
        """Its last word may be the hub's, and then there is nothing left to send."""
        stream_id = self.hub.tunnel.open(UPGRADE, 0, upgrade=True)
        self.hub.schedule_flush()
        self.said()
        drained = self.link.drain()
        self.call.sink.started()
        self.call.sink.head(SWITCH, None)
        self.call.sink.end([])
        self.said()
        self.assertNoResult(drained)
        self.hub.send(End(stream_id))
        self.settle()
        self.successResultOf(drained)

    def test_drain_before_welcome(self) -> None:
        super().setUp()
        self.successResultOf(self.link.drain())

    def test_drain_of_a_link_that_is_over(self) -> None:
        self.link.close("bye")
        self.successResultOf(self.link.drain())

    def test_link_ends_while_draining(self) -> None:
        self.hub.open()
        self.settle()
        drained = self.link.drain()
        self.link.abort("enough")
        self.successResultOf(drained)
