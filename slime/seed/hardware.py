"""The earlier program's report of a machine, in the words of slime's own. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["MAX_REPORT", "hardware_in"]

#: Bytes of a report that are read.
MAX_REPORT = 64 * 1024

#: Graphics cards that are remembered of one machine, and characters of what each is called, at most: thousands of
#: machines may report, and whoever does need not be friendly.
MOST, LONGEST = 32, 100

_GIB = 1024**3


def hardware_in(body: bytes) -> dict[str, Any]:
    """What an agent says of its machine when it joins; addresses of network cards are nobody's business.

    :param body: JSON, or nothing. What cannot be read, and what is of another kind than it should be, is left out.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    facts = {ours: read(said[theirs]) for theirs, (ours, read) in _MEMBERS.items() if theirs in said}
    platform = " ".join(filter(None, (_text(said.get(name)) for name in ("PlatformOS", "PlatformArch"))))
    return {name: value for name, value in {"platform": platform, **facts}.items() if value}


def _text(value: Any) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value < 2**31 else 0


def _gibibytes(value: Any) -> int:
    return int(value * _GIB) if type(value) in (int, float) and 0 < value < 2**21 else 0


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in value[:MOST] if isinstance(item, str)] if isinstance(value, list) else []


_MEMBERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "CPUCores": ("cores", _count),
    "CPUThreads": ("threads", _count),
    "MemoryUsableGB": ("memory", _gibibytes),
    "MemoryPhysicalGB": ("memory_physical", _gibibytes),
    "GPUNames": ("gpus", _texts),
}
