"""What an agent makes of its upstream's failures and of probes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionAborted
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone

from slime.agent.health import STRIKES, Health, Precautions
from slime.agent.probe import Probe
from slime.agent.worker import Worker
from slime.errors import ErrorCode
from slime.tunnel import Capacity, Open, Refused
from tests.agent_fakes import HEAD, LinkStub, scripted_shop

UNREACHABLE = ErrorCode.UPSTREAM_UNREACHABLE


class HealthCase(SynchronousTestCase):
    precautions = Precautions()

    def setUp(self) -> None:
        self.clock = Clock()
        self.health = Health(self.clock, 3, self.precautions, "upstream")
        self.capacities: list[int] = []
        self.health.changed = lambda: self.capacities.append(self.health.capacity)

    def refuse(self, times: int = 1) -> None:
        """Requests fail."""
        for _ in range(times):
            self.health.failed(UNREACHABLE, "refused")


class GuardTests(HealthCase):
    def test_a_few_failures(self) -> None:
        """They are borne, and forgotten with an answer."""
        for _ in range(3):
            self.refuse(STRIKES - 1)
            self.health.answered(200, 0.0)
        self.assertEqual((self.capacities, self.clock.getDelayedCalls()), ([], []))

    def test_rest_and_trial(self) -> None:
        """Nothing for a while, then one request; with its answer all is well."""
        self.refuse(STRIKES)
        self.clock.advance(0.5)
        self.health.answered(200, 0.5)
        self.assertEqual(self.capacities, [0, 1, 3])

    def test_rests_grow(self) -> None:
        """Each trial that fails makes the rest longer, to half a minute."""
        self.refuse(STRIKES)
        rests = []
        for _ in range(8):
            [call] = self.clock.getDelayedCalls()
            rests.append(call.getTime() - self.clock.seconds())
            self.clock.advance(rests[-1])
            self.refuse()
        self.assertEqual(rests, [0.5, 1, 2, 4, 8, 16, 30, 30])

    def test_other_failures(self) -> None:
        """An answer that is cut or late says nothing of the next."""
        for _ in range(20):
            self.health.failed(ErrorCode.UPSTREAM_BROKE, "cut")
        self.assertEqual(self.capacities, [])

    def test_failures_while_resting(self) -> None:
        """What was running when the rest began does not prolong it; an answer among it ends it."""
        self.refuse(STRIKES + 3)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.health.answered(200, 0.0)
        self.assertEqual((self.capacities, self.clock.getDelayedCalls()), ([0, 3], []))

    def test_status_is_the_application_s_business(self) -> None:
        """Unless it is to be guarded."""
        for _ in range(20):
            self.health.answered(500, 0.0)
        self.assertEqual(self.capacities, [])


class GuardedStatusTests(HealthCase):
    precautions = Precautions(by_status=True)

    def test_immediate(self) -> None:
        """Server errors at once are failures; those that took work are not."""
        for _ in range(STRIKES):
            self.health.answered(503, 0.0)
        self.assertEqual(self.capacities, [0])

    def test_worked_on(self) -> None:
        self.clock.advance(1.0)
        for _ in range(20):
            self.health.answered(500, 0.0)
        self.assertEqual(self.capacities, [])


class Answer:
    """As treq has it.

    :param end: how its body ends; ``None`` if it never does.
    :ivar aborted: whether its connection was closed.
    """

    def __init__(self, code: int, end: Failure | None = None) -> None:
        self.code = code
        self.aborted = False
        self._end = end

    def deliverBody(self, protocol: Any) -> None:
        self._reader = protocol
        protocol.makeConnection(self)
        protocol.dataReceived(b"body")
        if self._end is not None:
            protocol.connectionLost(self._end)

    def abortConnection(self) -> None:
        """As the transport of its own body."""
        self.aborted = True
        self._reader.connectionLost(Failure(ConnectionAborted()))


class ProbeTests(HealthCase):
    precautions = Precautions("/ready", 2.0)

    def setUp(self) -> None:
        super().setUp()
        _, client = scripted_shop()
        client.target.origin = "http://upstream"
        client.target.address = type("Address", (), {"base_path": b"/base"})()
        self.probe = Probe(self.clock, client, self.precautions, self.health)  # type: ignore[arg-type]
        self.asked: list[str] = []
        self.answers: list[Deferred[Any]] = []
        self.probe._treq = self  # type: ignore[assignment]

    def get(self, url: str, **more: Any) -> Deferred[Any]:
        """As treq has it."""
        self.asked.append(url)
        return self.answers.pop(0)

    def answer(self, code: int) -> None:
        """What the next probe is answered."""
        self.answers.append(succeed(Answer(code, Failure(ResponseDone()))))

    def test_readiness(self) -> None:
        """No capacity until the first good answer, none after a bad one."""
        self.assertEqual(self.health.capacity, 0)
        for code in (503, 204, 404, 302):
            self.answer(code)
        self.probe.start()
        self.clock.pump([2.0] * 3)
        self.probe.stop()
        self.assertEqual((self.asked, self.capacities), (["http://upstream/base/ready"] * 4, [3, 0, 3]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_answer(self) -> None:
        """Neither errors nor silence are readiness."""
        self.answer(200)
        silent: Deferred[Any] = Deferred()
        self.answers += [silent, fail(ValueError("refused"))]
        self.probe.start()
        self.clock.advance(2.0)
        self.assertEqual(self.capacities, [3])
        self.clock.advance(2.0)
        self.clock.advance(2.0)
        self.assertEqual((self.capacities, len(self.asked)), ([3, 0], 3))
        self.probe.stop()


    def test_answer_without_end(self) -> None:
        """It is not waited for until it is one connection of many."""
        endless = Answer(200)
        self.answers.append(succeed(endless))
        self.probe.start()
        self.assertEqual((self.capacities, endless.aborted), ([], False))
        self.clock.advance(2.0)
        self.assertEqual((self.capacities, endless.aborted), ([], True))

    def test_broken_answer(self) -> None:
        """Its end counts, too."""
        self.answers.append(succeed(Answer(200, Failure(ConnectionAborted()))))
        self.answer(200)
        self.probe.start()
        self.assertEqual(self.capacities, [])
        self.clock.advance(2.0)
        self.assertEqual(self.capacities, [3])
        self.probe.stop()
        self.probe.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ShopTests(SynchronousTestCase):
    def test_rest(self) -> None:
        """Hubs are told first, and then get back what waits."""
        shop, _ = scripted_shop()
        hub = LinkStub()
        shop.hubs.add(hub)
        shop.admit(Worker(shop, hub, Open(1, HEAD, 0)), ahead=False)
        shop.admit(Worker(shop, hub, Open(2, HEAD, 0)), ahead=True)
        for _ in range(STRIKES):
            shop.failed(UNREACHABLE, "refused")
        self.assertEqual(hub.sent, [Capacity(0), Refused(2, ErrorCode.ALL_BUSY)])
        shop.drain()
        shop.health.answered(200, 0.0)
        self.assertEqual(len(hub.sent), 2)
