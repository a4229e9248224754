"""Large bodies: speed, integrity, memory; and a reader that does not read."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, at_least, at_most
from benchmarks.fleet import Fleet, fleet
from benchmarks.machine import Memory
from benchmarks.plan import Plan, take_turns
from benchmarks.servers import BODY, nginx
from benchmarks.tokens import source
from benchmarks.wrk import Load, Result, press

__all__ = [
    "MEGABYTE", "CorruptError", "Growth", "compare_hash", "curl", "download", "make_file", "stalled", "stalled_reader",
    "upload",
]  # fmt: skip

MEGABYTE = 1_000_000


class CorruptError(Exception):
    """What arrived is not what was sent."""


def make_file(plan: Plan) -> tuple[Path, str]:
    """A file that no compression and no cache of blocks makes smaller, and its hash."""
    path, digest, chance = plan.folder / "bulk", hashlib.sha256(), random.Random(1)
    with path.open("wb") as file:
        for _ in range(plan.megabytes):
            block = chance.randbytes(MEGABYTE)
            digest.update(block)
            file.write(block)
    return path, digest.hexdigest()


def download(plan: Plan) -> Iterator[Figure]:
    """curl reads a large file from nginx."""
    path, digest = make_file(plan)
    with nginx(plan.folder) as direct, fleet(direct, 1) as slime:
        growth = Growth(slime)
        compare_hash(slime.port, plan, digest)
        runs = take_turns(plan.rounds, {"direct": lambda: _down(direct), "slime": lambda: _down(slime.port)})
        grown = growth.figures(f"{plan.megabytes} MB down", most=48)
    path.unlink()
    yield from [*_speeds(f"{plan.megabytes} MB down", runs, 250), *grown]


def upload(plan: Plan) -> Iterator[Figure]:
    """curl writes a large file to an upstream that hashes it."""
    path, digest = make_file(plan)
    with source() as direct, fleet(direct, 1) as slime:
        growth = Growth(slime)
        runs = take_turns(plan.rounds, {
            "direct": lambda: _up(direct, path, digest), "slime": lambda: _up(slime.port, path, digest)})
        grown = growth.figures(f"{plan.megabytes} MB up", most=48)
    path.unlink()
    yield from [*_speeds(f"{plan.megabytes} MB up", runs, 200), *grown]


def _speeds(part: str, runs: dict[str, list[float]], least: float) -> Iterator[Figure]:
    yield Figure(part, "direct", "MB/s", runs["direct"])
    yield Figure(part, "slime", "MB/s", runs["slime"], goal=at_least(least))


class Growth:
    """How much hub and agent grow from now on, the first use of anything included."""

    def __init__(self, slime: Fleet) -> None:
        self._memories = {"slime hub": Memory(slime.hub), "slime agent": Memory(slime.agent)}

    def figures(self, part: str, most: float) -> list[Figure]:
        """The growth so far."""
        return [Figure(part, subject, "memory growth, MB", [memory.growth()], goal=at_most(most))
                for subject, memory in self._memories.items()]


def curl(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run curl; ``check`` makes its failure ours."""
    return subprocess.run(["curl", "-sSf", *arguments], capture_output=True, text=True, check=check, timeout=60)


def _down(port: int) -> float:
    asked = ("-o", "/dev/null", "-w", "%{speed_download}", f"http://127.0.0.1:{port}/bulk")
    return float(curl(*asked).stdout) / MEGABYTE


def _up(port: int, path: Path, digest: str) -> float:
    asked = ("-T", str(path), "-H", "Expect:", "-w", "\n%{speed_upload}", f"http://127.0.0.1:{port}/sink")
    answer, speed = curl(*asked).stdout.split("\n")
    if json.loads(answer)["sha256"] != digest:
        raise CorruptError("upload")
    return float(speed) / MEGABYTE


def compare_hash(port: int, plan: Plan, digest: str) -> None:
    """Read the file of :func:`make_file` through ``port`` once.

    :raises CorruptError: it is not what was written.
    """
    copy, found = plan.folder / "copy", hashlib.sha256()
    curl("-o", str(copy), f"http://127.0.0.1:{port}/bulk")
    with copy.open("rb") as file:
        while block := file.read(MEGABYTE):
            found.update(block)
    copy.unlink()
    if found.hexdigest() != digest:
        raise CorruptError("download")


def stalled_reader(plan: Plan) -> Iterator[Figure]:
    """An application asks for a large file and does not read it; others are served meanwhile."""
    part, load = "a reader that stalls", Load(1, plan.seconds, BODY)
    path, _ = make_file(plan)
    with nginx(plan.folder) as direct, fleet(direct, 2) as slime:
        growth = Growth(slime)
        runs = take_turns(plan.rounds, {
            "without it": lambda: press(slime.port, load), "beside it": lambda: _beside_staller(slime.port, load)})
        grown = growth.figures(part, most=16)
    path.unlink()
    for subject, taken in runs.items():
        yield Figure(part, subject, "p99 latency, ms", [run.p99 for run in taken])
    for subject, reference, goal in (("without it", None, None), ("beside it", "without it", at_most(1.5))):
        yield Figure(part, subject, "p50 latency, ms", [run.p50 for run in runs[subject]], reference, goal)
    yield from grown


def _beside_staller(port: int, load: Load) -> Result:
    with stalled(port):
        return press(port, load)


def stalled(port: int, share: int = 0) -> socket.socket:
    """A connection whose answer has begun, and of which no more is read than so many bytes."""
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(b"GET /bulk HTTP/1.1\r\nHost: b\r\n\r\n")
    if not connection.recv(64).startswith(b"HTTP/1.1 200 "):
        raise CorruptError("stalled reader")
    while share > 0:
        read = len(connection.recv(min(share, MEGABYTE)))
        if not read:
            raise CorruptError("an answer that ends too early")
        share -= read
    return connection
