"""A storm: a hub dies and comes back, and a whole fleet with it: ``python -m benchmarks.storm [--links 1000]``.

All links are those of one agent process. Meanwhile an application asks the hub again and again, and what it waits for
an answer counts from the moment at which the hub listens.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, sleep

from benchmarks.figures import Figure, at_most
from benchmarks.history.programs import Agent, Hub
from benchmarks.plan import Plan

__all__ = ["Storm", "storm", "weathering"]

#: Longest time for everybody to be back, and for an answer meanwhile; in seconds.
BACK, ANSWER = 15.0, 1.0


@dataclass(frozen=True)
class Storm:
    """What a storm was like.

    :ivar back: seconds from the hub's listening to its last agent.
    :ivar answers: seconds that each answer to an application took meanwhile.
    """

    links: int
    back: float
    answers: list[float]

    @property
    def weathered(self) -> bool:
        """Were all back in time, and applications answered?"""
        return self.back < BACK and bool(self.answers) and max(self.answers) < ANSWER

    def __str__(self) -> str:
        return (
            f"{self.links} links back after {self.back:.1f} s; {len(self.answers)} answers meanwhile, "
            f"the slowest after {max(self.answers) * 1e3:.0f} ms"
        )


def storm(links: int) -> Storm:
    """Let it come."""
    hub = Hub("--ping-interval", "5s")
    hub.start()
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        addresses = ",".join([f"127.0.0.1:{nobody.getsockname()[1]}"] * links)
        agent = Agent("storm", hub.port, addresses, 1, hub.token("storm"))
        agent.start()
        try:
            _wait(hub, links)
            hub.end(signal.SIGKILL)
            hub.start()
            return _weather(hub, links)
        finally:
            agent.end()
            hub.end()


def weathering(plan: Plan) -> Iterator[Figure]:
    """As a part of the suite: once, as it takes long and is not about a millisecond."""
    found, part = storm(plan.storm), f"{plan.storm} agents after a hub's death"
    yield Figure(part, "slime", "all back after, s", [found.back], goal=at_most(BACK))
    slowest = max(found.answers, default=float("inf")) * 1e3
    yield Figure(part, "slime hub", "slowest answer meanwhile, ms", [slowest], goal=at_most(ANSWER * 1e3))


def _wait(hub: Hub, links: int, seconds: float = 60.0) -> None:
    assert hub.child is not None
    hub.child.wait_for("agent storm joined", seconds, links)


def _weather(hub: Hub, links: int) -> Storm:
    began, answers, over = monotonic(), list[float](), threading.Event()
    asking = threading.Thread(target=_ask, args=(hub.port, answers, over))
    asking.start()
    try:
        _wait(hub, links)
        return Storm(links, monotonic() - began, answers)
    finally:
        over.set()
        asking.join()


def _ask(port: int, answers: list[float], over: threading.Event) -> None:
    """Ask for what the hub answers by itself, again and again."""
    while not over.is_set():
        began = monotonic()
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(b"GET /v1/agent/tunnel HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            connection.settimeout(30)
            while connection.recv(65536):
                pass
        answers.append(monotonic() - began)
        sleep(0.02)


def main(arguments: list[str]) -> int:
    """Say what it was like; status 1 if somebody was lost in it."""
    parser = argparse.ArgumentParser("python -m benchmarks.storm")
    parser.add_argument("--links", type=int, default=1000)
    found = storm(parser.parse_args(arguments).links)
    print(found)
    return int(not found.weathered)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
