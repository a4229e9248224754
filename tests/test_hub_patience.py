"""Waits that end in time, or are ended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from slime.hub.patience import TICK, PatienceWheel


class PatienceWheelTests(SynchronousTestCase):
    """Who is called, and when."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.03)
        self.late: list[str] = []
        self.wheel: PatienceWheel[str] = PatienceWheel(self.clock, self.late.append)

    def test_expires_once(self) -> None:
        self.wheel.start("a", 1.0)
        self.wheel.start("a", 9.0)
        self.assertIn("a", self.wheel)
        self.clock.pump([0.1] * 10)
        self.assertEqual(self.late, [])
        self.clock.advance(TICK)
        self.assertEqual((self.late, len(self.wheel)), (["a"], 0))

    def test_stopped_in_time(self) -> None:
        for name in "ab":
            self.wheel.start(name, 1.0)
        self.wheel.stop("a")
        self.wheel.stop("a")
        self.clock.pump([0.1] * 20)
        self.assertEqual(self.late, ["b"])

    def test_no_timer_without_waiters(self) -> None:
        """The reactor is left alone when nobody waits, and taken up again when somebody does."""
        self.wheel.start("a", 5.0)
        self.wheel.stop("a")
        self.clock.advance(TICK)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(100)
        self.wheel.start("b", 0.0)
        self.clock.pump([TICK, TICK])
        self.assertEqual(self.late, ["b"])

    def test_process_slept(self) -> None:
        """A turn that comes late calls everybody whose time is up by then."""
        for seconds in range(5):
            self.wheel.start(str(seconds), seconds)
        self.clock.advance(3.5)
        self.assertEqual(self.late, ["0", "1", "2", "3"])

    def test_expired_may_wait_again(self) -> None:
        wheel: PatienceWheel[str] = PatienceWheel(self.clock, lambda name: wheel.start(name + "'", 1.0))
        wheel.start("a", 1.0)
        self.clock.pump([0.1] * 12)
        self.assertIn("a'", wheel)

    def test_mistake(self) -> None:
        """It costs nobody else the end of a wait, and the wheel turns on."""
        late: list[str] = []

        def expired(name: str) -> None:
            late.append(name)
            if name == "a":
                raise ValueError(name)

        wheel: PatienceWheel[str] = PatienceWheel(self.clock, expired)
        for name in "ab":
            wheel.start(name, 1.0)
        wheel.start("c", 5.0)
        self.clock.advance(2.0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.clock.advance(4.0)
        self.assertEqual((late, len(wheel), self.clock.getDelayedCalls()), (["a", "b", "c"], 0, []))

    def test_ended_by_one_that_is_as_late(self) -> None:
        """Whose wait is ended in time is not called, though it is the same turn."""
        late: list[str] = []
        wheel: PatienceWheel[str] = PatienceWheel(self.clock, lambda name: (late.append(name), wheel.stop("b")))
        wheel.start("a", 1.0)
        wheel.start("b", 1.0)
        self.clock.advance(2.0)
        self.assertEqual((late, len(wheel), self.clock.getDelayedCalls()), (["a"], 0, []))

    def test_begun_anew_by_one_that_is_as_late(self) -> None:
        """It has the time that it was given then."""
        late: list[str] = []

        def expired(name: str) -> None:
            late.append(name)
            if name == "a":
                wheel.stop("b")
                wheel.start("b", 5.0)

        wheel: PatienceWheel[str] = PatienceWheel(self.clock, expired)
        for name in "ab":
            wheel.start(name, 1.0)
        self.clock.advance(2.0)
        self.assertEqual(late, ["a"])
        self.clock.pump([1.0] * 5)
        self.assertEqual(late, ["a"])
        self.clock.advance(0.2)
        self.assertEqual(late, ["a", "b"])

    @given(st.lists(st.floats(0, 30)), st.floats(0, 10_000))
    def test_never_early_never_late(self, waits: list[float], start: float) -> None:
        clock = Clock()
        clock.advance(start)
        ended: dict[int, float] = {}
        wheel: PatienceWheel[int] = PatienceWheel(clock, lambda one: ended.setdefault(one, clock.seconds() - start))
        for one, seconds in enumerate(waits):
            wheel.start(one, seconds)
        step = TICK / 2
        while len(wheel):
            clock.advance(step)
        for one, seconds in enumerate(waits):
            self.assertGreaterEqual(ended[one], seconds - 1e-6)
            self.assertLessEqual(ended[one], seconds + 2 * TICK + step)
