"""The long run, guided by coverage: ``python -m tests.fuzz SECONDS [TARGET…]``. Needs atheris.

Each target runs in a process of its own, for its share of the time, from the seeds and from the corpus that earlier
runs left in ``build/fuzz``. A finding ends the run with a status of 1 and is kept in ``build/fuzz/found-TARGET-…``.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

ROOT = Path("build") / "fuzz"
LONGEST = 4096


def lay_out(name: str) -> Path:
    """The target's corpus, with its seeds."""
    corpus = ROOT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return corpus


def run(name: str, seconds: int) -> int:
    """Fuzz one target in another process; its status."""
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-timeout=10", "-print_final_stats=1"]
    kept = f"-artifact_prefix={ROOT}/found-{name}-"
    command = [sys.executable, "-m", "tests.fuzz.one", name, *options, kept, str(lay_out(name))]
    return subprocess.run(command, check=False).returncode


def main(arguments: list[str]) -> int:
    """Share the time out to the targets."""
    names = arguments[1:] or list(TARGETS)
    share = max(1, int(arguments[0]) // len(names))
    return int(any([run(name, share) for name in names]))  # noqa: C419 (every target runs, whatever the others found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
