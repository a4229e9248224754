"""What the machine has, as an agent tells its hub."""

from __future__ import annotations

import os
import platform

__all__ = ["hardware"]

_MEMORY = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")


def hardware() -> dict[str, str | int]:
    """What is known of this machine: processor cores this process may use, bytes of memory, kind of platform."""
    return {"platform": f"{platform.system()} {platform.machine()}", "cores": _cores(), **_memory()}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> dict[str, int]:
    """Nothing where the system does not say."""
    known = getattr(os, "sysconf_names", {})
    if not all(name in known for name in _MEMORY):
        return {}
    pages, size = map(os.sysconf, _MEMORY)
    return {"memory": pages * size}
