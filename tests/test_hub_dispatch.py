"""The dispatcher's decisions: by example, and by a model that tries everything."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import ErrorCode
from slime.hub.dispatch import Assignment, Dispatcher, Rights, Seat, Ticket

ANY = Rights()
CHAT = Rights(scopes=frozenset({"chat"}))
API = Rights(paths=frozenset({"/exact", "/api/*"}))


def ticket(path: str = "/", scope: str | None = None) -> Ticket:
    return Ticket(None, scope, path)


class RightsTests(SynchronousTestCase):
    """Scopes and scope paths of a token."""

    def test_permit(self) -> None:
        for rights, scope, path, expected in [
            (ANY, None, "/anything", True),
            (ANY, "chat", "/anything", False),
            (CHAT, "chat", "/", True),
            (CHAT, None, "/", True),
            (CHAT, "image", "/", False),
            (API, None, "/exact", True),
            (API, None, "/exact/", False),
            (API, None, "/api/v1", True),
            (API, None, "/api/", True),
            (API, None, "/api", False),
            (API, None, "/apix", False),
            (API, None, "", False),
        ]:
            self.assertEqual(rights.permit(scope, path), expected, (rights, scope, path))


class DispatcherTests(SynchronousTestCase):
    """One decision at a time."""

    def setUp(self) -> None:
        self.dispatcher = Dispatcher()

    def seat(self, rights: Rights = ANY, slots: int = 1) -> Seat:
        seat = Seat(None, rights, slots)
        self.assertEqual(self.dispatcher.join(seat), [])
        return seat

    def test_why_not(self) -> None:
        """A ticket that finds no slot is told why."""
        self.assertIs(self.dispatcher.offer(ticket()), ErrorCode.NO_AGENT)
        seat = self.seat(API)
        self.assertIs(self.dispatcher.offer(ticket("/other")), ErrorCode.NO_MATCH)
        self.assertIs(self.dispatcher.offer(ticket("/exact")), seat)
        self.assertIs(self.dispatcher.offer(ticket("/exact")), ErrorCode.ALL_BUSY)

    def test_longest_idle_first(self) -> None:
        """The slot that has been free longest serves next, whatever its class."""
        first, second, third = self.seat(), self.seat(API), self.seat()
        taken = [ticket("/exact") for _ in range(3)]
        self.assertEqual([self.dispatcher.offer(one) for one in taken], [first, second, third])
        for one in (taken[1], taken[2], taken[0]):
            self.dispatcher.release(one)
        self.assertEqual([self.dispatcher.offer(ticket("/exact")) for _ in range(3)], [second, third, first])

    def test_many_slots_take_turns(self) -> None:
        """An agent with two slots does not get two tickets before its neighbour gets one."""
        wide, narrow = self.seat(slots=2), self.seat()
        self.assertEqual([self.dispatcher.offer(ticket()) for _ in range(3)], [wide, narrow, wide])

    def test_freed_slot_serves_oldest_that_fits(self) -> None:
        """A ticket that nobody can serve does not stand before others."""
        seat = self.seat()
        running = ticket()
        self.dispatcher.offer(running)
        stuck, waiting, later = ticket(scope="nobody"), ticket(), ticket()
        for one in (stuck, waiting, later):
            self.dispatcher.enqueue(one)
        self.assertEqual(self.dispatcher.release(running), [Assignment(waiting, seat)])
        self.assertEqual(self.dispatcher.waiting, 2)

    def test_front(self) -> None:
        """A ticket that lost its agent goes before all that wait."""
        first, second, third = ticket(), ticket(), ticket()
        self.dispatcher.enqueue(first)
        self.dispatcher.enqueue(second, front=True)
        self.dispatcher.enqueue(third, front=True)
        seat = Seat(None, ANY, 3)
        made = self.dispatcher.join(seat)
        self.assertEqual([one for one, _ in made], [third, second, first])

    def test_new_rights_reach_waiting_tickets(self) -> None:
        """An agent of a kind not seen before serves who waited for it, in order."""
        waiting = [ticket(scope="chat"), ticket(), ticket(scope="chat")]
        for one in waiting:
            self.dispatcher.enqueue(one)
        seat = Seat(None, CHAT, 2)
        self.assertEqual(self.dispatcher.join(seat), [Assignment(waiting[0], seat), Assignment(waiting[1], seat)])

    def test_withdraw(self) -> None:
        one = ticket()
        self.dispatcher.enqueue(one)
        self.assertTrue(self.dispatcher.withdraw(one))
        self.assertFalse(self.dispatcher.withdraw(one))
        self.assertEqual(self.dispatcher.join(Seat(None, ANY, 1)), [])

    def test_resize(self) -> None:
        """Slots may shrink below what runs, and grow under those who wait."""
        seat = self.seat(slots=2)
        running = [ticket(), ticket()]
        for one in running:
            self.dispatcher.offer(one)
        waiting = ticket()
        self.dispatcher.enqueue(waiting)
        self.assertEqual(self.dispatcher.resize(seat, 0), [])
        self.assertEqual(self.dispatcher.release(running[0]), [])
        self.assertEqual(self.dispatcher.resize(seat, 2), [Assignment(waiting, seat)])

    def test_leave(self) -> None:
        """What ran at an agent that left has no seat; releasing it later frees nothing."""
        seat = self.seat()
        running = ticket()
        self.dispatcher.offer(running)
        self.assertTrue(self.dispatcher.could_serve(running))
        self.dispatcher.leave(seat)
        self.assertIsNone(running.seat)
        self.assertEqual(self.dispatcher.release(running), [])
        self.assertFalse(self.dispatcher.could_serve(running))

    def test_leave_one_of_many(self) -> None:
        """The class stays while it has members."""
        gone, stays = self.seat(), self.seat()
        self.dispatcher.leave(gone)
        self.assertIs(self.dispatcher.offer(ticket()), stays)


RIGHTS = st.sampled_from([ANY, CHAT, API, Rights(frozenset({"chat"}), frozenset({"/api/*"}))])
WANTS = st.sampled_from(
    [("/", None), ("/exact", None), ("/api/x", None), ("/", "chat"), ("/api/x", "chat"), ("/", "?")]
)


class DispatcherMachine(RuleBasedStateMachine):
    """Agents come, go and change; tickets come, wait, run and leave. What must hold, holds at every moment."""

    @initialize()
    def start(self) -> None:
        self.dispatcher = Dispatcher()
        self.seats: list[Seat] = []
        self.queue: list[Ticket] = []
        self.running: list[Ticket] = []

    def performed(self, made: list[Assignment]) -> None:
        for one, seat in made:
            fitting = [other for other in self.queue if seat.rights.permit(other.scope, other.path)]
            assert fitting[0] is one, "not the oldest ticket that the slot can serve"
            self.queue.remove(one)
            self.running.append(one)

    @rule(rights=RIGHTS, slots=st.integers(0, 3))
    def join(self, rights: Rights, slots: int) -> None:
        seat = Seat(None, rights, slots)
        self.seats.append(seat)
        self.performed(self.dispatcher.join(seat))

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        seat = self.seats.pop(data.draw(st.integers(0, len(self.seats) - 1)))
        lost = list(seat.running)
        self.dispatcher.leave(seat)
        for one in lost:
            self.running.remove(one)
            assert one.seat is None

    @precondition(lambda self: self.seats)
    @rule(data=st.data(), slots=st.integers(0, 3))
    def resize(self, data: st.DataObject, slots: int) -> None:
        self.performed(self.dispatcher.resize(data.draw(st.sampled_from(self.seats)), slots))

    @rule(want=WANTS, front=st.booleans())
    def arrive(self, want: tuple[str, str | None], front: bool) -> None:
        one = ticket(*want)
        seat = self.dispatcher.offer(one)
        if isinstance(seat, Seat):
            assert one.seat is seat
            assert seat.rights.permit(one.scope, one.path)
            self.running.append(one)
            return
        able = [seat for seat in self.seats if seat.rights.permit(one.scope, one.path)]
        expected = ErrorCode.ALL_BUSY if able else ErrorCode.NO_MATCH if self.seats else ErrorCode.NO_AGENT
        assert seat is expected
        assert self.dispatcher.could_serve(one) is bool(able)
        self.dispatcher.enqueue(one, front)
        self.queue.insert(0 if front else len(self.queue), one)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        one = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        assert self.dispatcher.withdraw(one)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        one = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.performed(self.dispatcher.release(one))

    @invariant()
    def nothing_lost_or_doubled(self) -> None:
        assert self.dispatcher.waiting == len(self.queue)
        assert {id(one) for one in self.running} == {id(one) for seat in self.seats for one in seat.running}

    @invariant()
    def nobody_waits_for_a_free_slot(self) -> None:
        for seat in self.seats:
            if seat.free:
                assert not any(seat.rights.permit(one.scope, one.path) for one in self.queue)


class DispatcherStateTests(SynchronousTestCase):
    """The model above, run."""

    def test_model(self) -> None:
        run_state_machine_as_test(DispatcherMachine)  # type: ignore[no-untyped-call]
