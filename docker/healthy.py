"""Whether the hub in this container is well: its admin site, which listens in here only, is asked.

An agent has no port to be asked at. It dials its hub until it is let in, and the hub knows which agents it has; so an
agent that runs is well.
"""

import sys
import urllib.error
import urllib.request
from pathlib import Path

ADMIN = "http://127.0.0.1:8081/healthz"


def main() -> int:
    """0 if all is well, 1 if not."""
    words = Path("/proc/1/cmdline").read_bytes().split(b"\0")
    if b"hub" not in words:
        return 0
    try:
        with urllib.request.urlopen(ADMIN, timeout=2) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        sys.stderr.write(f"{ADMIN}: {error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
