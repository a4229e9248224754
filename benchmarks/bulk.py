"""Large bodies: speed, integrity, memory; and a reader that does not read."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, at_least, at_most
from benchmarks.fleet import Fleet, fleet
from benchmarks.machine import Memory
from benchmarks.plan import Plan, take_turns
from benchmarks.servers import BODY, nginx
from benchmarks.tokens import source
from benchmarks.wrk import Load, press

__all__ = ["MEGABYTE", "curl", "download", "stalled_reader", "upload"]

MEGABYTE = 1_000_000


class CorruptError(Exception):
    """What arrived is not what was sent."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer: MB/s, and by how many MB hub and agent grew."""

    speed: float
    hub: float = 0.0
    agent: float = 0.0


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
        _compare_hash(slime.port, plan, digest)
        runs = take_turns(plan.rounds, {
            "direct": lambda: Transfer(_curl_down(direct)),
            "slime": lambda: _watched(slime, lambda: _curl_down(slime.port))})
    path.unlink()
    yield from _figures(f"{plan.megabytes} MB down", runs, goal=0.10)


def upload(plan: Plan) -> Iterator[Figure]:
    """curl writes a large file to an upstream that hashes it."""
    path, digest = make_file(plan)
    with source() as direct, fleet(direct, 1) as slime:
        runs = take_turns(plan.rounds, {
            "direct": lambda: Transfer(_curl_up(direct, path, digest)),
            "slime": lambda: _watched(slime, lambda: _curl_up(slime.port, path, digest))})
    path.unlink()
    yield from _figures(f"{plan.megabytes} MB up", runs, goal=None)


def _figures(part: str, runs: dict[str, list[Transfer]], goal: float | None) -> Iterator[Figure]:
    yield Figure(part, "direct", "MB/s", [run.speed for run in runs["direct"]])
    wanted = None if goal is None else at_least(goal)
    yield Figure(part, "slime", "MB/s", [run.speed for run in runs["slime"]], "direct", wanted)
    yield Figure(part, "slime hub", "memory growth, MB", [run.hub for run in runs["slime"]], goal=at_most(48))
    yield Figure(part, "slime agent", "memory growth, MB", [run.agent for run in runs["slime"]], goal=at_most(48))


def _watched(slime: Fleet, measure: Callable[[], float]) -> Transfer:
    hub, agent = Memory(slime.hub), Memory(slime.agent)
    speed = measure()
    return Transfer(speed, hub.growth(), agent.growth())


def curl(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run curl; ``check`` makes its failure ours."""
    return subprocess.run(["curl", "-sSf", *arguments], capture_output=True, text=True, check=check, timeout=60)


def _curl_down(port: int) -> float:
    asked = ("-o", "/dev/null", "-w", "%{speed_download}", f"http://127.0.0.1:{port}/bulk")
    return float(curl(*asked).stdout) / MEGABYTE


def _curl_up(port: int, path: Path, digest: str) -> float:
    asked = ("-T", str(path), "-H", "Expect:", "-w", "\n%{speed_upload}", f"http://127.0.0.1:{port}/sink")
    answer, speed = curl(*asked).stdout.split("\n")
    if json.loads(answer)["sha256"] != digest:
        raise CorruptError("upload")
    return float(speed) / MEGABYTE


def _compare_hash(port: int, plan: Plan, digest: str) -> None:
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
        before = [press(slime.port, load) for _ in range(plan.rounds)]
        hub, agent = Memory(slime.hub), Memory(slime.agent)
        with _asking_only(slime.port):
            beside = [press(slime.port, load) for _ in range(plan.rounds)]
        growths = hub.growth(), agent.growth()
    path.unlink()
    yield Figure(part, "without it", "p99 latency, ms", [run.p99 for run in before])
    yield Figure(part, "beside it", "p99 latency, ms", [run.p99 for run in beside])
    yield Figure(part, "without it", "p50 latency, ms", [run.p50 for run in before])
    yield Figure(part, "beside it", "p50 latency, ms", [run.p50 for run in beside], "without it", at_most(1.5))
    for subject, growth in zip(("slime hub", "slime agent"), growths, strict=True):
        yield Figure(part, subject, "memory growth, MB", [growth], goal=at_most(16))


def _asking_only(port: int) -> socket.socket:
    """A connection whose answer has begun, and of which nothing more is read."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET /bulk HTTP/1.1\r\nHost: b\r\n\r\n")
    if not connection.recv(64).startswith(b"HTTP/1.1 200 "):
        raise CorruptError("stalled reader")
    return connection
