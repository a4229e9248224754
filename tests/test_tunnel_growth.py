"""How windows grow and shrink."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from slime.tunnel.growth import Growth, WindowLimits


class GrowthTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.over: set[int] = set()
        self.growth = Growth(WindowLimits(100, 800, 1000), lambda stream_id: stream_id not in self.over)

    def use(self, stream_id: int, size: int, now: float, rtt: float | None = 0.1) -> int:
        """A stream uses some bytes."""
        return self.growth.judge(stream_id, size, now, rtt)

    def test_grows_to_its_bound(self) -> None:
        """A window that is used within a round trip is doubled."""
        sizes = [self.use(1, 400, now * 0.05) for now in range(6)]
        self.assertEqual(sizes, [0, 200, 400, 800, 0, 0])

    def test_all_at_once(self) -> None:
        """A window that is used up at once, each time a round trip later, is what limits the stream as well."""
        sizes = [self.use(1, size, 0.101 * n) for n, size in enumerate((100, 100, 200, 400))]
        self.assertEqual(sizes, [0, 200, 400, 800])

    def test_about_enough(self) -> None:
        """Half a window in a round trip may be late by what both ends do meanwhile, and no more."""
        for stream_id, pause, window in ((1, 0.12, 200), (2, 0.13, 0)):
            self.assertEqual([self.use(stream_id, 50, n * pause) for n in range(2)], [0, window])

    def test_little_use(self) -> None:
        """Nothing is measured before half a window is used: bytes count as if they had come at once."""
        self.assertEqual([self.use(1, 24, now) for now in (0.0, 0.04, 0.08, 0.1)], [0, 0, 0, 200])

    def test_no_need(self) -> None:
        """Windows that last longer than a round trip, a path that is short, or not known."""
        for stream_id, pause, rtt in ((1, 0.2, 0.1), (2, 0.0001, 0.001), (3, 0.01, None)):
            self.assertEqual([self.use(stream_id, 50, n * pause, rtt) for n in range(5)], [0] * 5)

    def test_link_bound(self) -> None:
        """All streams together grow so much and no more."""
        for stream_id in (1, 2, 3):
            for now in range(6):
                self.use(stream_id, 400, now * 0.05)
        self.assertEqual(self.growth.grown, 1000)

    def test_over(self) -> None:
        """What streams that are over had grown by is for others, when these need it."""
        for stream_id in (1, 2):
            for now in range(6):
                self.use(stream_id, 400, now * 0.05)
        self.over = {1}
        self.assertEqual([self.use(4, 100, now * 0.05) for now in range(2)], [0, 200])
        self.assertEqual(self.growth.grown, 300 + 100)

    def test_shrinks(self) -> None:
        """Streams that rest give back what they had, for others."""
        for now in range(4):
            self.use(1, 400, now * 0.05)
        self.use(2, 1, 0.15)
        self.assertEqual(self.growth.forget(0.1), {})
        self.assertEqual((self.growth.forget(1.0), self.growth.grown), ({1: 100}, 0))
        self.assertEqual(self.use(1, 50, 2.0), 0)
