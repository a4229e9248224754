"""``python -m benchmarks.history [SEED]``: a minute of faults; status 1 if anything was violated."""

from __future__ import annotations

import argparse
import sys

from benchmarks.history.run import Plan, take


def main(arguments: list[str]) -> int:
    """Let a history happen, and say what it was."""
    parser = argparse.ArgumentParser("python -m benchmarks.history")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--pause", type=float, default=3.0, help="seconds from one fault to the next")
    parser.add_argument("--logs", action="store_true", help="show what the programs said")
    asked = parser.parse_args(arguments)
    result = take(Plan(asked.faults, asked.pause, asked.seed))
    if asked.logs:
        for name, lines in result.logs.items():
            print(*(f"{name}: {line}" for line in lines), sep="\n")
    print(result)
    return int(bool(result.violations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
