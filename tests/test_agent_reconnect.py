"""The loop that keeps an agent linked, stopped at every stage; and how long it rests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.egress import ProxyError, ProxyRefusal
from slime.agent.link import AgentLink, LinkEnd, LinkFactory, LinkPolicy, Verdict
from slime.agent.reconnect import Backoff, Hub, LinkKeeper
from slime.tunnel import Hello
from tests.agent_fakes import scripted_shop

LOST = LinkEnd("lost")
REFUSED = LinkEnd("no", Verdict.REFUSED)


class BackoffTests(SynchronousTestCase):
    def _rests(self, ends: list[LinkEnd], chance: float = 1.0, longest: float = 60.0) -> list[float]:
        backoff = Backoff(longest, lambda: chance)
        return [backoff.after(end) for end in ends]

    def test_bound_grows(self) -> None:
        self.assertEqual(self._rests([LOST] * 4), [1, 1.5, 2.25, 3.375])
        self.assertEqual(self._rests([LOST] * 40)[-1], 60)

    def test_short_beside_the_time_before_it(self) -> None:
        """Whatever chance does: a hub that was away for seconds has its agents back within seconds."""
        rests = self._rests([LOST] * 12)
        self.assertEqual(rests[4:6], [4, 4])
        for number, rest in enumerate(rests):
            self.assertLessEqual(rest, max(4, sum(rests[:number]) / 4))
        self.assertGreater(rests[-1], 4)

    def test_bound_stays(self) -> None:
        """Not even after days is there an overflow."""
        self.assertEqual(self._rests([LOST] * 3000)[-1], 60)

    def test_full_jitter(self) -> None:
        self.assertEqual(self._rests([LOST] * 3, chance=0.0), [0, 0, 0])

    def test_link_that_lived_begins_anew(self) -> None:
        """However often it is lost: who holds in between is back within a second."""
        lived = LinkEnd("lost", lived=2.0)
        self.assertEqual(self._rests([LOST, LOST, LOST, lived, lived, LOST]), [1, 1.5, 2.25, 1, 1, 1.5])

    def test_welcome_alone_is_no_new_beginning(self) -> None:
        """A hub that drops every link after a moment is not dialled every second."""
        self.assertEqual(self._rests([LinkEnd("lost", lived=1.9)] * 4), [1, 1.5, 2.25, 3.375])

    def test_refusal_is_slow(self) -> None:
        self.assertEqual(self._rests([REFUSED, REFUSED]), [30, 30])
        self.assertEqual(self._rests([REFUSED, REFUSED], chance=0.0), [15, 15])

    def test_refusal_grows_to_the_longest_rest(self) -> None:
        self.assertEqual(self._rests([REFUSED] * 12)[-1], 60)
        self.assertEqual(self._rests([REFUSED], longest=5.0), [5])

    def test_hub_asks_for_time(self) -> None:
        """Nobody comes back before it, nor do all come back with it."""
        asked = LinkEnd("draining", retry_after=10.0)
        self.assertEqual((self._rests([asked]), self._rests([asked], chance=0.0)), ([20], [10]))


class ScriptedEndpoint:
    """Connects when the test says so."""

    def __init__(self) -> None:
        self.factory: Any = None
        self.attempts: list[Deferred[Any]] = []
        self.cancelled = 0

    def connect(self, factory: Any) -> Deferred[Any]:
        self.factory = factory
        self.attempts.append(Deferred(self._cancel))
        return self.attempts[-1]

    def _cancel(self, attempt: Deferred[Any]) -> None:
        self.cancelled += 1

    def succeed(self) -> AgentLink:
        """The connection is there, and the handshake under way."""
        link: AgentLink = self.factory.buildProtocol(None)
        link.makeConnection(_Transport())
        self.attempts[-1].callback(link)
        return link

    def fail(self, error: Exception) -> None:
        self.attempts[-1].errback(error)


class _Transport(StringTransport):
    def abortConnection(self) -> None:
        self.disconnecting = True


class KeeperTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.endpoint = ScriptedEndpoint()
        shop, _ = scripted_shop()
        policy = LinkPolicy(Hello(agent_id="a1", name="host", slots=1), 10.0, 20.0)
        factory = LinkFactory(self.clock, "ws://hub:80/v1/agent/tunnel", "token", shop, policy)
        endpoint = cast(IStreamClientEndpoint, self.endpoint)
        hub = Hub("http://hub", endpoint, 10.0)
        self.keeper = LinkKeeper(self.clock, hub, factory, Backoff(60.0, lambda: 1.0))

    def logged(self, happening: Callable[[], object]) -> Sequence[Any]:
        with capturedLogs() as events:
            happening()
        return events

    def assert_idle(self) -> None:
        """Nothing is left that could do anything."""
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unreachable_hub_is_dialled_again(self) -> None:
        self.keeper.start()
        events = self.logged(lambda: self.endpoint.fail(ConnectError()))
        self.assertIn("error occurred while connecting", events[0]["reason"])
        self.assertEqual((events[0]["hub"], events[0]["rest"]), ("http://hub", 1.0))
        self.clock.advance(0.9)
        self.assertEqual(len(self.endpoint.attempts), 1)
        self.clock.advance(0.1)
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_proxy_that_refuses_is_asked_seldom(self) -> None:
        """It would refuse again; one that fails in another way is like a hub that is away. None is a bug of ours."""
        for error, rest in ((ProxyRefusal("the proxy p:1: no"), 30.0), (ProxyError("the proxy p:1: no"), 1.0)):
            self.setUp()
            self.keeper.start()
            (event,) = self.logged(lambda error=error: self.endpoint.fail(error))  # type: ignore[misc]
            self.assertEqual((event["reason"], event["rest"]), ("cannot connect: the proxy p:1: no", rest))

    def test_connection_takes_too_long(self) -> None:
        self.keeper.start()
        self.clock.advance(10)
        self.assertEqual(self.endpoint.cancelled, 1)
        self.clock.advance(1)
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_refused_token(self) -> None:
        self.keeper.start()
        link = self.endpoint.succeed()
        answer = b"HTTP/1.1 401 No\r\nSlime-Error: unauthorized\r\n\r\n"
        events = self.logged(lambda: link.dataReceived(answer))
        self.assertEqual(events[-1]["reason"], "the hub answers 401 unauthorized")
        self.assertEqual(events[-1]["rest"], 30.0)

    def test_lost_link_is_dialled_again(self) -> None:
        self.keeper.start()
        self.endpoint.succeed().connectionLost(Failure(ConnectError()))
        self.clock.advance(1)
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_bug_is_logged(self) -> None:
        """And does not end the agent, which would look alive and serve nobody."""
        self.keeper.start()
        self.endpoint.fail(KeyError("bug"))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.clock.advance(1)
        self.assertEqual(len(self.endpoint.attempts), 2)

    def test_bug_elsewhere_is_logged(self) -> None:
        self.keeper.start()
        self.patch(self.keeper, "_backoff", None)
        self.endpoint.fail(ConnectError())
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_stop_before_start(self) -> None:
        self.assertIsNone(self.successResultOf(self.keeper.stop(0)))

    def test_stop_while_connecting(self) -> None:
        self.keeper.start()
        self.assertIsNone(self.successResultOf(self.keeper.stop(5)))
        self.assertEqual(self.endpoint.cancelled, 1)
        self.assert_idle()

    def test_endpoint_with_an_error_of_its_own(self) -> None:
        """Twisted's TCP endpoints do not fail with CancelledError when they are cancelled."""
        self.keeper.start()
        self.endpoint.attempts[-1]._canceller = lambda attempt: attempt.errback(ConnectingCancelledError(None))
        self.assertEqual(self.logged(lambda: self.successResultOf(self.keeper.stop(5))), [])
        self.assert_idle()

    def test_stop_while_resting(self) -> None:
        self.keeper.start()
        self.endpoint.fail(ConnectError())
        self.assertIsNone(self.successResultOf(self.keeper.stop(5)))
        self.assert_idle()

    def test_stop_while_shaking_hands(self) -> None:
        self.keeper.start()
        link = self.endpoint.succeed()
        stopped = self.keeper.stop(5)
        self.assertTrue(link.transport.disconnecting)
        self.assertNoResult(stopped)
        link.connectionLost(Failure(ConnectError()))
        self.assertIsNone(self.successResultOf(stopped))
        self.assert_idle()

    def _serving(self) -> AgentLink:
        """A link whose requests end when the test says so."""
        self.keeper.start()
        link = self.endpoint.succeed()
        self.drained: Deferred[None] = Deferred()
        link.drain = lambda: self.drained  # type: ignore[method-assign]
        return link

    def test_stop_waits_for_what_runs(self) -> None:
        link = self._serving()
        stopped = self.keeper.stop(5)
        self.clock.advance(4)
        self.assertFalse(link.transport.disconnecting)
        self.drained.callback(None)
        link.connectionLost(Failure(ConnectError()))
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual(len(self.endpoint.attempts), 1)
        self.assert_idle()

    def test_stop_does_not_wait_for_ever(self) -> None:
        link = self._serving()
        stopped = self.keeper.stop(5)
        events = self.logged(lambda: self.clock.advance(5))
        self.assertIn("grace is over", events[0]["log_format"])
        self.assertTrue(link.transport.disconnecting)
        link.connectionLost(Failure(ConnectError()))
        self.assertIsNone(self.successResultOf(stopped))
        self.assert_idle()

    def test_link_is_lost_while_stopping(self) -> None:
        """It is not dialled again."""
        self.keeper.start()
        link = self.endpoint.succeed()
        link._welcomed_at = 0.0
        self.patch(AgentLink, "alive", True)
        self.patch(link, "send", lambda frame: None)
        stopped = self.keeper.stop(5)
        self.assertNoResult(stopped)
        link.connectionLost(Failure(ConnectError()))
        self.assertIsNone(self.successResultOf(stopped))
        self.assert_idle()
        self.assertEqual(len(self.endpoint.attempts), 1)
