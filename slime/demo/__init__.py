"""``slime demo``: a hub, two agents and two toy upstreams on this machine, and what passes between them."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from http.client import HTTPException
from types import FrameType
from typing import NoReturn

from slime.demo.children import ChildError
from slime.demo.show import Show, Stage

__all__ = ["main"]

USAGE = """usage: slime demo [--once]

Starts a hub, two agents and two toy upstreams, sends requests through them and shows what went where.
Then it stays up for you to try, or with --once ends.
"""


def main(args: list[str]) -> int:
    """Run the demonstration; the exit status.

    :param args: the arguments after ``slime demo``.
    """
    if args in (["--help"], ["-h"]):
        sys.stdout.write(USAGE)
        return 0
    if args not in ([], ["--once"]):
        sys.stderr.write(f"slime demo: {' '.join(args)}: the only option is --once\n")
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    try:
        return _run(stay=not args)
    except KeyboardInterrupt:
        return 0
    except (ChildError, HTTPException, OSError) as error:
        sys.stderr.write(f"slime demo: {error}\n")
        return 1


def _run(stay: bool) -> int:
    with ExitStack() as cleanup:
        show = Show(Stage(cleanup), sys.stdout)
        flawless = show.play()
        if stay:
            show.stay()
    return 0 if flawless else 1


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End the usual way, so that all that was begun is also ended."""
    raise SystemExit(128 + number)
