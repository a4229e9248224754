"""Paces and the spool: pure accounts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from slime.hub.pace import READING, SENDING, TAKEN, Pace
from slime.hub.spool import Spool, SpoolLimits

RATE = 500


class PaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pace = Pace(READING)
        self.count = 10_000
        self.now = 100.0
        self.lag(0.0, 0)

    def lag(self, seconds: float, size: int, whom: object = "somebody") -> float:
        """What it is after so much has passed in that time."""
        self.now += seconds
        self.count += size
        return self.pace.measure(whom, self.now, self.count, RATE)

    def test_nothing_comes(self) -> None:
        self.assertEqual([self.lag(1.0, 0), self.lag(0.5, 0)], [1.0, 1.5])

    def test_some_comes(self) -> None:
        self.assertAlmostEqual(self.lag(1.0, 250), 0.5)
        self.assertAlmostEqual(self.lag(1.0, 500), 0.5)
        self.assertAlmostEqual(self.lag(1.0, 600), 0.3)

    def test_a_first_flight_is_no_merit(self) -> None:
        """What kernels take for one who reads nothing."""
        self.assertGreater(self.lag(0.1, 16_000), -0.2)
        self.assertGreater(self.lag(0.5, 0), 0.3)

    def test_now_and_then(self) -> None:
        """Who sends enough in the mean may make pauses."""
        self.pace = Pace(SENDING)
        self.lag(0.0, 0)
        self.lag(0.2, 1000)
        self.assertLess(max(self.lag(0.5, size) for size in (0, 1000) * 10), 0.25)

    def test_in_bursts(self) -> None:
        """A line that loses packets stands still for seconds."""
        self.pace = Pace(SENDING)
        self.lag(0.0, 0)
        self.assertLess(max(self.lag(1.0, size) for size in (50_000, 0, 0, 0, 0, 0) * 5), 0.0)
        self.assertGreater(self.lag(7.0, 0), 0.0)

    def test_ahead(self) -> None:
        """Who is quick may rest, but not for ever."""
        self.assertEqual(self.lag(1.0, 10**7), -20.0)
        self.assertEqual(self.lag(1.0, 10**7), -20.0)
        self.assertEqual(self.lag(20.5, 0), 0.5)

    def test_in_lumps(self) -> None:
        """A kernel with a large buffer says only every ten seconds how much was read of 3 MB: 300 kB a second."""
        self.lag(0.1, 3 * 10**6)
        self.assertLess(max(self.lag(1.0, size) for size in ([0] * 9 + [3 * 10**6]) * 5), 0.0)

    def test_catching_up(self) -> None:
        """What is left over when one has caught up counts a little."""
        self.lag(2.0, 0)
        self.assertAlmostEqual(self.lag(1.0, int(RATE * (3 + READING.price / 2))), -0.5)

    def test_rest(self) -> None:
        self.lag(1.0, 0)
        self.pace.rest()
        self.assertEqual(self.lag(100.0, 0), 1.0)
        self.assertEqual(self.lag(1.0, 0), 2.0)

    def test_somebody_else(self) -> None:
        self.lag(1.0, 0)
        self.assertEqual(self.lag(1.0, 0, "somebody else"), 0.0)

    def test_lead(self) -> None:
        self.pace.begin("somebody", 1.5)
        self.assertEqual([self.lag(1.0, 0), self.lag(2.0, 0)], [-1.5, 0.5])

    def test_lead_and_more(self) -> None:
        """A lead is not lost by being quick."""
        self.pace.begin("somebody", 1.5)
        self.lag(0.0, 0)
        self.assertLess(self.lag(1.0, 10**6), -1.5)

    def test_before_its_time(self) -> None:
        """What passed before it was waited for counts, but for what nobody need have read."""
        self.count = 0
        self.pace.begin("somebody", taken=TAKEN)
        self.assertEqual([self.lag(1.0, TAKEN // 2), self.lag(0.5, 0), self.lag(0.5, TAKEN // 2)], [0.0, 0.5, 0.0])
        self.pace.begin("somebody", taken=TAKEN)
        self.assertLess(self.lag(1.0, 10**7), -19.0)


class SpoolTests(SynchronousTestCase):
    def test_shares(self) -> None:
        spool = Spool(SpoolLimits(each=100, all=150))
        self.assertEqual([spool.take(60, 0), spool.take(41, 60), spool.take(40, 60)], [True, False, True])
        self.assertEqual([spool.take(51, 0), spool.take(50, 0), spool.used], [False, True, 150])
        spool.give_back(100)
        self.assertEqual((spool.take(100, 0), spool.used), (True, 150))
