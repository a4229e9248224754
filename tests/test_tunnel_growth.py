"""How windows grow and shrink."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from slime.tunnel.growth import Growth, WindowLimits


class GrowthTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.growth = Growth(WindowLimits(100, 800, 1000))

    def test_grows_to_its_bound(self) -> None:
        """A window that is used within a round trip is doubled."""
        sizes = [self.growth.judge(1, now * 0.05, 0.1) for now in range(6)]
        self.assertEqual(sizes, [0, 200, 400, 800, 0, 0])

    def test_no_need(self) -> None:
        """Windows that last longer than a round trip, a path that is short, or not known."""
        for stream_id, pause, rtt in ((1, 0.2, 0.1), (2, 0.0001, 0.001), (3, 0.01, None)):
            self.assertEqual([self.growth.judge(stream_id, n * pause, rtt) for n in range(5)], [0] * 5)

    def test_link_bound(self) -> None:
        """All streams together grow so much and no more."""
        for stream_id in (1, 2, 3):
            for now in range(6):
                self.growth.judge(stream_id, now * 0.05, 0.1)
        self.assertEqual(self.growth.grown, 1000)

    def test_shrinks(self) -> None:
        """Streams that rest give back what they had, for others."""
        for now in range(4):
            self.growth.judge(1, now * 0.05, 0.1)
        self.growth.judge(2, 0.05, 0.1)
        self.assertEqual(self.growth.forget(0.1), {})
        self.assertEqual((self.growth.forget(1.0), self.growth.grown), ({1: 100}, 0))
        self.assertEqual(self.growth.judge(1, 2.0, 0.1), 0)
