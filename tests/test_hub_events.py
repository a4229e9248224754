"""What a hub tells the program that embeds it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.web.resource import Resource
from twisted.web.static import Data

from slime.hub.events import AgentJoined, AgentLeft, ExchangeBegan, ExchangeEnded, HubEvent
from slime.hub.info import ExchangeInfo, bounded
from slime.tunnel import Hello
from tests.hub_fixture import FakeLink, request
from tests.test_hub_service import ServiceTestCase


class EventCase(ServiceTestCase):
    """A hub, and somebody who listens."""

    def setUp(self) -> None:
        super().setUp()
        self.told: list[HubEvent] = []
        self.hear: Callable[[HubEvent], object] = self.told.append
        self.embedding = {"tree": self.tree, "on_event": lambda event: self.hear(event)}

    def tree(self, gateway: Resource) -> Resource:
        """What the embedding program shows."""
        root = Resource()
        root.putChild(b"", Data(b"welcome", "text/plain"))
        root.putChild(b"v1", gateway)
        return root

    def taken(self) -> list[HubEvent]:
        """What has been told since this was asked last."""
        self.turn()
        told = list(self.told)
        self.told.clear()
        return told


class AgentTests(EventCase):
    """Agents come and go."""

    def test_agents(self) -> None:
        """Each link is told of when it begins and when it ends, and is listed meanwhile."""
        hub = self.build()
        agent = self.agent("ann")
        self.assertEqual(self.told, [])
        (joined,) = self.taken()
        assert isinstance(joined, AgentJoined)
        self.assertEqual(hub.agents, [joined.agent])
        about = joined.agent
        self.assertEqual((about.number, about.key, about.name, about.agent_id), (1, "token/ann", "ann", "ann-id"))
        self.assertEqual((about.token_id, about.scopes, about.scope_paths), ("token", ("gpu",), ()))
        self.assertEqual((about.slots, about.software, about.hardware), (0, "", {}))
        agent.lose()
        self.assertEqual(self.taken(), [AgentLeft(about, "because")])
        self.assertEqual(hub.agents, [])

    def test_replaced(self) -> None:
        """A new link of the same agent ends its old one, and is told apart from it."""
        hub = self.build()
        self.agent()
        new = self.agent()
        numbers = [(type(event), event.agent.number) for event in self.taken()
                   if isinstance(event, AgentJoined | AgentLeft)]  # fmt: skip
        self.assertEqual(numbers, [(AgentJoined, 1), (AgentLeft, 1), (AgentJoined, 2)])
        self.assertEqual([agent.number for agent in hub.agents], [2])
        new.lose()

    def test_what_it_says_of_itself(self) -> None:
        """Which is bounded, and steers no terminal."""
        hub = self.build()
        report = {"gpus": ["\x1b[2J" + "x" * 999], "a\nb": 1, "deep": {"x": {}}, **{f"n{n}": n for n in range(99)}}
        self.patch(FakeLink, "hello", Hello(agent_id="a", name="n", slots=3, hardware=report, upstream="u"))
        self.agent()
        (agent,) = hub.agents
        self.assertEqual((agent.slots, agent.upstream, agent.hardware), (3, "u", bounded(report)))
        self.assertEqual(agent.hardware["gpus"], ["?[2J" + "x" * 252])
        self.assertEqual(agent.hardware["a?b"], 1)
        self.assertEqual((len(agent.hardware), "deep" in agent.hardware), (15, False))


class ExchangeTests(EventCase):
    """Requests come and are answered."""

    def exchanges(self) -> list[tuple[type, ExchangeInfo]]:
        """What was told of requests."""
        return [(type(event), event.exchange) for event in self.taken()
                if isinstance(event, ExchangeBegan | ExchangeEnded)]  # fmt: skip

    def test_whole(self) -> None:
        """From its arrival to its end."""
        hub = self.build()
        self.turn(1)
        agent, app = self.agent(), self.application()
        app.send(request(b"/v1/x?secret=1", method=b"POST", body=b"hello"))
        self.turn(2)
        (info,) = hub.exchanges
        self.assertEqual((info.phase, info.agent, info.bytes_in, info.took), ("sent", "alpha", 5, None))
        agent.answer(body=b"answer")
        (began, before), (ended, after) = self.exchanges()
        self.assertEqual((began, ended), (ExchangeBegan, ExchangeEnded))
        self.assertEqual((before.method, before.path, before.phase, before.agent), ("POST", "/v1/x", "waiting", ""))
        self.assertEqual((before.agent_key, after.agent_key), ("", "token/alpha"))
        self.assertEqual((before.outcome, before.status, before.waited), ("", 0, None))
        self.assertEqual((after.request_id, after.application), (before.request_id, before.application))
        self.assertEqual((after.outcome, after.status, after.agent, after.bytes_out), ("ok", 200, "alpha", 6))
        self.assertEqual([round(moment or 0) for moment in (after.waited, after.first_byte, after.took)], [2, 2, 2])
        self.assertEqual(hub.exchanges, [])

    def test_each_ends(self) -> None:
        """Also those that never had an agent, or were never to have one."""
        self.build(max_body=5)
        self.application().get(b"/v1/nobody")
        self.application().send(request(b"/v1/large", method=b"PUT", body=b"123456"))
        waiting = self.application()
        waiting.get(b"/v1/leaves", b"Slime-Block: 1")
        waiting.leave()
        told = self.exchanges()
        self.assertEqual([kind for kind, _ in told], [ExchangeBegan, ExchangeEnded] * 3)
        self.assertEqual([info.outcome for kind, info in told if kind is ExchangeEnded],
                         ["no-agent", "body-too-large", "left"])  # fmt: skip

    def test_own_pages(self) -> None:
        """The program's own pages are there, and are no exchanges."""
        self.build()
        app = self.application()
        app.get(b"/")
        self.assertEqual(app.response().body, b"welcome")
        self.assertEqual(self.exchanges(), [])

    def test_addresses(self) -> None:
        """Where it listens, while it does."""
        hub = self.build(listen=("tcp:4711:interface=127.0.0.1",))
        self.assertEqual([address.port for address in hub.addresses()], [4711])  # type: ignore[attr-defined]
        done = hub.stopService()
        self.turn()
        self.successResultOf(done)
        self.assertEqual(hub.addresses(), [])


class HearerTests(EventCase):
    """Whoever listens may do what it likes."""

    def test_raises(self) -> None:
        """The hub goes on, and so does the telling."""
        heard: list[str] = []

        def hear(event: HubEvent) -> None:
            heard.append(type(event).__name__)
            raise RuntimeError("of the program's own")

        self.hear = hear
        self.build()
        self.agent().lose()
        self.turn()
        self.assertEqual(heard, ["AgentJoined", "AgentLeft"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_acts(self) -> None:
        """It is called when nothing else is going on, so it can send agents away, or stop the hub."""
        hub = self.build()
        self.hear = lambda event: [link.end() for link in hub.pool.links]
        self.agent()
        self.agent("other")
        self.turn()
        self.assertEqual(hub.agents, [])

    def test_nobody(self) -> None:
        """Nobody has to listen."""
        self.embedding = {}
        hub = self.build()
        self.agent().lose()
        self.application().get(b"/")
        self.assertEqual((hub.agents, hub.exchanges), ([], []))
        self.assertIsNone(hub.gateway.began)
