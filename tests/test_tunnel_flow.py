"""Credit, on both sides of one body."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from slime.errors import LocalProtocolError, RemoteProtocolError
from slime.tunnel import LOW_WATER, Sending, Window
from slime.tunnel.flow import CREDIT_LIMIT, GRANT


class WindowTests(SynchronousTestCase):
    """The receiving half."""

    def test_grants_half(self) -> None:
        """Nothing is granted until half the window is used; then all of it."""
        window = Window(100)
        window.receive(80)
        self.assertEqual([window.consumed(49), window.consumed(1), window.consumed(30)], [0, 50, 0])
        self.assertEqual(window.available, 70)

    def test_grants_large_windows_in_pieces(self) -> None:
        """Of a large window no more is held back than of a middling one."""
        window = Window(8 * GRANT)
        window.receive(4 * GRANT)
        self.assertEqual([window.consumed(GRANT - 1), window.consumed(1), window.consumed(GRANT)], [0, GRANT, GRANT])

    def test_beyond_credit(self) -> None:
        """More than was granted is the peer's violation."""
        window = Window(100)
        window.receive(100)
        self.assertRaises(RemoteProtocolError, window.receive, 1)

    def test_beyond_length(self) -> None:
        """More than was declared is the peer's violation."""
        window = Window(100, 10)
        window.receive(10)
        self.assertRaises(RemoteProtocolError, window.receive, 1)

    def test_end_too_early(self) -> None:
        """Less than was declared is the peer's violation too."""
        window = Window(100, 10)
        window.receive(9)
        self.assertRaises(RemoteProtocolError, window.finish)
        window.receive(1)
        window.finish()

    def test_grants_nothing_needless(self) -> None:
        """No credit for bytes that will not come."""
        window = Window(100, 110)
        window.receive(60)
        self.assertEqual(window.consumed(60), 60)
        window.receive(20)
        self.assertEqual(window.consumed(20), 0)
        unknown = Window(100)
        unknown.receive(100)
        unknown.finish()
        self.assertEqual(unknown.consumed(100), 0)

    def test_used_more_than_came(self) -> None:
        """Our own mistake."""
        window = Window(100)
        window.receive(10)
        self.assertRaises(LocalProtocolError, window.consumed, 11)

    def test_grows(self) -> None:
        """A larger window is granted at once, what is in use counted."""
        window = Window(100)
        window.receive(60)
        self.assertEqual(window.resize(300), 200)
        self.assertEqual(window.available, 240)

    def test_shrinks(self) -> None:
        """A smaller window withholds grants until it is kept."""
        window = Window(100)
        window.receive(100)
        self.assertEqual(window.resize(20), 0)
        self.assertEqual([window.consumed(85), window.consumed(5), window.consumed(10)], [0, 10, 10])

    @given(st.integers(1, 50), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 50))))
    def test_never_more_than_a_window(self, size: int, turns: list[tuple[int, int, int]]) -> None:
        """Under way and unused together never exceed the largest window, and a drained window can refill."""
        window, largest = Window(size), size
        for received, used, resized in turns:
            window.receive(min(received, window.available))
            window.consumed(min(used, window.held))
            window.resize(resized)
            largest = max(largest, resized)
            self.assertLessEqual(window.available + window.held, largest)
        window.consumed(window.held)
        self.assertGreater(window.available * 2, window.size - 1)


class SendingTests(SynchronousTestCase):
    """The sending half."""

    def test_split(self) -> None:
        """Bytes leave in order, at any size."""
        sending = Sending(1, 100)
        for data in (b"abc", b"defg", b"h"):
            sending.push(data)
        parts: list[bytes | memoryview] = []
        for size in (2, 1, 3, 2):
            sending.take(size, parts)
        self.assertEqual([bytes(part) for part in parts], [b"ab", b"c", b"def", b"g", b"h"])
        self.assertEqual((sending.queued, sending.available), (0, 92))

    def test_declared(self) -> None:
        """More than was declared is our own mistake."""
        sending = Sending(1, 100, 5)
        sending.push(b"abcd")
        self.assertRaises(LocalProtocolError, sending.push, b"ef")

    def test_after_end(self) -> None:
        """So is anything behind the end."""
        sending = Sending(1, 100)
        sending.end = b"END"
        self.assertRaises(LocalProtocolError, sending.push, b"a")

    def test_credit(self) -> None:
        """Credit adds up, but not for ever."""
        sending = Sending(1, 100)
        sending.grant(CREDIT_LIMIT - 100)
        self.assertRaises(RemoteProtocolError, sending.grant, 1)

    def test_low_water(self) -> None:
        """The mark is passed when more than it waits."""
        sending = Sending(1, 0)
        sending.push(b"x" * LOW_WATER)
        self.assertFalse(sending.above)
        sending.push(b"x")
        self.assertTrue(sending.above)
        sending.drop()
        self.assertEqual((sending.above, sending.queued, len(sending.chunks)), (False, 0, 0))
