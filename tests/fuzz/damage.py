"""Inputs made of other inputs, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["damaged"]


def damaged(seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """One of ``seeds`` with a few changes."""
    data = random.choice(seeds)
    for _ in range(random.randint(1, 4)):
        at = random.randint(0, len(data))
        after = at + random.choice((0, 0, 1, 2, random.randint(0, 40)))
        data = data[:at] + _piece(seeds, words, random) + data[after:]
    return data


def _piece(seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return b""
    if kind == 1:
        return bytes([random.randrange(256)])
    if kind == 2:
        return random.choice(words)
    other = random.choice(seeds)
    start = random.randint(0, len(other))
    return other[start : start + random.randint(0, 40)]
