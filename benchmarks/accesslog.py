"""What a line of the access log costs: CPU from the end of an exchange to the file, in each format.

``python -m benchmarks.accesslog`` prints the least of several runs, in µs; other programs on the machine only add.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import process_time
from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from slime.http.head import RequestHead
from slime.hub.access import AccessLog
from slime.hub.accessfile import AccessFile
from slime.hub.accessline import FORMATS

__all__ = ["cost"]

LINES = 51_200
RUNS = 7

#: As an application with an SDK sends it.
FIELDS = [
    (b"Host", b"hub.example.org"), (b"Accept-Encoding", b"gzip, deflate"), (b"Connection", b"keep-alive"),
    (b"Accept", b"application/json"), (b"Content-Type", b"application/json"), (b"User-Agent", b"OpenAI/Python 3.54.0"),
    (b"Authorization", b"Bearer x"), (b"Content-Length", b"512"), (b"Referer", b"https://page.example/chat?id=7"),
    (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
]  # fmt: skip


def _exchange() -> Any:
    path = b"/v1/chat/completions"
    request = SimpleNamespace(
        client=IPv4Address("TCP", "192.0.2.7", 40001), method=b"POST", path=path, answer_bytes=1234,
        head=RequestHead(b"POST", path, b"1.1", FIELDS),
    )  # fmt: skip
    return SimpleNamespace(
        request=request, request_id=b"cec65256172e-6", agent_name="desk", status=200, outcome="ok", bytes_in=512,
        queued_at=1.0, assigned_at=1.5, finished_at=3.0, requeues=0,
    )  # fmt: skip


def cost(name: str, path: Path, lines: int = LINES) -> float:
    """Seconds of CPU for a line in a format."""
    log, exchange = AccessLog(Clock(), AccessFile(path), FORMATS[name]), _exchange()
    began = process_time()
    for _ in range(lines):
        log.finished(exchange)
    log.close()
    spent = process_time() - began
    path.unlink()
    return spent / lines


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        for name in FORMATS:
            best = min(cost(name, Path(folder, "access.log")) for _ in range(RUNS))
            print(f"{name:<10}{best * 1e6:5.1f} µs")


if __name__ == "__main__":
    main()
