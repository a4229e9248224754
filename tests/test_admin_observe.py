"""Counting, and the last hour."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.hub.history import KEPT, STEP
from slime.hub.observe import BOUNDS, Histogram, Observer, failures, quantile
from tests.admin_fixture import AdminCase


def exchange(**members: Any) -> Any:
    """A finished exchange, as far as the observer looks."""
    usual: dict[str, Any] = {
        "outcome": "ok", "status": 200, "queued_at": 100.0, "started_at": 100.5, "answered_at": 101.0,
        "finished_at": 103.0, "bytes_in": 10, "requeues": 0, "returns": 0,
        "request": SimpleNamespace(answer_bytes=20), "wishes": SimpleNamespace(block=False),
    }  # fmt: skip
    return SimpleNamespace(**{**usual, **members})


class HistogramTests(SynchronousTestCase):
    """Durations in classes."""

    def test_bounds(self) -> None:
        """Ten for each power of ten, from 0.1 ms to 1000 s."""
        self.assertEqual((BOUNDS[0], BOUNDS[10], BOUNDS[40], BOUNDS[-1], len(BOUNDS)), (1e-4, 1e-3, 1.0, 1000.0, 71))
        self.assertEqual(sorted(set(BOUNDS)), list(BOUNDS))

    def test_extremes(self) -> None:
        """Nothing is too short or too long."""
        histogram = Histogram()
        for seconds in (0.0, 1e-4, 1e9, -1e-3):
            histogram.add(seconds)
        self.assertEqual((histogram.counts[0], histogram.counts[-1]), (3, 1))
        self.assertEqual(quantile(histogram.counts, 1.0), 1000.0)

    def test_empty(self) -> None:
        self.assertIsNone(quantile(Histogram().counts, 0.5))

    @given(st.lists(st.floats(1e-4, 1000.0), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
    def test_quantile(self, durations: list[float], share: float) -> None:
        """A quantile is off by no more than the width of its class."""
        histogram = Histogram()
        for seconds in durations:
            histogram.add(seconds)
        found = quantile(histogram.counts, share)
        rank = max(0, -int(-share * len(durations) // 1) - 1)
        true = sorted(durations)[rank]
        assert found is not None
        self.assertLessEqual(true / 1.28, found + 1e-4)
        self.assertLessEqual(found, true * 1.28)


class ObserverTests(SynchronousTestCase):
    """Numbers that only grow."""

    def setUp(self) -> None:
        self.observer = Observer(lambda: 1000.0)

    def test_finished(self) -> None:
        observer = self.observer
        observer.finished(exchange(requeues=2, returns=1))
        observer.finished(exchange(status=503))
        self.assertEqual(dict(observer.exchanges), {("ok", 2): 1, ("ok", 5): 1})
        self.assertEqual((observer.bytes_in, observer.bytes_out), (20, 40))
        self.assertEqual((observer.requeues, observer.returns), (2, 1))
        self.assertEqual((observer.wait.total, observer.run.total, observer.first_byte.total), (1.0, 5.0, 2.0))

    def test_without_an_answer(self) -> None:
        """What did not happen has no duration."""
        self.observer.finished(exchange(outcome="left", answered_at=0.0))
        self.assertEqual((sum(self.observer.run.counts), sum(self.observer.first_byte.counts)), (1, 0))

    def test_waited_in_vain(self) -> None:
        """A wait that led to nothing is a wait; a refusal at once is none."""
        for block in (True, False):
            wishes = SimpleNamespace(block=block)
            self.observer.finished(exchange(outcome="queue-timeout", status=504, started_at=0.0, wishes=wishes))
        self.assertEqual((self.observer.wait.total, sum(self.observer.wait.counts)), (3.0, 1))
        self.assertEqual(sum(self.observer.run.counts), 0)

    def test_failures(self) -> None:
        """Errors of the hub and of upstreams are failures; that an application left is not."""
        ended = {("ok", 2): 1, ("ok", 4): 2, ("ok", 5): 4, ("left", 0): 8, ("agent-lost", 5): 16, ("draining", 5): 32}
        self.assertEqual(failures(ended), 4 + 16 + 32)

    def test_answered(self) -> None:
        self.observer.answered(SimpleNamespace(outcome="bad-request"))  # type: ignore[arg-type]
        self.assertEqual(dict(self.observer.refused), {"bad-request": 1})

    def test_journal_is_bounded(self) -> None:
        for number in range(1000):
            self.observer.happened("revoked", None, str(number))
        self.assertEqual(len(self.observer.journal), 100)
        self.assertEqual(self.observer.journal[-1].detail, "999")


class HistoryTests(AdminCase):
    """A hub whose last hour is looked at."""

    def test_begins_empty(self) -> None:
        hub = self.start()
        self.assertEqual(hub.get("history")["points"]["at"], [])
        self.assertEqual(hub.get("status")["lately"]["rate"], 0.0)

    def test_points(self) -> None:
        """Rate, quantiles, slots and queue of a step."""
        hub = self.start()
        hub.seconds(STEP - 1)  # the first second counts when it begins
        agent = hub.agent(slots=2)
        apps = [hub.app(b"/%d" % number) for number in range(4)]
        first, second = agent.begin()
        hub.seconds(2)
        agent.finish(first)
        hub.seconds(STEP - 2)
        points = hub.get("history")["points"]
        self.assertEqual([round(rate, 3) for rate in points["rate"]], [0.0, 0.1])
        self.assertEqual(points["failed"], [0.0, 0.0])
        self.assertEqual(points["slots"], [0.0, 2.0])
        self.assertEqual(points["agents"], [0, 1])
        self.assertEqual(points["waiting"], [0, 2])
        self.assertEqual(points["busy"], [0.0, 2.0])
        self.assertIsNone(points["first_byte_p50"][0])
        self.assertTrue(1.6 <= points["first_byte_p50"][1] <= 2.5)
        self.assertEqual(len(apps), 4)
        self.assertNotEqual(second, first)

    def test_hour(self) -> None:
        """No more than an hour is kept."""
        hub = self.start()
        hub.seconds((KEPT + 3) * STEP)
        at = hub.get("history")["points"]["at"]
        self.assertEqual(len(at), KEPT)

    def test_lag(self) -> None:
        """A reactor that was busy elsewhere is late."""
        hub = self.start()
        hub.seconds(2)
        hub.clock.advance(3.5)
        self.assertLess(abs(hub.get("status")["lately"]["lag"] - 2.5), 0.01)
