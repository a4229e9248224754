"""What comes late, or is not understood, at the hub: nothing of it may do harm, or stay."""

from __future__ import annotations

import time
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from slime.direct import Corks
from slime.errors import ErrorCode
from slime.hub.doorstep import Doorstep
from slime.hub.outlet import Outlet
from slime.tunnel import Head, Hello, Open, Refused, Reset, Revoke, Revoked, Started
from slime.wslink import CloseCode
from tests.link_fixture import AgentPeer, MemoryHub, token
from tests.test_hub_links import OK_HEAD
from tests.test_hub_outlet import Owner, TransportTestCase


class LinkTests(SynchronousTestCase):
    """Agents' links."""

    def setUp(self) -> None:
        self.hub = MemoryHub()

    def test_token_outlives_its_link(self) -> None:
        """Nothing waits for the end of a token whose link is gone."""
        before = len(self.hub.clock.getDelayedCalls())
        agent = AgentPeer(self.hub, token(expires=time.time() + 1000))
        agent.hello()
        agent.leave()
        self.assertEqual(len(self.hub.clock.getDelayedCalls()), before)

    def test_other_version(self) -> None:
        """An agent that speaks another version of the protocol learns which one is spoken here."""
        agent = AgentPeer(self.hub)
        agent.tunnel.send(Hello(agent_id="id", name="worker", slots=1, versions=(9,)))
        agent.flush()
        self.assertEqual((agent.close_code, self.hub.pool.links), (CloseCode.PROTOCOL, []))

    def test_stream_that_is_over(self) -> None:
        """Its queue may become short after it has ended."""
        self.hub.agent()
        [link] = self.hub.pool.links
        link.resume(99)
        self.assertTrue(link.alive)


    def test_blame(self) -> None:
        """Whatever an agent calls the reason, it is neither the application's fault nor the hub's."""
        agent = self.hub.agent()
        for number, code in enumerate((ErrorCode.BAD_REQUEST, ErrorCode.INTERNAL, ErrorCode.UNSUPPORTED), 1):
            app = self.hub.app()
            app.ask()
            agent.frames()
            agent.say(Started(number), Reset(number, code, "why"))
            answer = app.taken()
            self.assertTrue(answer.startswith(b"HTTP/1.1 502 "), answer)
            self.assertIn(b"\r\nSlime-Error: upstream-broke\r\n", answer)


class AheadTests(SynchronousTestCase):
    """A request that was sent ahead to an agent whose slot is taken."""

    def setUp(self) -> None:
        self.hub = MemoryHub()
        self.agent = self.hub.agent(slots=1, prefetch=1)
        self.hub.app().ask()
        self.agent.frames()
        self.agent.say(Started(1))
        self.app = self.hub.app()
        self.app.ask(fields=b"Slime-Block: 1\r\nSlime-Timeout: 2\r\n")
        [ahead] = self.agent.frames()
        assert isinstance(ahead, Open)
        self.assertTrue(ahead.prefetch)

    def test_patience(self) -> None:
        """It waits at the agent no longer than it would at the hub. Only the agent knows whether it has begun."""
        self.hub.clock.advance(3)
        self.assertEqual((self.agent.frames(), self.app.taken()), ([Revoke(2)], b""))
        self.agent.say(Revoked(2))
        self.timed_out(b"no")

    def timed_out(self, started: bytes) -> None:
        """The application is told that it was too long, and whether its request has begun."""
        answer = self.app.taken()
        self.assertTrue(answer.startswith(b"HTTP/1.1 504 "), answer)
        self.assertIn(b"\r\nSlime-Error: queue-timeout\r\n", answer)
        self.assertIn(b"\r\nSlime-Started: %b\r\n" % started, answer)

    def test_begun_at_the_last_moment(self) -> None:
        """What had begun before the agent was asked for it goes on."""
        self.agent.say(Head(1, OK_HEAD, 0))
        self.hub.clock.advance(3)
        self.agent.say(Started(2))
        self.hub.clock.advance(60)
        self.agent.say(Head(2, OK_HEAD, 0))
        self.assertTrue(self.app.taken().startswith(b"HTTP/1.1 200 "))

    def test_too_late_for_others(self) -> None:
        """What is over its time goes to nobody else, though somebody is free; its agent refused it, or was lost."""
        self.hub.clock.advance(3)
        self.hub.agent(agent_id="idle")
        self.agent.say(Refused(2, ErrorCode.DRAINING))
        self.timed_out(b"no")

    def test_lost_when_too_late(self) -> None:
        """The same; it may have begun."""
        self.hub.clock.advance(3)
        self.agent.frames()
        idle = self.hub.agent(agent_id="idle")
        self.agent.leave()
        self.timed_out(b"unknown")
        self.assertEqual([frame for frame in idle.frames() if isinstance(frame, Open)][1:], [])

    def test_agent_says_nothing(self) -> None:
        """It is asked once, and has a short time to answer."""
        self.hub.clock.advance(3)
        self.hub.clock.advance(1.9)
        self.assertEqual((self.agent.frames(), self.app.taken()), ([Revoke(2)], b""))
        self.hub.clock.advance(0.2)
        self.timed_out(b"unknown")
        self.assertEqual(self.agent.frames(), [Reset(2, ErrorCode.CANCELLED)])

    def test_asked_for_already(self) -> None:
        """It was wanted elsewhere, and is asked for only once."""
        self.hub.pool._seats["worker-token/id"].service_time = 5.0
        self.hub.agent(agent_id="idle")
        self.hub.clock.advance(3)
        self.assertEqual(self.agent.frames(), [Revoke(2)])
        self.agent.say(Revoked(2))
        self.timed_out(b"no")

    def test_begun(self) -> None:
        """What has begun waits no longer, and may take its time."""
        self.agent.say(Head(1, OK_HEAD, 0), Started(2))
        self.hub.clock.advance(3)
        self.assertEqual(self.app.taken(), b"")
        self.agent.say(Head(2, OK_HEAD, 0))
        self.assertTrue(self.app.taken().startswith(b"HTTP/1.1 200 "))

    def test_begun_and_asked_for(self) -> None:
        """It will not come back, so somebody else may be asked."""
        self.hub.pool._seats["worker-token/id"].service_time = 5.0
        self.hub.agent(agent_id="idle")
        [exchange] = [one for one in self.hub.pool.exchanges if one.ticket.asked]
        self.agent.say(Head(1, OK_HEAD, 0), Started(2))
        self.assertFalse(exchange.ticket.asked)


class OutletTests(TransportTestCase):
    """The end of what is written."""

    def test_half_after_whole(self) -> None:
        """Whoever closes the connection closes our half of it, too; once."""
        outlet = Outlet(Owner(), self.transport, self.clock.seconds, Corks())
        outlet.end(linger=False)
        self.transport.ended = ""
        outlet.end_half()
        self.assertEqual(self.transport.ended, "")


class DoorstepTests(SynchronousTestCase):
    """A body that is complete when its exchange is over already."""

    def test_over(self) -> None:
        """It asks for no slot."""
        exchange, porch = mock.Mock(over=True), mock.Mock()
        step = Doorstep(porch, exchange, 5)
        step.body_finished([])
        exchange.body_finished.assert_called_once_with([])
        porch.left.assert_called_once_with(step)
        porch.enter.assert_not_called()
