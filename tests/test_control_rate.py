"""Frames that carry nothing of a request or an answer: so many a second and no more, whatever they are."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from slime.agent.link import AgentLink, LinkFactory, Verdict
from slime.hub.links import LinkPolicy
from slime.tunnel import Capacity, Credit, Data, End, Frame, Head, Ping, Pong, Started, encode
from tests.link_fixture import SECRET, AgentPeer, MemoryHub, token
from tests.test_agent_link import TOKEN, URL, LinkCase

RATE = 100
UNKNOWN = bytes((200, 0, 0, 0)) + bytes(8)


class HubTests(SynchronousTestCase):
    """A hub with two agents: what one does is no concern of the other's."""

    def setUp(self) -> None:
        self.hub = MemoryHub(LinkPolicy(SECRET, control_rate=RATE))
        self.agent = self.hub.agent(slots=1000)
        self.other = self.hub.agent(bearer=token("other"), agent_id="other")

    def ask(self) -> int:
        """A request that the agent has; its stream."""
        self.hub.app().ask()
        return max(frame.stream_id for frame in self.agent.frames() if hasattr(frame, "head"))

    def flood(self, *frames: Frame, raw: bytes = b"") -> int | None:
        """The code with which the link is closed at last, by a flood that comes one message each."""
        message = raw or b"".join(map(encode, frames))
        for _ in range(RATE + 1):
            self.agent.message(message)
        self.assertEqual(self.other.close_code, None)
        return self.agent.close_code

    def test_kinds(self) -> None:
        for frame in (Ping(1), Pong(1), Capacity(1)):
            self.setUp()
            self.assertEqual(self.flood(frame), 4429, frame)

    def test_unknown(self) -> None:
        """Skipped, but not for nothing."""
        self.assertEqual(self.flood(raw=UNKNOWN), 4429)

    def test_credit(self) -> None:
        self.other.say(Capacity(0))
        self.assertEqual(self.flood(Credit(self.ask(), 1)), 4429)

    def test_interim_heads(self) -> None:
        self.other.say(Capacity(0))
        stream = self.ask()
        self.agent.say(Started(stream))
        hints = Head(stream, b"HTTP/1.1 103 Early Hints\r\n\r\n", None, interim=True)
        self.assertEqual(self.flood(hints, hints), 4429)

    def test_in_one_message(self) -> None:
        """It is frames that count."""
        self.agent.message(encode(Ping(1)) * (RATE + 1))
        self.assertEqual(self.agent.close_code, 4429)

    def test_in_time(self) -> None:
        """As many as are allowed may go on for ever."""
        for _ in range(5):
            self.agent.message(encode(Ping(1)) * RATE)
            self.hub.clock.advance(1.0)
        self.assertEqual(self.agent.close_code, None)

    def test_requests_do_not_count(self) -> None:
        """Any number of small requests, and of tokens of an answer, are what a link is for."""
        self.other.say(Capacity(0))
        for _ in range(RATE):
            stream = self.ask()
            answer = [Started(stream), Head(stream, b"HTTP/1.1 200 OK\r\n\r\n", None)]
            self.agent.say(*answer, *[Data(stream, b"x")] * 20, End(stream, []))
        self.assertEqual(len(self.hub.finished), RATE)
        self.assertEqual({exchange.outcome for exchange in self.hub.finished}, {"ok"})
        self.assertEqual(self.agent.close_code, None)

    def test_no_limit(self) -> None:
        self.hub = MemoryHub(LinkPolicy(SECRET))
        self.agent = AgentPeer(self.hub)
        self.agent.hello()
        self.assertEqual(self.flood(Ping(1)), None)


class AgentTests(LinkCase):
    """An agent bears no more from its hub."""

    def setUp(self) -> None:
        super().setUp()
        factory = LinkFactory(self.clock, URL, TOKEN, self.shop, replace(self.link._policy, control_rate=RATE))
        link: AgentLink = factory.buildProtocol(None)
        transport = self.link.transport
        self.link, transport.protocol = link, link
        transport.stream.clear()
        link.makeConnection(transport)
        link.ended.addCallback(self.ends.append)
        self.linked()

    def test_flood(self) -> None:
        for number in range(RATE + 1):
            self.hub.send(Ping(number))
            self.settle()
        self.assertFalse(self.link.alive)
        self.assertIn("--control-rate", self.ends[-1].reason)
        self.assertIs(self.ends[-1].verdict, Verdict.LOST)
