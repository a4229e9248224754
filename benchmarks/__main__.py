"""``python -m benchmarks``: run the suite, print one table."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from benchmarks import bulk, crowd, distance, handover, load, losses, micro, small, storm, tokens
from benchmarks.figures import Figure, page, records, table
from benchmarks.machine import describe
from benchmarks.plan import Plan
from benchmarks.plot import draw

PARTS: dict[str, Callable[[Plan], Iterator[Figure]]] = {
    "memory": micro.in_memory,
    "slots": small.many_slots,
    "queue": small.one_slot,
    "latency": small.one_connection,
    "handover": handover.hand_over,
    "load": load.added_latency,
    "streams": tokens.many_streams,
    "first": tokens.one_stream,
    "download": bulk.download,
    "upload": bulk.upload,
    "stall": bulk.stalled_reader,
    "distance": distance.utilisation,
    "unequal": distance.unequal,
    "far": distance.far_bulk,
    "links": crowd.resting_links,
    "storm": storm.weathering,
    "faults": losses.lost_requests,
}

#: Other makers' programs that the suite needs, and the parts that need none of them.
PROGRAMS = ("nginx", "haproxy", "wrk", "curl")
ALONE = frozenset({"memory", "first", "streams", "unequal", "storm", "faults"})


def main(arguments: list[str]) -> int:
    """Run the parts that were asked for; status 1 if a figure falls short of its goal, or a part breaks down."""
    asked, machine = _parse(arguments), describe()
    figures: list[Figure] = []
    broken = [name for name in asked.parts or PARTS if not _measure(name, asked, figures)]
    print(table(figures))
    print(*(f"{name} came to no end, see above" for name in broken), sep="\n", end="")
    measured = records(figures)
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine, "figures": measured}, indent=1) + "\n")
    if asked.page:
        asked.page.write_text(page(figures, machine))
    if asked.plot and "load" not in broken:
        asked.plot.write_text(draw(measured))
    return int(bool(broken) or (not asked.smoke and any(record["met"] is False for record in measured)))


def _measure(name: str, asked: argparse.Namespace, figures: list[Figure]) -> bool:
    """Add one part's figures; says whether it came to an end. Whatever it starts ends with it in any case."""
    began = monotonic()
    try:
        with TemporaryDirectory() as folder:
            figures += PARTS[name](_plan(asked, Path(folder)))
    except Exception:
        traceback.print_exc()
        return False
    sys.stderr.write(f"{name}: {monotonic() - began:.0f} s\n")
    return True


def _plan(asked: argparse.Namespace, folder: Path) -> Plan:
    if asked.smoke:
        return Plan(folder, rounds=1, seconds=0.5, megabytes=10, crowd=20, storm=20, faults=2)
    return Plan(folder, rounds=asked.rounds)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure slime beside references.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of: {', '.join(PARTS)}; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of everything, odd (default: 3)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--page", type=Path, help="write them to this file as a part of a page (docs/figures.inc)")
    parser.add_argument("--plot", type=Path, help="draw what the part load has found (docs/images/added-latency.svg)")
    parser.add_argument("--smoke", action="store_true", help="once and briefly: checks the suite, not the speed")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if asked.plot and "load" not in (asked.parts or PARTS):
        parser.error("--plot shows what the part load finds: ask for that too")
    missing = [one for one in PROGRAMS if not shutil.which(one)]
    if missing and set(asked.parts or PARTS) - ALONE:
        parser.error(f"not installed: {', '.join(missing)}; only these parts do without: {', '.join(sorted(ALONE))}")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
