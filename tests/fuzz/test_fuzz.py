"""The short run: every seed, each input that was ever a finding, and a bounded number of damaged ones."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.damage import damaged
from tests.fuzz.found import FOUND
from tests.fuzz.seeds import SEEDS, WORDS
from tests.fuzz.targets import TARGETS

ROUNDS = 1500


class ReplayTests(SynchronousTestCase):
    """The properties hold for what is known."""

    def test_seeds(self) -> None:
        for name, target in TARGETS.items():
            for seed in SEEDS[name]:
                target(seed)

    def test_found(self) -> None:
        """What was wrong once is right now."""
        for name, data in FOUND.values():
            TARGETS[name](data)


class DamageTests(SynchronousTestCase):
    """They hold for inputs near those, too: the same ones in every run."""

    def check(self, name: str) -> None:
        random = Random(name)
        for _ in range(ROUNDS):
            TARGETS[name](damaged(SEEDS[name], WORDS, random))


for _name in TARGETS:
    setattr(DamageTests, f"test_{_name}", lambda self, name=_name: self.check(name))
