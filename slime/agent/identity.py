"""Who an agent is: an id for each upstream, the same after a restart.

A hub replaces an agent's old link when a new one comes with the same id, so agents must not share one: each upstream
of a process has its own, and so has each mention of it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from twisted.logger import Logger

from slime.files import lasting_content_of

__all__ = ["given_ids", "kept_ids"]

_log = Logger()

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def given_ids(agent_id: str, count: int) -> list[str]:
    """The ids of ``count`` agents that a person named: as said if it is one, else numbered from 1."""
    return [agent_id] if count == 1 else [f"{agent_id}-{number}" for number in range(1, count + 1)]


def kept_ids(folder: Path, labels: Iterable[str]) -> list[str]:
    """An id for each upstream, kept in files; made new where there is none yet.

    An id that cannot be kept is good until the process ends; that is logged.

    :param folder: where; it need not exist.
    :param labels: what each upstream is called, without credentials.
    """
    return [_kept(folder / name) for name in _file_names(labels)]


def _file_names(labels: Iterable[str]) -> Iterator[str]:
    mentions: Counter[str] = Counter()
    for label in labels:
        mentions[label] += 1
        key = f"{label} {mentions[label]}"
        yield f"agent-{sha256(key.encode()).hexdigest()[:16]}.id"


def _kept(path: Path) -> str:
    fresh = secrets.token_hex(8)
    try:
        return _read(path) or _write(path, fresh)
    except OSError as error:
        _log.warn(
            "the agent's id cannot be kept in {path}: {reason}; it changes with every start",
            path=str(path), reason=error.strerror,
        )
        return fresh


def _read(path: Path) -> str | None:
    """The id in a file; ``None`` if there is no such file, or something else is in it."""
    try:
        text = lasting_content_of(path).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return text if _ID.fullmatch(text) else None


def _write(path: Path, agent_id: str) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(agent_id + "\n", "ascii")
    draft.replace(path)
    return agent_id
