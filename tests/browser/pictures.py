"""Makes the pictures in ``docs/images``: ``python -m tests.browser.pictures [SECONDS]``. Needs Pillow as well.

A hub and four agents are put to work by applications that come and go for so many seconds, so that the charts have
something to show; then the page is looked at when it is busy, when an agent has died, and when there is nothing to do.
"""

from __future__ import annotations

import math
import random
import sys
import time
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Semaphore, Thread
from urllib.request import Request, urlopen

from PIL import Image

from tests.browser.chromium import Browser
from tests.browser.scene import Scene

FOLDER = Path(__file__).parents[2] / "docs" / "images"


def machine(platform: str, cores: int, threads: int, gib: int, *gpus: str) -> dict[str, object]:
    """What an agent reports."""
    return {"platform": platform, "cores": cores, "threads": threads, "memory": gib * 2**30, "gpus": gpus}


#: Name, slots, seconds a word, and the machine.
FLEET = (
    ("a100-frankfurt", 8, 0.05, machine("Linux x86_64", 32, 64, 256, *["NVIDIA A100 80GB"] * 2)),
    ("rtx-4090-berlin", 2, 0.07, machine("Linux x86_64", 24, 32, 64, "NVIDIA RTX 4090")),
    ("mac-studio-attic", 4, 0.12, machine("macOS arm64", 0, 20, 128)),
    ("old-workstation", 1, 0.2, machine("Linux x86_64", 4, 8, 16, "NVIDIA GTX 1080")),
)
PATHS = ("/v1/chat/completions",) * 7 + ("/v1/embeddings", "/v1/images/generations")
WAITING = 24


class Words(BaseHTTPRequestHandler):
    """An upstream that answers word by word."""

    protocol_version = "HTTP/1.1"
    server: Upstream

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(random.choice((5, 10, 30, 60))):
            time.sleep(self.server.pause)
            self.wfile.write(b"b\r\ndata: word\n\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Upstream(ThreadingHTTPServer):
    """One machine's model server."""

    daemon_threads = True

    def __init__(self, pause: float) -> None:
        super().__init__(("127.0.0.1", 0), Words)
        self.pause = pause
        Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Agents die here."""


class Load:
    """Applications that come and go.

    :ivar rate: how many come in a second, on average.
    """

    def __init__(self, port: int) -> None:
        self.rate = 7.0
        self._port = port
        self.lost = 0
        self._began = time.monotonic()
        self._places = Semaphore(15 + WAITING)
        Thread(target=self._come, daemon=True).start()

    def _come(self) -> None:
        while self.rate:
            age = time.monotonic() - self._began
            tide = 1 + 0.45 * math.sin(age / 47) + 0.25 * math.sin(age / 11)
            time.sleep(random.expovariate(self.rate * tide))
            if self._places.acquire(blocking=False):
                Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        body = b"{" + b" " * random.randrange(4000) + b"}"
        request = Request(f"http://127.0.0.1:{self._port}{random.choice(PATHS)}", body, {"Slime-Block": "1"})
        try:
            urlopen(request, timeout=120).read()
        except (OSError, HTTPException):
            self.lost += 1  # an agent dies for one of the pictures
        finally:
            self._places.release()


def shoot(browser: Browser, name: str, scheme: str, width: int = 1400, height: int = 1000) -> None:
    """Take a picture, small enough to be kept."""
    browser.prefer(scheme)
    browser.size(width, height)
    time.sleep(2)
    path = FOLDER / f"{name}.png"
    browser.picture(path)
    with Image.open(path) as picture:
        picture.convert("RGB").save(path, optimize=True)


def main(seconds: float) -> None:
    """Make all of them."""
    FOLDER.mkdir(exist_ok=True)
    scene, browser = Scene(), Browser()
    for name, slots, pause, hardware in FLEET:
        port = Upstream(pause).server_address[1]
        scene.join(name, slots, hardware=hardware, upstream=f"127.0.0.1:{port}")
    load = Load(scene.hub.port)
    time.sleep(seconds)
    browser.open(scene.address)
    load.rate = 40.0
    time.sleep(8)
    shoot(browser, "busy-light", "light")
    shoot(browser, "busy-phone", "dark", 390, 844)
    load.rate = 6.0
    scene.kill("mac-studio-attic")
    time.sleep(4)
    shoot(browser, "gone-dark", "dark")
    load.rate = 0.0
    browser.wait(lambda: "0 of " in browser.text('[data-chart="slots"] .note'), 120)
    time.sleep(12)
    shoot(browser, "idle-light", "light", 1400, 860)
    browser.close()
    scene.end()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 600)
