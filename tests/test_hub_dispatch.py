"""The dispatcher's decisions: by example, and by a model that tries everything."""

from __future__ import annotations

from random import Random

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
from slime.hub.dispatch import TOO_LATE, Dispatcher
from slime.hub.seats import Assignment, Balance, Decision, Revocation, Rights, Seat, Ticket
from slime.tunnel.connection import DEFAULT_LIMITS

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

    def test_old_places(self) -> None:
        """Tickets that lost their agent go before all that came later, in the order in which they came themselves."""
        tickets = [ticket() for _ in range(6)]
        lost = self.seat(slots=4)
        for one in tickets:
            self.dispatcher.offer(one)
        for one in tickets[4:]:
            self.dispatcher.enqueue(one)
        self.dispatcher.leave(lost)
        for place in (0, 3, 1, 2):
            self.dispatcher.enqueue(tickets[place])
        made = self.dispatcher.join(Seat(None, ANY, 6))
        self.assertEqual([one.ticket for one in made], tickets)

    def test_old_place_among_other_rights(self) -> None:
        """So they do when the agents that may serve them come and go meanwhile."""
        tickets = [ticket(), ticket(scope="chat"), ticket(), ticket(scope="chat")]
        lost = self.seat(CHAT, slots=2)
        for one in tickets:
            self.dispatcher.offer(one)
        self.dispatcher.enqueue(tickets[3])
        self.dispatcher.enqueue(tickets[2])
        self.dispatcher.leave(lost)
        for one in tickets[1], tickets[0]:
            self.dispatcher.enqueue(one)
        self.assertTrue(self.dispatcher.withdraw(tickets[2]))
        self.dispatcher.join(Seat(None, ANY, 0))
        made = self.dispatcher.join(Seat(None, CHAT, 4))
        self.assertEqual([one.ticket for one in made], [tickets[0], tickets[1], tickets[3]])

    def test_new_rights_reach_waiting_tickets(self) -> None:
        """An agent of a kind not seen before serves who waited for it, in order."""
        waiting = [ticket(scope="chat"), ticket(), ticket(scope="chat")]
        for one in waiting:
            self.dispatcher.enqueue(one)
        seat = Seat(None, CHAT, 2)
        self.assertEqual(self.dispatcher.join(seat), [Assignment(waiting[0], seat), Assignment(waiting[1], seat)])

    def test_lost_rights_keep_the_order(self) -> None:
        """Who waited for different agents may have to share one, in the order in which they came."""
        broad, narrow = self.seat(), self.seat(CHAT)
        running = [ticket(), ticket(scope="chat")]
        self.assertEqual([self.dispatcher.offer(one) for one in running], [broad, narrow])
        waiting = [ticket(scope=scope) for scope in ("chat", None, "chat", None)]
        for one in waiting:
            self.dispatcher.enqueue(one)
        self.dispatcher.leave(broad)
        served = running[1]
        for one in waiting:
            self.assertEqual(self.dispatcher.release(served), [Assignment(one, narrow)])
            served = one

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


class PrefetchTests(SynchronousTestCase):
    """Tickets sent ahead, and asked back."""

    def setUp(self) -> None:
        self.dispatcher = Dispatcher()

    def busy_seat(self, prefetch: int = 4, rtt: float = 0.0, service_time: float | None = None, slots: int = 1) -> Seat:
        seat = Seat(None, ANY, slots, prefetch)
        seat.rtt, seat.service_time = rtt, service_time
        self.dispatcher.join(seat)
        for _ in range(slots):
            self.assertIs(self.dispatcher.offer(ticket()), seat)
        return seat

    def test_depth(self) -> None:
        """As many as the agent finishes in a round trip and half a request: one at least, the setting at most, one if
        nobody knows."""
        for prefetch, rtt, service_time, expected in [
            (0, 1.0, 0.1, 0),
            (4, 0.0, None, 1),
            (4, 0.0, 1.0, 1),
            (4, 0.1, 0.2, 1),
            (4, 0.1, 0.05, 3),
            (4, 0.1, 0.04, 3),
            (4, 0.1, 0.025, 4),
            (4, 9.0, 0.1, 4),
            (4, 0.1, 0.0, 4),
        ]:
            seat = Seat(None, ANY, 1, prefetch)
            seat.rtt, seat.service_time = rtt, service_time
            self.assertEqual(seat.depth, expected, (prefetch, rtt, service_time))

    def test_mean(self) -> None:
        seat = Seat(None, ANY, 1)
        seat.measure(1.0)
        seat.measure(2.0)
        self.assertAlmostEqual(seat.service_time or 0, 1.2)

    def test_sent_ahead_when_all_are_busy(self) -> None:
        """In order, up to the depth for each slot; the rest waits here."""
        seat = self.busy_seat(rtt=0.1, service_time=0.07, slots=2)
        waiting = [ticket() for _ in range(5)]
        made = [one for each in waiting for one in self.dispatcher.enqueue(each)]
        self.assertEqual(made, [Assignment(one, seat, ahead=True) for one in waiting[:4]])
        self.assertEqual((self.dispatcher.waiting, seat.held, seat.room), (1, 4, 0))

    def test_no_more_than_a_link_bears(self) -> None:
        """However many slots an agent has, and however far away it is, its link can carry what it is given."""
        seat = self.busy_seat(rtt=9.0, service_time=0.1, slots=4096)
        self.assertLess(len(seat.tickets) + seat.room, DEFAULT_LIMITS.max_streams)
        self.assertGreater(seat.room, 10_000)

    def test_switched_off(self) -> None:
        seat = self.busy_seat(prefetch=0)
        self.assertEqual(self.dispatcher.enqueue(ticket()), [])
        self.assertEqual(seat.held, 0)

    def test_freed_place_is_filled(self) -> None:
        """The held ticket has the slot now, and the next one goes ahead."""
        seat = self.busy_seat()
        running = next(iter(seat.tickets))
        waiting = [ticket() for _ in range(2)]
        for one in waiting:
            self.dispatcher.enqueue(one)
        self.assertEqual(self.dispatcher.release(running), [Assignment(waiting[1], seat, ahead=True)])

    def test_soonest_start(self) -> None:
        """Service time counts, not the number of tickets; an agent that is far too slow gets none ahead."""
        slow, fast = self.busy_seat(service_time=3.0), self.busy_seat(service_time=0.2, rtt=0.5)
        made = [one for _ in range(6) for one in self.dispatcher.enqueue(ticket())]
        self.assertEqual([one.seat for one in made], [fast, fast, fast])
        self.assertEqual((slow.held, fast.held, self.dispatcher.waiting), (0, 3, 3))

    def test_asked_back_for_a_free_slot(self) -> None:
        """If that starts it sooner than the messages to and fro take. Begun, it stays."""
        far, near = self.busy_seat(service_time=1.0), self.busy_seat(service_time=1.0)
        running, held = next(iter(near.tickets)), ticket()
        self.assertEqual(self.dispatcher.enqueue(held), [Assignment(held, far, ahead=True)])
        far.rtt = 1.5
        self.assertEqual(self.dispatcher.release(running), [])
        far.rtt, near.rtt = 0.5, 1.0
        self.assertEqual(self.dispatcher.resize(near, 1), [], "nothing is gained")
        far.rtt = near.rtt = 0.1
        again = ticket()
        self.assertIs(self.dispatcher.offer(again), near)
        self.assertEqual(self.dispatcher.release(again), [Revocation(held, far)])
        self.assertTrue(held.asked)
        self.dispatcher.started(held)
        self.assertFalse(held.asked)

    def test_asked_back_from_one_that_nobody_knows(self) -> None:
        """An agent that has finished nothing yet may need any time for what it runs; a free slot is a free slot."""
        new, other = self.busy_seat(), self.busy_seat(prefetch=0)
        held = ticket()
        self.assertEqual(self.dispatcher.enqueue(held), [Assignment(held, new, ahead=True)])
        self.assertEqual(self.dispatcher.release(next(iter(other.tickets))), [Revocation(held, new)])

    def test_asked_once_for_each_free_slot(self) -> None:
        seat, free = self.busy_seat(service_time=1.0, rtt=4.0), self.busy_seat(prefetch=0, service_time=9.0)
        for _ in range(4):
            self.dispatcher.enqueue(ticket())
        self.assertEqual(seat.held, 4)
        seat.rtt = 0.0
        running = next(iter(free.tickets))
        last = list(seat.tickets)[-1]
        self.assertEqual(self.dispatcher.release(running), [Revocation(last, seat)])
        self.assertEqual(self.dispatcher.resize(free, 1), [])
        while seat.held > 1:
            self.dispatcher.release(list(seat.tickets)[1])
        self.assertEqual(self.dispatcher.join(Seat(None, ANY, 1)), [], "what is left is asked for already")
        self.dispatcher.release(last)
        self.assertIs(self.dispatcher.offer(last), free)

    def test_not_asked_by_one_that_may_not_serve_it(self) -> None:
        self.busy_seat(service_time=1.0)
        for _ in range(2):
            self.dispatcher.enqueue(ticket())
        self.assertEqual(self.dispatcher.join(Seat(None, API, 1)), [])


    def test_what_runs_is_not_asked_for(self) -> None:
        """However many agents are free elsewhere."""
        seat = self.busy_seat(service_time=1.0, rtt=9.0, slots=2)
        others = [self.busy_seat(prefetch=0, service_time=1.0, rtt=9.0) for _ in range(2)]
        held = ticket()
        self.dispatcher.enqueue(held)
        for one in (seat, *others):
            one.rtt = 0.0
        made = [self.dispatcher.release(next(iter(one.tickets))) for one in others]
        self.assertEqual(made, [[Revocation(held, seat)], []])

    def test_asked_back_for_each_free_slot(self) -> None:
        """An agent that comes with several slots gets as many of those that wait elsewhere, at once."""
        busy = self.busy_seat(rtt=0.1, service_time=10.0, slots=4)
        held = [ticket() for _ in range(4)]
        for one in held:
            self.dispatcher.enqueue(one)
        self.assertEqual(busy.held, 4)
        self.assertEqual(self.dispatcher.join(Seat(None, ANY, 3)), [Revocation(one, busy) for one in held[:0:-1]])
        self.assertEqual(self.dispatcher.join(Seat(None, ANY, 2)), [Revocation(held[0], busy)])

    def test_another_one_if_that_has_begun(self) -> None:
        """A slot stays free no longer because what was asked for began just then."""
        busy = self.busy_seat(rtt=0.1, service_time=10.0, slots=2)
        held = [ticket() for _ in range(2)]
        for one in held:
            self.dispatcher.enqueue(one)
        self.assertEqual(self.dispatcher.join(Seat(None, ANY, 1)), [Revocation(held[1], busy)])
        self.assertEqual(self.dispatcher.started(held[0]), [])
        self.dispatcher.release(next(iter(busy.tickets)))
        self.assertEqual(busy.held, 1)
        more = ticket()
        self.assertIsInstance(self.dispatcher.offer(more), Seat)
        self.assertEqual(self.dispatcher.started(held[1]), [], "there is no free slot any more")
        self.dispatcher.release(more)

    def test_another_one_while_the_slot_is_free(self) -> None:
        """The one before it in line, which has not begun."""
        busy = self.busy_seat(rtt=25.0, service_time=10.0)
        held = [ticket() for _ in range(3)]
        for one in held:
            self.dispatcher.enqueue(one)
        busy.rtt = 0.1
        self.assertEqual(self.dispatcher.join(Seat(None, ANY, 1)), [Revocation(held[2], busy)])
        self.assertEqual(self.dispatcher.started(held[2]), [Revocation(held[1], busy)])
        self.assertEqual((held[2].asked, held[2].begun), (False, True))

    def test_recall(self) -> None:
        """Everything that may not be running is asked for, and nothing twice."""
        seat = self.busy_seat(service_time=1.0, rtt=9.0, slots=2)
        held = [ticket() for _ in range(3)]
        for one in held:
            self.dispatcher.enqueue(one)
        seat.slots = 0
        self.assertEqual(self.dispatcher.recall(seat), [Revocation(one, seat) for one in held])
        self.assertEqual(self.dispatcher.recall(seat), [])
        self.dispatcher.started(held[0])
        self.assertEqual(self.dispatcher.recall(seat), [Revocation(held[0], seat)])

    def test_agent_leaves_with_what_was_asked_for(self) -> None:
        """Nothing comes back from it any more, so others may be asked in its stead."""
        lost, kept = self.busy_seat(service_time=1.0, rtt=9.0), self.busy_seat(service_time=1.0, rtt=9.0)
        free = self.busy_seat(prefetch=0, service_time=1.0, rtt=9.0)
        for _ in range(4):
            self.dispatcher.enqueue(ticket())
        lost.rtt = kept.rtt = free.rtt = 0.0
        running = next(iter(free.tickets))
        [asked] = self.dispatcher.release(running)
        assert isinstance(asked, Revocation)
        self.dispatcher.leave(asked.seat)
        self.assertFalse(asked.ticket.asked)
        other = kept if asked.seat is lost else lost
        [again] = self.dispatcher.resize(free, 1)
        self.assertEqual((type(again), again.seat), (Revocation, other))
        self.dispatcher.release(again.ticket)
        self.assertFalse(again.ticket.asked)


class BalanceTests(SynchronousTestCase):
    """Which free slot serves."""

    def seats(self, dispatcher: Dispatcher) -> list[Seat]:
        seats = [Seat(None, ANY, 1) for _ in range(3)]
        for seat, service_time in zip(seats, (2.0, 0.5, 1.0), strict=True):
            seat.service_time = service_time
            dispatcher.join(seat)
        return seats

    def test_fastest(self) -> None:
        dispatcher = Dispatcher(Balance.FASTEST)
        slow, fast, middle = self.seats(dispatcher)
        self.assertEqual([dispatcher.offer(ticket()) for _ in range(3)], [fast, middle, slow])
        self.assertIs(dispatcher.offer(ticket()), ErrorCode.ALL_BUSY)

    def test_random(self) -> None:
        chosen = set()
        for seed in range(10):
            dispatcher = Dispatcher(Balance.RANDOM, Random(seed))
            seats = self.seats(dispatcher)
            seat = dispatcher.offer(ticket())
            assert isinstance(seat, Seat)
            chosen.add(seats.index(seat))
        self.assertEqual(chosen, {0, 1, 2})
        self.assertIs(Dispatcher(Balance.RANDOM).offer(ticket()), ErrorCode.NO_AGENT)


RIGHTS = st.sampled_from([ANY, CHAT, API, Rights(frozenset({"chat"}), frozenset({"/api/*"}))])
WANTS = st.sampled_from(
    [("/", None), ("/exact", None), ("/api/x", None), ("/", "chat"), ("/api/x", "chat"), ("/", "?")]
)
SECONDS = st.sampled_from([0.0, 0.05, 0.2, 1.0, 5.0])


class DispatcherMachine(RuleBasedStateMachine):
    """Agents come, go and change; tickets come, wait, run and leave. What must hold, holds at every moment.

    The link is part of the model: a ticket sent ahead begins when a slot of its agent is free, and what the agent
    answers to being asked for it, given back or begun, may cross anything else.
    """

    @initialize()
    def start(self) -> None:
        self.dispatcher = Dispatcher()
        self.seats: list[Seat] = []
        self.queue: list[Ticket] = []
        self.placed: list[Ticket] = []
        self.asked: list[Ticket] = []
        self.gone: set[int] = set()

    def performed(self, made: list[Decision]) -> None:
        for at, one in enumerate(made):
            if isinstance(one, Revocation):
                assert one.ticket in self.placed
                assert one.ticket not in self.asked, "asked twice"
                assert id(one.ticket) not in self.gone, "nobody wants it"
                self.asked.append(one.ticket)
                continue
            fitting = [other for other in self.queue if one.seat.rights.permit(other.scope, other.path)]
            for older in fitting[: fitting.index(one.ticket)]:
                assert one.ahead, "not the oldest ticket that the slot can serve"
                assert self.far_too_late(older, one.seat, made[at:]), "not the oldest that can be sent ahead"
            self.queue.remove(one.ticket)
            self.placed.append(one.ticket)

    def far_too_late(self, one: Ticket, there: Seat, later: list[Decision]) -> bool:
        """Would another agent have begun it so much sooner that it had better wait, before ``later`` was decided?"""

        def start(seat: Seat) -> float:
            tickets = len(seat.tickets) - sum(isinstance(one, Assignment) and one.seat is seat for one in later)
            return tickets * (seat.service_time or 0.0) / seat.slots + seat.rtt / 2

        able = [seat for seat in self.seats if seat.slots and seat.rights.permit(one.scope, one.path)]
        return any(start(there) > TOO_LATE * start(seat) for seat in able)

    def forget(self, one: Ticket) -> None:
        self.placed.remove(one)
        self.gone.discard(id(one))
        if one in self.asked:
            self.asked.remove(one)

    @rule(rights=RIGHTS, slots=st.integers(0, 3), prefetch=st.integers(0, 3), rtt=SECONDS)
    def join(self, rights: Rights, slots: int, prefetch: int, rtt: float) -> None:
        seat = Seat(None, rights, slots, prefetch)
        seat.rtt = rtt
        self.seats.append(seat)
        self.performed(self.dispatcher.join(seat))

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        seat = self.seats.pop(data.draw(st.integers(0, len(self.seats) - 1)))
        lost = list(seat.tickets)
        self.dispatcher.leave(seat)
        for one in lost:
            self.forget(one)
            assert one.seat is None
        for one in data.draw(st.permutations(lost)):
            self.place(one)

    @precondition(lambda self: self.seats)
    @rule(data=st.data(), slots=st.integers(0, 3))
    def resize(self, data: st.DataObject, slots: int) -> None:
        self.performed(self.dispatcher.resize(data.draw(st.sampled_from(self.seats)), slots))

    @precondition(lambda self: self.seats)
    @rule(data=st.data(), seconds=SECONDS)
    def measured(self, data: st.DataObject, seconds: float) -> None:
        data.draw(st.sampled_from(self.seats)).measure(seconds)

    def wait(self, one: Ticket) -> None:
        self.queue.append(one)
        self.queue.sort(key=lambda one: one.order)
        self.performed(self.dispatcher.enqueue(one))

    def place(self, one: Ticket) -> None:
        """It was here before: a slot, or its old place among those that wait."""
        seat = self.dispatcher.offer(one)
        if isinstance(seat, Seat):
            self.placed.append(one)
        else:
            self.wait(one)

    @rule(want=WANTS)
    def arrive(self, want: tuple[str, str | None]) -> None:
        one = ticket(*want)
        seat = self.dispatcher.offer(one)
        if isinstance(seat, Seat):
            assert one.seat is seat
            assert seat.rights.permit(one.scope, one.path)
            self.placed.append(one)
            return
        able = [seat for seat in self.seats if seat.rights.permit(one.scope, one.path)]
        expected = ErrorCode.ALL_BUSY if able else ErrorCode.NO_MATCH if self.seats else ErrorCode.NO_AGENT
        assert seat is expected
        assert self.dispatcher.could_serve(one) is bool(able)
        assert all(other.order < one.order for other in self.queue)
        self.wait(one)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        one = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        assert self.dispatcher.withdraw(one)

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.placed))
        self.forget(one)
        self.performed(self.dispatcher.release(one))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), begun=st.booleans(), late=st.booleans())
    def asked_back(self, data: st.DataObject, begun: bool, late: bool) -> None:
        """The agent's answer: it has begun, or here it is; it may be too late for anything."""
        one = data.draw(st.sampled_from(self.asked))
        late = late or id(one) in self.gone
        if begun and id(one) not in self.gone:
            self.asked.remove(one)
            self.performed(self.dispatcher.started(one))
            return
        self.forget(one)
        self.performed(self.dispatcher.release(one))
        if not late:
            self.place(one)

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def too_late(self, data: st.DataObject) -> None:
        """Its time is over; it may have been asked for."""
        one = data.draw(st.sampled_from(self.placed))
        if not one.begun and id(one) not in self.gone:
            self.performed(self.dispatcher.ask_back(one))
            assert one.asked
            assert not one.wanted

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def left(self, data: st.DataObject) -> None:
        """Nobody waits for it any more; its agent has yet to confirm that."""
        one = data.draw(st.sampled_from(self.placed))
        if not one.begun:
            self.gone.add(id(one))
            self.performed(self.dispatcher.give_up(one))
            assert not one.wanted

    @invariant()
    def nothing_lost_or_doubled(self) -> None:
        assert self.dispatcher.waiting == len(self.queue)
        placed = [one for seat in self.seats for one in seat.tickets]
        assert len(placed) == len(self.placed)
        assert set(placed) == set(self.placed)
        gone = {one for one in placed if id(one) in self.gone}
        assert {one for one in placed if one.asked} == {*self.asked, *gone}
        assert self.dispatcher._wanted == sum(one.wanted for one in placed)
        assert not any(one.wanted for one in placed if not one.asked)

    @invariant()
    def nobody_waits_for_a_free_slot(self) -> None:
        for seat in self.seats:
            if seat.free:
                assert not any(seat.rights.permit(one.scope, one.path) for one in self.queue)


class DispatcherStateTests(SynchronousTestCase):
    """The model above, run."""

    def test_model(self) -> None:
        run_state_machine_as_test(DispatcherMachine)

    def test_sent_ahead_past_an_older_one(self) -> None:
        """It would start much later there than where the older one waits for."""
        model = DispatcherMachine()
        model.start()
        for want in (("/", None), ("/", None), ("/", None), ("/", "chat")):
            model.arrive(want)
        model.join(ANY, slots=1, prefetch=0, rtt=0.0)
        model.join(CHAT, slots=1, prefetch=1, rtt=0.05)
        self.assertEqual([one.order for one in model.queue], [3])
        self.assertEqual([one.order for one in model.seats[1].tickets], [2, 4])
