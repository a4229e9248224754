"""What every part of the suite is given, and how rounds are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

__all__ = ["Plan", "take_turns"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    :ivar folder: an empty folder for whatever the parts need.
    :ivar rounds: how often each measurement is taken; odd, so that the median is one of them.
    :ivar seconds: length of one measurement under load.
    :ivar megabytes: size of a bulk transfer.
    :ivar crowd: links that rest while others are measured.
    :ivar storm: links that come back at once.
    :ivar faults: faults of a history.
    """

    folder: Path
    rounds: int = 3
    seconds: float = 2.0
    megabytes: int = 300
    crowd: int = 5000
    storm: int = 1000
    faults: int = 7


def take_turns(rounds: int, subjects: Mapping[str, Callable[[], Result]]) -> dict[str, list[Result]]:
    """Measure every subject once in each round, so that all of them see the same machine."""
    results: dict[str, list[Result]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, measure in subjects.items():
            results[name].append(measure())
    return results
