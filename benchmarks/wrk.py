"""Closed-loop load by wrk, every answer's status and body checked."""

from __future__ import annotations

import json
import math
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Load", "Result", "press"]

SCRIPT = Path(__file__).with_name("check.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """How hard to press: ``connections`` that each have one request running, for ``seconds``, rounded up.

    :ivar body: what every answer must be.
    """

    connections: int
    seconds: float
    body: str
    path: str = "/small"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; ``p50``, ``p99`` and ``max`` are latencies in ms, ``broken`` connections lost."""

    requests: int
    seconds: float
    wrong: int
    sample: str
    broken: int
    p50: float
    p99: float
    max: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


class WrongAnswersError(Exception):
    """Some answers were not the expected ones: whatever speed was measured means nothing."""


def press(port: int, load: Load) -> Result:
    """Press a server on the loopback interface.

    :raises WrongAnswersError: an answer was wrong or a connection broke.
    """
    command = ["wrk", "-t1", f"-c{load.connections}", f"-d{math.ceil(load.seconds)}s", "--timeout=30s", f"-s{SCRIPT}",
               "-HSlime-Block: 1", f"http://127.0.0.1:{port}{load.path}", "--", load.body]
    done = subprocess.run(command, capture_output=True, text=True, timeout=load.seconds + 30, check=True)
    found = re.search(r"SUMMARY (.*)", done.stdout)
    if found is None:
        raise WrongAnswersError(done.stdout + done.stderr)
    result = Result(**json.loads(found[1]))
    if result.wrong or result.broken or not result.requests:
        raise WrongAnswersError(found[1])
    return result
