"""Slots are a hard limit, and the line for them is fair."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.slots import Place, Slots


class SlotsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.slots: Slots[str] = Slots(2, 2)
        self.assertIs(self.slots.offer("a", False), Place.RUNNING)
        self.assertIs(self.slots.offer("b", True), Place.RUNNING)

    def test_no_slot(self) -> None:
        self.assertIs(self.slots.offer("c", False), Place.NONE)

    def test_line_is_bounded(self) -> None:
        places = [self.slots.offer(job, True) for job in "cde"]
        self.assertEqual(places, [Place.WAITING, Place.WAITING, Place.NONE])

    def test_first_in_line_is_next(self) -> None:
        for job in "cd":
            self.slots.offer(job, True)
        self.assertEqual([self.slots.free(), self.slots.free(), self.slots.free()], ["c", "d", None])
        self.assertEqual(self.slots.running, 1)

    def test_withdraw(self) -> None:
        self.slots.offer("c", True)
        self.assertTrue(self.slots.withdraw("c"))
        self.assertFalse(self.slots.withdraw("c"))
        self.assertFalse(self.slots.withdraw("a"))

    def test_dismiss(self) -> None:
        self.slots.offer("c", True)
        self.assertEqual(self.slots.dismiss(), ["c"])
        self.assertIsNone(self.slots.free())


class SlotsMachine(RuleBasedStateMachine):
    """Whatever happens, no more run than may, and nobody waits beside a free slot."""

    def __init__(self) -> None:
        super().__init__()
        self.slots: Slots[int] = Slots(2, 3)
        self.running: list[int] = []
        self.line: list[int] = []
        self.last = 0

    @rule(may_wait=st.booleans())
    def offer(self, may_wait: bool) -> None:
        self.last += 1
        place = self.slots.offer(self.last, may_wait)
        {Place.RUNNING: self.running, Place.WAITING: self.line, Place.NONE: []}[place].append(self.last)

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 1))
    def finish(self, index: int) -> None:
        self.running.pop(index % len(self.running))
        following = self.slots.free()
        self.assert_same(following, self.line.pop(0) if self.line else None)
        if following is not None:
            self.running.append(following)

    @precondition(lambda self: self.line)
    @rule(index=st.integers(0, 2))
    def withdraw(self, index: int) -> None:
        self.assert_same(self.slots.withdraw(self.line.pop(index % len(self.line))), True)

    @invariant()
    def bounds(self) -> None:
        self.assert_same(self.slots.running, len(self.running))
        if len(self.running) > 2 or len(self.line) > 3 or (self.line and len(self.running) < 2):
            raise AssertionError("out of bounds")

    def assert_same(self, got: object, expected: object) -> None:
        if got != expected:
            raise AssertionError(f"{got!r} is not {expected!r}")


class SlotsModelTests(SynchronousTestCase):
    def test_any_sequence(self) -> None:
        run_state_machine_as_test(SlotsMachine, settings=settings(max_examples=30, stateful_step_count=20))
