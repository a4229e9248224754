"""The pool: who is admitted, who waits, who gets which slot, and what happens when everybody goes home."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from slime.errors import LocalProtocolError
from slime.hub.pool import AgentPool, PoolLimits
from slime.hub.seats import Rights
from tests.hub_fixture import Application, FakeLink, HubTestCase, Wanted

BLOCK = b"Slime-Block: 1"


class PoolTestCase(HubTestCase):
    """Applications that ask for ``/1``, ``/2`` and so on."""

    @property
    def pool(self) -> AgentPool:
        return self.hub.pool

    def ask(self, *fields: bytes, path: bytes = b"/") -> Application:
        app = self.application()
        app.get(path, *fields)
        return app

    def refusal(self, app: Application) -> tuple[int, bytes | None]:
        response = app.response()
        return response.status, response.field(b"slime-error")

    def targets(self, agent: FakeLink) -> list[bytes]:
        return [stream.head.target for stream in agent.streams.values()]


class AssignmentTests(PoolTestCase):
    """Slots and queue."""

    def test_why_not(self) -> None:
        self.assertEqual(self.refusal(self.ask()), (503, b"no-agent"))
        agent = self.hub.agent(rights=Rights(paths=frozenset({"/x"})))
        self.assertEqual(self.refusal(self.ask()), (503, b"no-match"))
        self.ask(path=b"/x")
        self.assertEqual(self.refusal(self.ask(path=b"/x")), (503, b"all-busy"))
        self.assertEqual(len(agent.streams), 1)
        self.assertEqual(self.ask().response().field(b"retry-after"), b"1")

    def test_in_order(self) -> None:
        """A freed slot serves who has waited longest, in the same turn."""
        agent = self.hub.agent()
        apps = [self.ask(BLOCK, path=b"/%d" % number) for number in range(4)]
        self.assertEqual((self.targets(agent), self.pool.waiting), ([b"/0"], 3))
        for _ in range(4):
            agent.answer()
        self.assertEqual(self.targets(agent), [b"/0", b"/1", b"/2", b"/3"])
        self.assertEqual([app.response().status for app in apps], [200] * 4)

    def test_agent_comes(self) -> None:
        waiting = [self.ask(BLOCK, path=b"/%d" % number) for number in range(3)]
        agent = self.hub.agent(slots=2)
        self.assertEqual((self.targets(agent), self.pool.waiting), ([b"/0", b"/1"], 1))
        self.assertEqual(waiting[2].received, b"")

    def test_capacity(self) -> None:
        agent = self.hub.agent(slots=0)
        self.ask(BLOCK)
        self.pool.resize(agent, 1)
        self.assertEqual(len(agent.streams), 1)
        self.pool.resize(agent, 0)
        agent.answer()
        self.assertEqual(self.refusal(self.ask()), (503, b"all-busy"))

    def test_patience(self) -> None:
        """Nobody waits longer than he likes, or than the hub allows."""
        self.hub.agent(slots=0)
        soon, later = self.ask(BLOCK, b"Slime-Timeout: 5"), self.ask(BLOCK)
        self.hub.clock.pump([1.0] * 4)
        self.assertEqual(soon.received, b"")
        self.hub.clock.pump([1.0, 0.2])
        self.assertEqual(self.refusal(soon), (504, b"queue-timeout"))
        self.hub.clock.pump([10.0] * 60)
        self.assertEqual((self.refusal(later), self.pool.waiting), ((504, b"queue-timeout"), 0))

    def test_patience_is_not_renewed(self) -> None:
        """Who waits again, as its agent was lost, has what is left; the time in which it ran does not count."""
        alpha, beta = self.hub.agent("alpha", slots=0), self.hub.agent("beta", slots=0)
        app = self.ask(BLOCK, b"Slime-Timeout: 5")
        for agent in (alpha, beta):
            self.hub.clock.pump([1.0] * 2)
            self.pool.resize(agent, 1)
            self.hub.clock.pump([1.0] * 9)
            agent.lose()
            if agent is alpha:
                self.assertEqual((app.received, self.pool.waiting), (b"", 1))
                self.hub.agent("gamma", slots=0)
        self.hub.clock.pump([0.5])
        self.assertEqual((app.received, self.pool.waiting), (b"", 1))
        self.hub.clock.pump([0.5, 0.2])
        self.assertEqual(self.refusal(app), (504, b"queue-timeout"))

    def test_patience_is_for_waiting(self) -> None:
        agent = self.hub.agent()
        first = self.ask(BLOCK)
        app = self.ask(BLOCK, b"Slime-Timeout: 5")
        agent.answer()
        self.hub.clock.pump([1.0] * 20)
        agent.answer()
        self.assertEqual((first.response().status, app.response().status), (200, 200))

    def test_link_that_cannot_carry_it(self) -> None:
        """What a link does not take costs the request, neither the slot nor those who wait for it."""
        agent = self.hub.agent()
        running, refused, after = (self.ask(BLOCK, path=b"/%d" % number) for number in range(3))
        agent.fail_to_open = LocalProtocolError("too many live streams")
        with capturedLogs() as logs:
            agent.answer()
        self.assertIn("too many live streams", formatEvent(logs[0]))
        self.assertEqual(len(logs), 2)
        self.assertEqual([self.refusal(app) for app in (refused, after)], [(500, b"internal")] * 2)
        agent.fail_to_open = None
        self.assertEqual(running.response().status, 200)
        self.ask(path=b"/3")
        self.assertEqual(self.targets(agent), [b"/0", b"/3"])

    def test_leaves_while_waiting(self) -> None:
        agent = self.hub.agent()
        apps = [self.ask(BLOCK, path=b"/%d" % number) for number in range(3)]
        apps[1].leave()
        self.assertEqual(self.pool.waiting, 1)
        agent.answer()
        self.assertEqual(self.targets(agent), [b"/0", b"/2"])

    def test_scope(self) -> None:
        chat = self.hub.agent("chat", Rights(scopes=frozenset({"chat"})))
        self.hub.agent("any")
        for _ in range(2):
            app = self.ask(b"Slime-Scope: chat")
        self.assertEqual((len(chat.streams), self.refusal(app)), (1, (503, b"all-busy")))


class AdmissionTests(PoolTestCase):
    """``--concurrent`` and ``--max-queue``."""

    wanted = Wanted(pool=PoolLimits(concurrent=2, max_queue=2))

    def setUp(self) -> None:
        super().setUp()
        self.agent = self.hub.agent(slots=4)
        self.running = [self.ask(path=b"/%d" % number) for number in range(2)]

    def test_not_more(self) -> None:
        self.assertEqual(self.refusal(self.ask()), (503, b"all-busy"))

    def test_next_one_is_admitted(self) -> None:
        app = self.ask(BLOCK, path=b"/2")
        self.assertEqual((self.pool.waiting, len(self.pool.exchanges)), (1, 3))
        self.agent.answer(number=1)
        self.assertEqual((self.targets(self.agent), self.pool.waiting), ([b"/0", b"/1", b"/2"], 0))
        self.agent.answer()
        self.assertEqual(app.response().status, 200)

    def test_admitted_to_wait(self) -> None:
        """Two queues one behind the other; the time runs from the beginning."""
        self.pool.resize(self.agent, 0)
        app = self.ask(BLOCK, b"Slime-Timeout: 5")
        self.hub.clock.pump([1.0] * 3)
        self.agent.answer(number=1)
        self.assertEqual(self.pool.waiting, 1)
        self.hub.clock.pump([1.0] * 2 + [0.2])
        self.assertEqual(self.refusal(app), (504, b"queue-timeout"))

    def test_too_many_wait(self) -> None:
        for _ in range(2):
            self.ask(BLOCK)
        self.assertEqual(self.refusal(self.ask(BLOCK)), (503, b"queue-full"))

    def test_too_many_wait_for_slots(self) -> None:
        hub = self.rebuild(Wanted(pool=PoolLimits(max_queue=1)))
        hub.agent(slots=0)
        self.ask(BLOCK)
        self.assertEqual(self.refusal(self.ask(BLOCK)), (503, b"queue-full"))

    def test_leaves_before_admission(self) -> None:
        first, second = self.ask(BLOCK, path=b"/2"), self.ask(BLOCK, path=b"/3")
        first.leave()
        self.assertEqual(self.pool.waiting, 1)
        self.agent.answer(number=1)
        self.assertEqual(self.targets(self.agent), [b"/0", b"/1", b"/3"])
        second.leave()
        self.agent.confirm()
        self.assertEqual(self.pool.waiting, 0)

    def test_patience_before_admission(self) -> None:
        app = self.ask(BLOCK, b"Slime-Timeout: 2")
        self.hub.clock.pump([1.0] * 2 + [0.2])
        self.assertEqual((self.refusal(app), self.pool.waiting), ((504, b"queue-timeout"), 0))

    def test_place_of_one_who_left(self) -> None:
        """It is free at once, though the agent's slot is not."""
        self.running[0].leave()
        self.ask(path=b"/2")
        self.assertEqual(self.targets(self.agent), [b"/0", b"/1", b"/2"])


class LinkTests(PoolTestCase):
    """Agents come and go."""

    def test_replaced(self) -> None:
        """A new link of an agent ends its old one, and what ran there is given elsewhere or fails."""
        old = self.hub.agent()
        app = self.ask(b"Slime-Retry: 1")
        new = self.hub.agent()
        self.assertEqual((old.said, self.pool.links), (["fence"], [new]))
        self.assertEqual(self.refusal(app), (502, b"agent-lost"))
        self.pool.leave(old)
        self.pool.resize(old, 5)
        self.ask()
        self.assertEqual((len(new.streams), self.refusal(self.ask())), (1, (503, b"all-busy")))

    def test_lost(self) -> None:
        agent = self.hub.agent()
        agent.lose()
        agent.lose()
        self.assertEqual((self.pool.links, self.refusal(self.ask())), ([], (503, b"no-agent")))

    def test_queue_waits_for_another(self) -> None:
        agent = self.hub.agent()
        self.ask(path=b"/0")
        self.ask(BLOCK, path=b"/1")
        agent.lose()
        other = self.hub.agent("beta")
        self.assertEqual(self.targets(other), [b"/1"])


class ShutdownTests(PoolTestCase):
    """The hub goes home."""

    def test_nothing_runs(self) -> None:
        agent = self.hub.agent()
        self.successResultOf(self.pool.drain())
        self.assertEqual(agent.said, ["drain"])
        self.assertEqual(self.refusal(self.ask(BLOCK)), (503, b"draining"))

    def test_what_runs_finishes(self) -> None:
        agent = self.hub.agent(slots=2)
        running, waiting = [self.ask() for _ in range(2)], self.ask(BLOCK)
        done = self.pool.drain()
        self.assertEqual(self.refusal(waiting), (503, b"draining"))
        agent.answer(number=1)
        self.assertNoResult(done)
        agent.answer(number=2)
        self.successResultOf(done)
        self.assertEqual([app.response().status for app in running], [200, 200])

    def test_who_waits_for_admission(self) -> None:
        self.rebuild(Wanted(pool=PoolLimits(concurrent=1)))
        agent = self.hub.agent()
        self.ask()
        waiting = [self.ask(BLOCK) for _ in range(3)]
        done = self.pool.drain()
        self.assertEqual({self.refusal(app) for app in waiting}, {(503, b"draining")})
        self.assertNoResult(done)
        agent.answer()
        self.successResultOf(done)
        self.assertEqual(len(agent.streams), 1)

    def test_last_one_leaves(self) -> None:
        self.hub.agent()
        app = self.ask()
        done = self.pool.drain()
        app.leave()
        self.successResultOf(done)


class StrangerTests(PoolTestCase):
    """Links that are not, or no longer, those of their agent."""

    def test_left_twice(self) -> None:
        """A link that is gone already, or was never here, changes nothing for the one that is."""
        old = self.hub.agent("alpha")
        new = self.hub.agent("alpha")
        for stranger in (old, object.__new__(FakeLink)):
            stranger.key = new.key
            self.pool.leave(stranger)
            self.pool.depart(stranger)
            self.pool.resize(stranger, 0)
        self.ask()
        self.assertEqual(len(new.streams), 1)

    def test_departed_and_replaced(self) -> None:
        """An agent's next process may be here before the last one has finished; each leaves for itself."""
        old = self.hub.agent("alpha")
        app = self.ask(path=b"/old")
        self.pool.depart(old)
        new = self.hub.agent("alpha")
        old.answer()
        self.pool.leave(old)
        self.assertEqual(app.response().status, 200)
        self.assertEqual(self.pool.links, [new])
        self.ask(path=b"/new")
        self.assertEqual(self.targets(new), [b"/new"])

    def test_unknown(self) -> None:
        """Nobody can be drained who is not here."""
        self.assertFalse(self.pool.drain_agent("token/nobody"))
