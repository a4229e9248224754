"""An agent that asks its upstream whether it is ready, and what it tells of itself meanwhile."""

from __future__ import annotations

from typing import cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.health import Health, Precautions
from slime.agent.link import LinkEnd, Verdict
from slime.agent.service import AgentService
from slime.errors import ErrorCode
from slime.tunnel import Capacity, Drain
from tests import test_agent_reconnect
from tests.test_agent_link import LinkCase
from tests.test_agent_service import ANSWER, ServiceCase


class ReadinessTests(ServiceCase):
    """Over sockets."""

    def capacities(self) -> list[int]:
        """The slots that the agent has offered after HELLO."""
        return [frame.slots for frame in self.end.frames if isinstance(frame, Capacity)]

    async def test_ready(self) -> None:
        """Nothing before the upstream has said that it is ready; and the asking ends with the agent."""
        agent = await self.linked(health_path="/ready", num_worker=2)
        await self.said(Capacity)
        self.assertEqual(self.capacities(), [0])
        await self.upstream.when(lambda: self.upstream.connections and self.upstream.last.received)
        self.assertTrue(self.upstream.last.received.startswith(b"GET /base/ready HTTP/1.1\r\n"))
        self.upstream.last.send(ANSWER)
        await self.hub.when(lambda: self.capacities() == [0, 2])
        await agent.stopService()  # trial would find what still asks in the reactor

    async def test_service_manager(self) -> None:
        """It is told when the agent is of use, and how many of its links there are."""
        agent = cast(AgentService, await self.linked())
        await agent.when_ready()
        self.assertEqual(agent.status(), "1 of 1 agents are linked to the hub")
        await agent.stopService()
        self.assertEqual(agent.status(), "0 of 1 agents are linked to the hub")


class LastWordTests(LinkCase):
    """A hub that is about to stop."""

    def test_said_twice(self) -> None:
        """The link is over once, whatever the hub repeats."""
        hub = self.linked()
        for _ in range(2):
            hub.send(Drain())
            self.settle()
        self.assertEqual([end.verdict for end in self.ends], [Verdict.MOVING])
        self.assertTrue(self.link.alive)


class MovingTests(SynchronousTestCase):
    """A hub that hands over."""

    def rest(self, lived: float) -> float:
        """Seconds before its successor is dialled."""
        return test_agent_reconnect.BackoffTests()._rests([LinkEnd("moving", Verdict.MOVING, lived)])[0]

    def test_successor(self) -> None:
        """It is there already, so it is dialled at once; but not by who was thrown out as soon as it came."""
        self.assertEqual((self.rest(2.0), self.rest(1.9)), (0.0, 1.0))


class UnheardTests(SynchronousTestCase):
    """An upstream's health before any link is there."""

    def test_nobody_cares(self) -> None:
        """It is known all the same."""
        health = Health(Clock(), 3, Precautions(), "upstream")
        for _ in range(5):
            health.failed(ErrorCode.UPSTREAM_UNREACHABLE, "refused")
        self.assertEqual(health.capacity, 0)
        health.stop()
