"""Rights by index, as against asking each; and what thousands of tickets and classes cost."""

from __future__ import annotations

from random import Random
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.hub.classes import Classes, Queue
from slime.hub.dispatch import Dispatcher
from slime.hub.seats import Assignment, Rights, Seat, Ticket

PATHS = st.sampled_from(["", "/", "/a", "/a/", "/a/b", "/ab", "/a/*", "/ab*", "*", "/*", "/a/b/c"])
RULES = st.sampled_from(["/", "/a", "/a/*", "/ab", "/ab*", "/*", "*", "/a/b/*", "/a/b"])
SCOPES = st.sampled_from(["chat", "image", ""])
RIGHTS = st.builds(Rights, st.frozensets(SCOPES, max_size=2), st.frozensets(RULES, max_size=3))


class ClassesTests(SynchronousTestCase):
    """The index of rights."""

    @given(st.lists(RIGHTS, unique=True, max_size=6), st.data())
    def test_as_permitted(self, all_rights: list[Rights], data: st.DataObject) -> None:
        """It finds who permits, in the order in which the classes came, whoever has left."""
        classes = Classes()
        added = [classes.add(rights) for rights in all_rights]
        gone = data.draw(st.sets(st.sampled_from(added))) if added else set()
        for group in gone:
            classes.remove(group)
        stayed = [group for group in added if group not in gone]
        scope, path = data.draw(st.none() | SCOPES), data.draw(PATHS)
        expected = [group for group in stayed if group.rights.permit(scope, path)]
        self.assertEqual(list(classes.find(scope, path)), expected)
        self.assertEqual((list(classes), len(classes)), (stayed, len(stayed)))

    def test_leaves_nothing(self) -> None:
        """Classes that come and go leave nothing behind."""
        classes = Classes()
        rights = Rights(frozenset({"chat"}), frozenset({"/a", "/b/*"}))
        classes.remove(classes.add(rights))
        self.assertEqual((classes._found, classes._lengths, classes._by_rights), ({}, {}, {}))
        self.assertIsNone(classes.get(rights))


class QueueTests(SynchronousTestCase):
    """One queue."""

    @given(st.permutations(range(1, 9)), st.integers(0, 8))
    def test_order(self, orders: list[int], many: int) -> None:
        """Whatever the order in which tickets come to it, it is that in which they came to the hub."""
        queue = Queue(())
        tickets = [Ticket(None, None, "/", order=order) for order in orders]
        for one in tickets[many:]:
            queue.put(one)
        queue.put_many(tickets[:many])
        self.assertEqual([one.order for one in queue], sorted(orders))
        for order in sorted(orders):
            self.assertEqual(queue.head.order, order)
            queue.take(queue.head)
        self.assertEqual(len(queue), 0)


class CrowdTests(SynchronousTestCase):
    """Costs, counted in questions asked: the time they take depends on the machine."""

    def test_storm_while_many_wait(self) -> None:
        """Each ticket that waits is asked once about each class that comes, and not at all when one goes."""
        dispatcher = Dispatcher()
        tickets = [Ticket(None, None, f"/{number % 20}/x") for number in range(400)]
        for one in tickets:
            dispatcher.enqueue(one)
        seats = [Seat(None, Rights(paths=frozenset({f"/{number}/*"})), 0) for number in range(20)]
        with patch.object(Rights, "permit", autospec=True, side_effect=Rights.permit) as permit:
            for seat in seats:
                dispatcher.join(seat)
            self.assertEqual(permit.call_count, len(seats) * len(tickets))
            for seat in seats:
                dispatcher.leave(seat)
            dispatcher.offer(tickets[0])
        self.assertEqual(permit.call_count, len(seats) * len(tickets))
        everybody = Seat(None, Rights(), len(tickets))
        self.assertEqual(dispatcher.join(everybody), [Assignment(one, everybody) for one in tickets])

    def test_many_lost_at_a_time(self) -> None:
        """Thousands that lost their agent find their old places, in whatever order they are told of it."""
        dispatcher = Dispatcher()
        tickets = [Ticket(None, None, "/") for _ in range(3000)]
        lost = Seat(None, Rights(), 2000)
        dispatcher.join(lost)
        for one in tickets:
            dispatcher.offer(one)
        for one in tickets[2000:]:
            dispatcher.enqueue(one)
        dispatcher.leave(lost)
        strays = tickets[1900:2000]
        Random(1).shuffle(strays)
        for one in (*tickets[:1900], *strays):
            dispatcher.enqueue(one)
        seat = Seat(None, Rights(), 3000)
        self.assertEqual([made.ticket for made in dispatcher.join(seat)], tickets)

    def test_free_slots_among_many_classes(self) -> None:
        """What becomes free is nobody's concern while no agent holds anything, however many agents there are."""
        dispatcher = Dispatcher()
        for number in range(20):
            dispatcher.join(Seat(None, Rights(paths=frozenset({f"/{number}/*"})), 1, 1))
        running, held = Ticket(None, None, "/1/x"), Ticket(None, None, "/1/x")
        with patch.object(Classes, "__iter__", autospec=True, side_effect=Classes.__iter__) as looked:
            dispatcher.offer(running)
            dispatcher.release(running)
            self.assertEqual(looked.call_count, 0)
            dispatcher.offer(running)
            dispatcher.enqueue(held)
            self.assertIsNotNone(held.seat)
            other = Ticket(None, None, "/2/x")
            dispatcher.offer(other)
            dispatcher.release(other)
            self.assertGreater(looked.call_count, 0)
            dispatcher.release(running)
            looked.reset_mock()
            dispatcher.release(held)
            self.assertEqual(looked.call_count, 0)
