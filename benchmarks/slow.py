"""Slow connections beside ordinary requests: 200 of each kind against a hub with one agent that has one slot.

::

    python -m benchmarks.slow                  # all kinds, about four minutes; needs Debian's slowhttptest
    python -m benchmarks.slow readers-2MB      # some

``slowhttptest`` makes the connections; those of the kind ``chunked``, which it does not know, are made here. Meanwhile
two clients send a GET every quarter of a second each, one that asks to wait for a slot (``Slime-Block``) and one that
does not, and a third asks the admin site what occupies the slot. Every kind meets a hub of its own.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Event, Thread
from time import monotonic
from typing import Any

from benchmarks.machine import Memory
from slime.demo.fleet import AgentProcess, HubProcess

__all__ = ["ADMIN", "Provider", "Providers", "only_agent"]

CONNECTIONS = 200
SECONDS = 20
PAUSE = 0.25
ADMIN = r"admin site is at http://.*:(\d+)/"


class Provider(BaseHTTPRequestHandler):
    """``GET /N`` answers N bytes; any other request is read whole and answered."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"x" * int(self.path.strip("/") or 2))

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(b"thanks")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Providers(ThreadingHTTPServer):
    """A thread for each connection."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Agents hang up on what nobody wants any more."""


@dataclass
class Seen:
    """What was seen during one attack.

    :ivar times: seconds of each GET that was answered with 200, by whether it asked to wait.
    :ivar refused: GETs that were not, by the same.
    :ivar occupied: each time the admin site was asked: what ran, ``/2`` being the GETs.
    """

    times: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    refused: dict[bool, list[str]] = field(default_factory=lambda: {True: [], False: []})
    occupied: list[list[str]] = field(default_factory=list)

    def get(self, port: int, block: bool) -> None:
        """One GET on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        began = monotonic()
        connection.request("GET", "/2", headers={"Slime-Block": "1"} if block else {})
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status == 200:
            self.times[block].append(monotonic() - began)
        else:
            self.refused[block].append(f"{response.status} {response.getheader('Slime-Error')}")

    def look(self, port: int) -> None:
        """What occupies the slot now?"""
        self.occupied.append([work["path"] for work in only_agent(port)["work"] if work["path"] != "/2"])

    def line(self, name: str, growth: float) -> str:
        """What to remember of it."""
        parts = [name.ljust(16)]
        for block in (True, False):
            times, refused = self.times[block] or [float("nan")], self.refused[block]
            parts.append(
                f"{'waiting' if block else 'at once'}: median {median(times) * 1e3:.0f} ms,"
                f" longest {max(times) * 1e3:.0f} ms, {len(times)} served, {len(refused)} refused {set(refused) or ''}"
            )
        held = [number for number, paths in enumerate(self.occupied) if paths]
        last = f" (last at number {held[-1] + 1})" if held else ""
        parts.append(f"slot held at {len(held)} of {len(self.occupied)} looks{last}; hub grew by {growth:.0f} MB")
        return "; ".join(parts)


def only_agent(port: int) -> dict[str, Any]:
    """What the admin site there says of the one agent."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/api/v1/agents")
    [agent] = json.loads(connection.getresponse().read())["agents"]
    connection.close()
    return agent


def repeat(stop: Event, work: Callable[[], object]) -> Thread:
    """Do something again and again, in a thread."""

    def run() -> None:
        while not stop.wait(PAUSE):
            work()

    thread = Thread(target=run)
    thread.start()
    return thread


def slowhttptest(*options: str) -> Callable[[int], None]:
    """An attack by slowhttptest."""

    def attack(port: int) -> None:
        path = options[-1]
        command = ["slowhttptest", "-c", str(CONNECTIONS), "-r", "100", "-l", str(SECONDS), *options[:-1]]
        subprocess.run([*command, "-u", f"http://127.0.0.1:{port}{path}"], stdout=subprocess.DEVNULL, check=True)

    return attack


def chunked(port: int) -> None:
    """Bodies of unknown length that come at a byte a second."""
    start = b"POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    sockets = []
    for _ in range(CONNECTIONS):
        sockets.append(socket.create_connection(("127.0.0.1", port)))
        sockets[-1].sendall(start)
    pause = Event()
    for _ in range(SECONDS):
        for one in sockets:
            try:
                one.sendall(b"1\r\nx\r\n")
            except OSError:
                continue  # It was cut off, as it should be.
        pause.wait(1.0)
    for one in sockets:
        one.close()


READ_SLOWLY = ("-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3")
KINDS: dict[str, Callable[[int], None]] = {
    "heads": slowhttptest("-H", "-i", "5", "/"),
    "bodies": slowhttptest("-B", "-i", "5", "-s", "8192", "/body"),
    "chunked": chunked,
    "readers-200kB": slowhttptest(*READ_SLOWLY, "/200000"),
    "readers-2MB": slowhttptest(*READ_SLOWLY, "/2000000"),
    "readers-20MB": slowhttptest(*READ_SLOWLY, "/20000000"),
}


@contextmanager
def fleet(port: int) -> Iterator[HubProcess]:
    """A hub with its admin site, and one agent with one slot."""
    hub = HubProcess("x" * 32, "--access-log=false", admin="tcp:0:interface=127.0.0.1")
    agent = AgentProcess("alpha", f"127.0.0.1:{hub.port}", hub.token("alpha"), "--upstream", f"127.0.0.1:{port}")
    try:
        hub.wait_for_agent("alpha")
        yield hub
    finally:
        agent.child.end()
        hub.child.end()


def measure(name: str, provider: int) -> str:
    """One kind of attack."""
    with fleet(provider) as hub:
        admin = int(hub.child.wait_for(ADMIN)[1])
        seen, stop, memory = Seen(), Event(), Memory(hub.child.pid)
        work = [lambda: seen.get(hub.port, True), lambda: seen.get(hub.port, False), lambda: seen.look(admin)]
        threads = [repeat(stop, one) for one in work]
        try:
            KINDS[name](hub.port)
        finally:
            stop.set()
        for thread in threads:
            thread.join()
        return seen.line(name, memory.growth())


def main(names: list[str]) -> None:
    """Measure these kinds, or all."""
    server = Providers(("127.0.0.1", 0), Provider)
    Thread(target=server.serve_forever, daemon=True).start()
    for name in names or KINDS:
        print(measure(name, server.server_address[1]), flush=True)
    server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
