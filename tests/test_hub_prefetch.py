"""What prefetching with revocation buys, and that it costs nobody: the dispatcher against a simulated distance."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.dispatch_model import Provider, exponential, fixed, simulate

FAR = [Provider(0.05, fixed(0.05))] * 8
VARIED = [Provider(0.1, exponential(0.5))] * 8
UNEQUAL = [Provider(0.01, exponential(0.2)), Provider(0.01, exponential(2.0))]
MIXED = [Provider(rtt / 2000, exponential(0.3)) for rtt in (10, 20, 40, 60, 80, 120, 160, 200)]


class PrefetchModelTests(SynchronousTestCase):
    """Load 0.9 of what the providers could serve if they stood next to the hub."""

    def test_distance_is_hidden(self) -> None:
        """A round trip of two service times keeps providers idle two thirds of the time, unless work waits there."""
        without = simulate(FAR, 0.9, prefetch=0, seconds=60)
        ahead = simulate(FAR, 0.9, prefetch=4, seconds=60)
        self.assertLess(without.busy, 0.4)
        self.assertGreater(ahead.busy, 0.85)
        self.assertLess(ahead.mean_wait, 0.1)
        self.assertLess(ahead.p99_wait, 0.25)

    def test_nothing_is_on_the_edge(self) -> None:
        """A single provider that a round trip is worth exactly two requests of, and these vary."""
        ahead = [simulate([Provider(0.05, exponential(0.05))], 0.9, prefetch=4, seconds=200, seed=seed)
                 for seed in range(4)]
        self.assertGreater(sum(run.busy for run in ahead) / 4, 0.87)
        self.assertLess(sum(run.mean_wait for run in ahead) / 4, 3)

    def test_varied_service_times(self) -> None:
        """Over many round trips the queue stays short where it grew for ever."""
        for seed in (1, 2, 3):
            without = simulate(VARIED, 0.9, prefetch=0, seconds=400, seed=seed)
            ahead = simulate(VARIED, 0.9, prefetch=4, seconds=400, seed=seed)
            self.assertGreater(without.mean_wait, 10)
            self.assertLess(ahead.mean_wait, 5)
            self.assertGreater(ahead.busy, 0.85)

    def test_unequal_providers(self) -> None:
        """A provider ten times slower does not hoard requests that the other would have begun sooner."""
        for load in (0.6, 0.9):
            without = [simulate(UNEQUAL, load, prefetch=0, seconds=400, seed=seed).mean_wait for seed in range(5)]
            ahead = [simulate(UNEQUAL, load, prefetch=4, seconds=400, seed=seed).mean_wait for seed in range(5)]
            self.assertLess(sum(ahead), sum(without))

    def test_mixed_distances(self) -> None:
        ahead = simulate(MIXED, 0.9, prefetch=4, seconds=200)
        self.assertGreater(ahead.busy, 0.85)
        self.assertLess(ahead.mean_wait, 1.0)

    def test_light_load_is_left_alone(self) -> None:
        """With a slot free nearly always there is nothing to gain, and nothing is lost."""
        without = simulate(MIXED, 0.3, prefetch=0, seconds=100)
        ahead = simulate(MIXED, 0.3, prefetch=4, seconds=100)
        self.assertLess(ahead.mean_wait, without.mean_wait * 1.1)
