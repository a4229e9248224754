"""Silence and round trips, without a clock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from slime.liveness import Liveness


class LivenessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.liveness = Liveness(10.0, 100.0)

    def test_round_trip_is_smoothed(self) -> None:
        token = self.liveness.ping(100.0)
        self.liveness.pong(token, 100.08)
        self.assertAlmostEqual(self.liveness.rtt or 0, 0.08)
        token = self.liveness.ping(110.0)
        self.liveness.pong(token, 110.88)
        self.assertAlmostEqual(self.liveness.rtt or 0, 0.18)

    def test_unasked_pong_says_nothing(self) -> None:
        self.liveness.pong(77, 100.0)
        self.assertIsNone(self.liveness.rtt)

    def test_pong_counts_once(self) -> None:
        token = self.liveness.ping(100.0)
        self.liveness.pong(token, 100.5)
        self.liveness.pong(token, 109.0)
        self.assertEqual(self.liveness.rtt, 0.5)

    def test_old_pings_are_forgotten(self) -> None:
        first = self.liveness.ping(100.0)
        for when in (110.0, 120.0, 130.0):
            self.liveness.ping(when)
        self.liveness.pong(first, 131.0)
        self.assertIsNone(self.liveness.rtt)

    def test_dead_after_three_intervals(self) -> None:
        """The last tick comes exactly when the peer's time is up."""
        now, ticks = 100.0, []
        self.liveness.heard = 104.0
        while not self.liveness.is_dead(now):
            now += self.liveness.next_tick(now)
            ticks.append(now)
        self.assertEqual(ticks, [110.0, 120.0, 130.0, 134.0])

    def test_any_byte_is_a_sign_of_life(self) -> None:
        self.liveness.heard = 125.0
        self.liveness.next_tick(120.0)
        self.assertFalse(self.liveness.is_dead(130.0))

    def test_own_sleep_is_not_the_peers_death(self) -> None:
        """After SIGCONT, or a lid opened, the peer gets its three intervals again."""
        self.liveness.next_tick(100.0)
        self.assertFalse(self.liveness.is_dead(1000.0))
        self.assertEqual(self.liveness.heard, 1000.0)
