"""``python -m tests.model``: start a hub and two providers, check everything, and say what was seen.

The exit status is 1 if anything does not hold, or if it takes longer than it may.
"""

from __future__ import annotations

import signal
import sys
from time import monotonic

from slime.demo.children import ChildError
from tests.model.checks import CHECKS, FailedError
from tests.model.fleet import Fleet, running

ENDS_WITHIN = 300
"""Seconds for everything."""


def check(name: str, fleet: Fleet) -> bool:
    """Check one thing, and say how it went; true if it holds."""
    from openai import OpenAIError

    began = monotonic()
    try:
        seen, holds = CHECKS[name](fleet), True
    except (FailedError, OpenAIError) as error:
        seen, holds = f"{type(error).__name__}: {error}", False
    print(f"{'ok' if holds else 'FAILED':6} {name}: {seen} ({monotonic() - began:.1f} s)", flush=True)
    return holds


def too_long(*_: object) -> None:
    """The alarm."""
    raise TimeoutError(f"not done after {ENDS_WITHIN} s")


def main() -> int:
    """Run all checks, whatever the others saw."""
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(ENDS_WITHIN)
    try:
        with running() as fleet:
            print(f"a hub at {fleet.base}, two models behind it", flush=True)
            return int(not all([check(name, fleet) for name in CHECKS]))  # noqa: C419 (every check runs)
    except (ChildError, TimeoutError) as error:
        print(f"FAILED {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
