"""What comes late, or is not understood, at the hub: nothing of it may do harm, or stay."""

from __future__ import annotations

import time
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from slime.direct import Corks
from slime.hub.doorstep import Doorstep
from slime.hub.outlet import Outlet
from slime.tunnel import Hello
from slime.wslink import CloseCode
from tests.link_fixture import AgentPeer, MemoryHub, token
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
        exchange = mock.Mock(over=True)
        enter = mock.Mock()
        Doorstep(exchange, 5, enter).body_finished([])
        exchange.body_finished.assert_called_once_with([])
        enter.assert_not_called()
