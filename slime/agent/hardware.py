"""What the machine has, as an agent tells its hub.

=================== ==================================================================================
member              meaning
=================== ==================================================================================
``platform``        the system and the kind of processor: ``Linux x86_64``
``cores``           processor cores that this process may use; left out where the system does not say
``threads``         hardware threads of those, each of which the system calls a processor
``memory``          bytes that processes can use; no more than this one's control group is granted
``memory_physical`` bytes that are built in; left out where the system does not say
``gpus``            names of NVIDIA's graphics cards, one for each, if there are any and nvidia-ml-py is
                    installed (``pip install slime-proxy[gpu]``)
``macs``            addresses of network cards; only if asked for
=================== ==================================================================================

A program that embeds an agent may tell something else: see ``catalogue`` of :func:`slime.agent.service.build_agent`.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.logger import Logger

__all__ = ["MAX_REPORT", "Catalogue", "checked", "gpu_names", "hardware", "mac_addresses"]

#: Says what the machine has: names and values, as JSON can hold them.
Catalogue = Callable[[], Mapping[str, Any]]

#: Bytes of a report as JSON, at most.
MAX_REPORT = 16 * 1024

_MEMORY = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
_SYS = Path("/sys")
#: Where a control group's share of the memory stands, of the newer and of the older kind.
_GROUP_MEMORY = ("fs/cgroup/memory.max", "fs/cgroup/memory/memory.limit_in_bytes")
_NO_ADDRESS = "00:00:00:00:00:00"

_log = Logger()


def hardware(macs: bool = False) -> dict[str, Any]:
    """What is known of this machine; see the module's text.

    :param macs: tell addresses of network cards.
    """
    processors = _processors()
    facts: dict[str, Any] = {
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": _cores(processors),
        "threads": len(processors),
        **_memory(),
        "gpus": gpu_names(),
        "macs": mac_addresses() if macs else [],
    }
    return {name: value for name, value in facts.items() if value}


def checked(catalogue: Catalogue) -> Mapping[str, Any]:
    """What a catalogue says, if that can be sent.

    :raises ValueError: it is no object of JSON, or too long; with a sentence.
    """
    report = dict(catalogue())
    try:
        size = len(json.dumps(report, allow_nan=False, ensure_ascii=False).encode("utf-8"))
    except (TypeError, ValueError) as problem:
        raise ValueError(f"a hardware catalogue that is not JSON: {problem}") from None
    if size > MAX_REPORT:
        raise ValueError(f"a hardware catalogue of {size} bytes; a hub is told {MAX_REPORT} at most")
    return report


def _processors() -> set[int]:
    """Those that this process may run on, by number."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _cores(processors: set[int]) -> int:
    """How many cores these are; 0 where the system does not say."""
    places = [_SYS / f"devices/system/cpu/cpu{number}/topology" for number in processors]
    cores = {(_text(place / "physical_package_id"), _text(place / "core_id")) for place in places}
    return 0 if any("" in core for core in cores) else len(cores)


def _memory() -> dict[str, int]:
    """Nothing where the system does not say."""
    known = getattr(os, "sysconf_names", {})
    if not all(name in known for name in _MEMORY):
        return {}
    pages, size = map(os.sysconf, _MEMORY)
    granted = [int(text) for name in _GROUP_MEMORY if (text := _text(_SYS / name)).isdigit()]
    return {"memory": min([pages * size, *granted]), "memory_physical": _built_in()}


def _built_in() -> int:
    """Memory as Linux counts it: in blocks of one size. 0 where it does not."""
    place = _SYS / "devices/system/memory"
    try:
        size = int(_text(place / "block_size_bytes") or "0", 16)
    except ValueError:
        return 0
    return size * sum(1 for _ in place.glob("memory[0-9]*"))


def gpu_names() -> list[str]:
    """Names of NVIDIA's graphics cards; none without their driver, or without nvidia-ml-py."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as problem:
        _log.debug("no graphics cards are reported: {problem}", problem=problem)
        return []
    try:
        return list(_names(pynvml))
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _names(nvml: Any) -> Iterator[str]:
    try:
        for number in range(nvml.nvmlDeviceGetCount()):
            yield str(nvml.nvmlDeviceGetName(nvml.nvmlDeviceGetHandleByIndex(number)))
    except nvml.NVMLError as problem:
        _log.warn("not all graphics cards can be reported: {problem}", problem=problem)


def mac_addresses() -> list[str]:
    """Addresses of this machine's network cards, sorted; none where the system does not say."""
    found = {_text(place) for place in _SYS.glob("class/net/*/address")}
    return sorted(found - {"", _NO_ADDRESS})


def _text(path: Path) -> str:
    """A small file's content; nothing if it cannot be read."""
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
