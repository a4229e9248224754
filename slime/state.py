"""Where a process keeps what has to outlive it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["DEFAULT_STATE_DIR", "state_dir"]

DEFAULT_STATE_DIR = "~/.local/state/slime"


def state_dir(given: Path | None) -> Path:
    """The directory for a process' state; it need not exist yet.

    :param given: what the setting of that name says; ``None`` for :data:`DEFAULT_STATE_DIR`.
    :raises ValueError: nothing is given, and whoever runs the process has no home; with a sentence.
    """
    if given is not None:
        return given
    path = os.path.expanduser(DEFAULT_STATE_DIR)
    if path.startswith("~"):
        raise ValueError("this user has no home directory; name a directory with --state-dir")
    return Path(path)
