"""What the kernel says of a process, and what machine this is."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

__all__ = ["Memory", "cpu_seconds", "describe", "free_port"]


def cpu_seconds(pid: int) -> float:
    """CPU time that all threads of a process have used, in seconds, as the scheduler counts it."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Memory:
    """How much a process' resident memory grows from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # lets the peak start anew (proc(5))
        self._before = self._field("VmRSS")

    def kept(self) -> float:
        """The resident memory now less that at the beginning, in MB."""
        return (self._field("VmRSS") - self._before) / 1000

    def growth(self) -> float:
        """The highest resident memory since then less that at the beginning, in MB."""
        return (self._field("VmHWM") - self._before) / 1000

    def _field(self, name: str) -> float:
        for line in Path(f"/proc/{self._pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1.024
        raise LookupError(name)


def free_port() -> int:
    """A port that is free now, for programs that cannot say which one they got."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def describe() -> dict[str, str]:
    """The machine and the versions of everything that takes part."""
    facts = {"cores": str(os.cpu_count()), "cpu": _cpu(), "kernel": platform.release(),
             "python": platform.python_version(), "load": f"{os.getloadavg()[0]:.1f} in the minute before"}
    facts |= {name: version(name) for name in ("twisted", "autobahn")}
    programs = {name: flag for name, flag in _VERSION_FLAGS.items() if shutil.which(name)}
    return facts | {name: _first_line([name, flag]) for name, flag in programs.items()}


_VERSION_FLAGS = {"nginx": "-v", "haproxy": "-v", "wrk": "-v", "curl": "-V"}


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()[0].strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
