"""Tokens that the hub does not accept any more, kept in a file: one id a line.

A token cannot be taken back from who has it, so the hub has to remember which ones are void. The file may be edited
by hand while no hub runs on it; empty lines and lines that begin with ``#`` mean nothing.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Container, Iterator
from pathlib import Path

from slime.files import lasting_content_of

__all__ = ["Revocations", "is_token_id"]

#: What the file is called, in the state directory.
FILE = "revoked"

#: Bytes of it, at most: more ids than anybody revokes.
LARGEST = 64 * 1024 * 1024

_ID = re.compile(r"[!\"$-~][!-~]{0,127}")


def is_token_id(text: str) -> bool:
    """Can this be a token's id, and a line of the file?"""
    return _ID.fullmatch(text) is not None


class Revocations(Container[str]):
    """The ids of void tokens; in memory, and in a file whose lines are only added to until one is taken back.

    :param folder: where the file is; neither need exist.
    :raises ValueError: it exists and cannot be read, or is something else; with a sentence. Better no hub than one
        that forgot who is to stay out.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        #: Each with whether it is in the file.
        self._ids = dict.fromkeys(_read(self.path), True)

    def __contains__(self, token_id: object) -> bool:
        return token_id in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def add(self, token_id: str) -> None:
        """Void a token, at once.

        :raises ValueError: this cannot be a token's id.
        :raises OSError: the file cannot be written, so it is void until the hub ends.
        """
        if not is_token_id(token_id):
            raise ValueError("a token's id is 1 to 128 printable characters without spaces")
        if not self._ids.setdefault(token_id, False):
            self._append(f"{token_id}\n")
            self._ids[token_id] = True

    def remove(self, token_id: str) -> bool:
        """Accept a token again.

        :returns: whether it was void.
        :raises OSError: the file cannot be written; the token stays void.
        """
        if token_id not in self._ids:
            return False
        # Remarks are kept as they are, whatever they are written in.
        text = lasting_content_of(self.path, LARGEST).decode("utf-8", "surrogateescape") if self.path.exists() else ""
        self._replace([line for line in text.splitlines() if line.strip() != token_id])
        del self._ids[token_id]
        return True

    def _append(self, line: str) -> None:
        """Several hubs may share a file, and each only adds to it: one write each, which do not mix."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "rb+", buffering=0) as file:
            # Whoever edited it may have left its last line open, and so does a disk that fills up in the middle of one.
            size = os.fstat(descriptor).st_size
            whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            data = (b"" if whole else b"\n") + line.encode("ascii")
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)

    def _replace(self, lines: list[str]) -> None:
        """The new file takes the place of the old one in one step."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self.path)


def _read(path: Path) -> list[str]:
    try:
        text = lasting_content_of(path, LARGEST).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ValueError(f"cannot read {path}, which says who is to stay out: {error.strerror}") from None
    lines = [line.strip() for line in text.splitlines()]
    ids = [line for line in lines if line and not line.startswith("#")]
    strange = next((line for line in ids if not is_token_id(line)), None)
    if strange is not None:
        raise ValueError(f"{path} holds a line that is no token's id: {strange[:40]!r}")
    return ids
