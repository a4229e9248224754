"""What comes late, or is not understood, at the hub: nothing of it may do harm, or stay."""

from __future__ import annotations

import time
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from slime.direct import Corks
from slime.errors import ErrorCode
from slime.hub.doorstep import Doorstep
from slime.hub.outlet import Outlet
from slime.hub.seats import Seat
from slime.hub.terms import PoolLimits
from slime.tunnel import Capacity, Head, Hello, Open, Refused, Reset, Revoke, Revoked, Started
from slime.wslink import CloseCode
from tests.link_fixture import AgentPeer, AppPeer, MemoryHub, token
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

    def timed_out(self, started: bytes, text: str = "") -> None:
        """The application is told that it was too long, and whether its request has begun."""
        answer = self.app.taken()
        self.assertTrue(answer.startswith(b"HTTP/1.1 504 "), answer)
        self.assertIn(b"\r\nSlime-Error: queue-timeout\r\n", answer)
        self.assertIn(b"\r\nSlime-Started: %b\r\n" % started, answer)
        self.assertIn(text.encode(), answer)

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
        self.timed_out(b"unknown", "No agent became free in time: its agent does not say whether it has begun")
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


class SeveralAgentsCase(SynchronousTestCase):
    """Requests and agents that a test says what becomes of."""

    def setUp(self) -> None:
        self.hub = MemoryHub()

    def busy(self, name: str, *scopes: str, prefetch: int = 4) -> AgentPeer:
        """An agent whose slot is taken, and that takes 5 s for a request."""
        agent = AgentPeer(self.hub, token(name, scopes=scopes))
        agent.hello(agent_id=name, prefetch=prefetch)
        self.hub.app().ask(fields=b"".join(b"Slime-Scope: %b\r\n" % scope.encode() for scope in scopes))
        agent.frames()
        agent.say(Started(1))
        self.seat(name).service_time = 5.0
        return agent

    def seat(self, name: str) -> Seat:
        """What the dispatcher knows of an agent."""
        return self.hub.pool._seats[f"{name}-token/{name}"]

    def waiting(self, *fields: bytes, method: bytes = b"GET") -> AppPeer:
        """An application that waits."""
        app = self.hub.app()
        app.ask(fields=b"".join(field + b"\r\n" for field in (b"Slime-Block: 1", *fields)), method=method)
        return app

    def late(self, *fields: bytes, method: bytes = b"GET") -> AppPeer:
        """One that waits for two seconds."""
        return self.waiting(b"Slime-Timeout: 2", *fields, method=method)

    def told(self, app: AppPeer) -> tuple[bytes, bytes, bytes]:
        """The status of an error, what it is, and whether the request has begun."""
        head, _, _ = app.taken().partition(b"\r\n\r\n")
        start, *lines = head.split(b"\r\n")
        fields = dict(line.split(b": ", 1) for line in lines)
        return start.split(b" ")[1], fields[b"Slime-Error"], fields.get(b"Slime-Started", b"")

    def begun(self, *fields: bytes) -> tuple[AgentPeer, AppPeer]:
        """A request that has begun, at an agent that will be lost."""
        agent = self.hub.agent(agent_id="first", prefetch=0)
        app = self.hub.app()
        app.ask(fields=b"".join(field + b"\r\n" for field in fields))
        agent.frames()
        agent.say(Started(1))
        return agent, app

    def two_held(self) -> tuple[AgentPeer, AppPeer, AppPeer]:
        """Two requests are held at an agent; the second has little time."""
        agent = self.busy("agent")
        self.seat("agent").rtt = 20.0
        held, late = self.waiting(), self.late()
        agent.frames()
        self.seat("agent").rtt = 0.01
        return agent, held, late


class TooLateTests(SeveralAgentsCase):
    """Requests whose time ends at an agent."""

    def test_who_did_not_ask_to_wait(self) -> None:
        """May come again if the request has not begun, and only then."""
        self.hub = MemoryHub(limits=PoolLimits(arrival=2.0))
        agent = self.busy("agent")
        self.seat("agent").rtt = 20.0
        given_back, unknown = self.hub.app(), self.hub.app()
        for app in (given_back, unknown):
            app.ask()
        agent.frames()
        self.hub.clock.advance(2.2)
        self.assertEqual(agent.frames(), [Revoke(2), Revoke(3)])
        agent.say(Revoked(2))
        self.assertEqual(self.told(given_back), (b"503", b"all-busy", b"no"))
        self.hub.clock.advance(2.2)
        self.assertEqual(self.told(unknown), (b"504", b"queue-timeout", b"unknown"))

    def test_waiting_here(self) -> None:
        """What has gone to no agent has not begun."""
        app = self.late()
        self.hub.clock.advance(2.2)
        self.assertEqual(self.told(app), (b"504", b"queue-timeout", b"no"))

    def test_agent_that_says_nothing_of_one(self) -> None:
        """Meanwhile others are called back from other agents to slots that are free."""
        silent, other = self.busy("silent", "a"), self.busy("other", "c")
        late, held = self.late(b"Slime-Scope: a"), self.waiting(b"Slime-Scope: c")
        silent.frames(), other.frames()
        self.hub.clock.advance(3)
        self.assertEqual(silent.frames(), [Revoke(2)])
        idle = AgentPeer(self.hub, token("idle", scopes=("c",)))
        idle.hello(agent_id="idle")
        self.assertEqual(other.frames(), [Revoke(2)])
        other.say(Revoked(2))
        self.assertEqual(len([frame for frame in idle.frames() if isinstance(frame, Open)]), 1)
        self.assertEqual((late.taken(), held.taken()), (b"", b""))

    def test_begun_at_last_and_lost(self) -> None:
        """What has begun at the last moment is treated like all that have begun."""
        agent = self.busy("agent")
        app = self.late()
        agent.frames()
        agent.say(Head(1, OK_HEAD, 0))
        self.hub.clock.advance(2.2)
        agent.say(Started(2))
        self.hub.clock.advance(60)
        idle = self.hub.agent(agent_id="idle")
        agent.leave()
        self.assertEqual(len([frame for frame in idle.frames() if isinstance(frame, Open)]), 1)
        self.assertEqual(app.taken(), b"")

    def test_lost(self) -> None:
        """One whose agent is lost meanwhile is over its time, safe to repeat or not."""
        for method in (b"GET", b"POST"):
            agent = self.busy(f"agent-{method.decode()}")
            app = self.late(method=method)
            agent.frames()
            self.hub.clock.advance(2.2)
            agent.frames()
            agent.leave()
            self.assertEqual(self.told(app), (b"504", b"queue-timeout", b"unknown"))

    def test_let_in_when_it_is_late_itself(self) -> None:
        """One who waited for --concurrent, and is let in by the end of another that is as late, has made it."""
        self.hub = MemoryHub(limits=PoolLimits(concurrent=1))
        agent = self.hub.agent()
        first, second = self.late(b"Slime-Scope: gpu"), self.late()
        self.hub.clock.advance(2.2)
        self.assertEqual(self.told(first), (b"504", b"queue-timeout", b"no"))
        [offered] = agent.frames()
        self.hub.clock.advance(5)
        self.assertEqual((type(offered), agent.frames(), second.taken()), (Open, [], b""))


class FreeSlotTests(SeveralAgentsCase):
    """Nobody who will not take a slot stands before somebody who would."""

    def test_wanted_elsewhere(self) -> None:
        """One that was asked for a free slot will not take it any more: the other one is asked for."""
        agent, held, late = self.two_held()
        self.hub.clock.advance(1.9)
        idle = self.hub.agent(agent_id="idle")
        self.assertEqual(agent.frames(), [Revoke(3)])
        self.hub.clock.advance(0.3)
        self.assertEqual(agent.frames(), [Revoke(2)])
        agent.say(Revoked(3), Revoked(2))
        self.assertEqual(self.told(late), (b"504", b"queue-timeout", b"no"))
        self.assertEqual(len([frame for frame in idle.frames() if isinstance(frame, Open)]), 1)
        self.assertEqual(held.taken(), b"")

    def test_wanted_elsewhere_and_left(self) -> None:
        """The same if its application leaves."""
        agent, _, late = self.two_held()
        self.hub.agent(agent_id="idle")
        self.assertEqual(agent.frames(), [Revoke(3)])
        late.leave()
        self.assertEqual(agent.frames(), [Reset(3, ErrorCode.CANCELLED), Revoke(2)])

    def test_left_before_a_slot_is_free(self) -> None:
        """One whose application has left is not in the way of one that waits, whatever its agent says and when."""
        for says in (None, Reset(3, ErrorCode.CANCELLED)):
            self.setUp()
            agent, _, late = self.two_held()
            late.leave()
            if says is not None:
                agent.frames()
                agent.say(says)
            agent.frames()
            self.hub.agent(agent_id="idle")
            self.assertEqual(agent.frames(), [Revoke(2)])

    def test_wanted_elsewhere_and_unreachable(self) -> None:
        """One that ends otherwise leaves the slot that it was asked for to another one."""
        agent, _, _ = self.two_held()
        self.hub.agent(agent_id="idle")
        self.assertEqual(agent.frames(), [Revoke(3)])
        agent.say(Reset(3, ErrorCode.UPSTREAM_UNREACHABLE, "it refuses connections"))
        self.assertEqual(agent.frames(), [Revoke(2)])

    def test_drained_agent_that_says_nothing(self) -> None:
        """What it was asked for is not counted among those that will take a free slot."""
        silent, other = self.busy("silent", "a"), self.busy("other", "c")
        self.late(b"Slime-Scope: a"), self.waiting(b"Slime-Scope: c")
        silent.frames(), other.frames()
        self.hub.pool.drain_agent("silent-token/silent")
        self.assertEqual(silent.frames(), [Revoke(2)])
        idle = AgentPeer(self.hub, token("idle", scopes=("c",)))
        idle.hello(agent_id="idle")
        self.assertEqual(other.frames(), [Revoke(2)])


class BegunBeforeTests(SeveralAgentsCase):
    """What is told of a request that had begun at an agent that was lost."""

    def test_begun_elsewhere_before(self) -> None:
        """What has begun at an agent that is lost has begun, whatever becomes of it."""
        first, queued = self.begun(b"Slime-Block: 1", b"Slime-Timeout: 2")
        second = self.busy("second")
        first.leave()
        [ahead] = second.frames()
        self.hub.clock.advance(3)
        self.assertEqual((ahead.stream_id, second.frames()), (2, [Revoke(2)]))
        second.say(Revoked(2))
        self.assertEqual(self.told(queued), (b"504", b"queue-timeout", b"yes"))

    def test_begun_elsewhere_and_unreachable_here(self) -> None:
        first, app = self.begun(b"Slime-Block: 1")
        second = self.hub.agent(agent_id="second", prefetch=0)
        first.leave()
        second.frames()
        second.say(Reset(1, ErrorCode.UPSTREAM_UNREACHABLE, "it refuses connections"))
        self.assertEqual(self.told(app), (b"502", b"upstream-unreachable", b"yes"))

    def test_begun_elsewhere_and_refused_here(self) -> None:
        """Whatever the error is."""
        for fields, error in (((), b"all-busy"), ((b"Slime-Block: 1",), b"draining")):
            self.setUp()
            first, app = self.begun(*fields)
            second = self.hub.agent(agent_id="second", prefetch=0)
            first.leave()
            second.frames()
            second.say(Capacity(0), Refused(1, ErrorCode.ALL_BUSY))
            self.hub.pool.drain()
            self.assertEqual(self.told(app), (b"503", error, b"yes"))


class WaitTests(SeveralAgentsCase):
    """Which of its time was a wait."""

    def test_time_at_the_agent(self) -> None:
        """It counts as waiting, until the request begins."""
        agent = self.busy("agent")
        app = self.late()
        self.hub.clock.advance(1.5)
        agent.frames()
        agent.say(Head(1, OK_HEAD, 0), Started(2))
        self.hub.clock.advance(60)
        self.busy("other", prefetch=0)
        agent.leave()
        self.hub.clock.advance(0.4)
        self.assertEqual(app.taken(), b"")
        self.hub.clock.advance(0.3)
        self.assertEqual(self.told(app), (b"504", b"queue-timeout", b"yes"))

    def held_then_refused(self) -> tuple[AgentPeer, AppPeer]:
        """A request is held for 15 of its 20 s, refused, held elsewhere, and begins there a second later."""
        first = self.busy("first")
        app = self.waiting(b"Slime-Timeout: 20")
        first.frames()
        self.hub.clock.advance(15)
        second = self.busy("second")
        first.say(Capacity(0), Refused(2, ErrorCode.ALL_BUSY))
        second.frames()
        self.hub.clock.advance(1)
        second.say(Head(1, OK_HEAD, 0), Started(2))
        return second, app

    def test_time_at_two_agents(self) -> None:
        """All of it counts."""
        agent, app = self.held_then_refused()
        self.busy("third", prefetch=0)
        agent.leave()
        self.hub.clock.advance(3.9)
        self.assertEqual(app.taken(), b"")
        self.hub.clock.advance(0.3)
        self.assertEqual(self.told(app), (b"504", b"queue-timeout", b"yes"))

    def test_runs_at_two_agents(self) -> None:
        """The time in which it ran does not, even if it never waited between."""
        first, app = self.begun(b"Slime-Block: 1", b"Slime-Timeout: 20")
        self.hub.clock.advance(25)
        second = self.hub.agent(agent_id="second", prefetch=0)
        first.leave()
        second.frames()
        second.say(Started(1))
        self.busy("third", prefetch=0)
        second.leave()
        self.hub.clock.advance(19.9)
        self.assertEqual(app.taken(), b"")
        self.hub.clock.advance(0.3)
        self.assertEqual(self.told(app), (b"504", b"queue-timeout", b"yes"))


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
