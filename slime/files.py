"""Files that settings name, read with a bound: what is named by mistake may be a device, or a disk's image.

Secrets may come by a pipe, as a shell makes one of ``<(command)``. There is nobody to tell while one is waited for, so
that has an end.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from io import FileIO
from pathlib import Path

__all__ = ["LARGEST", "content_of", "lasting_content_of"]

#: Bytes of a secret, a certificate with its chain, a list of authorities or a YAML file, at most. The lists that
#: systems come with have a quarter of it.
LARGEST = 1024 * 1024

#: Seconds in which a pipe has to come to its end: time to type a password to whoever keeps the secret.
PATIENCE = 30.0

_SILENT = "nothing comes out of it: start what writes to it, or name another file"
_UNENDED = "its end does not come: what writes to it has to close it"
_PASSING = "this has to be a file, because it is read more than once"


def content_of(path: Path, largest: int = LARGEST) -> bytes:
    """What is in a file, or comes out of a pipe; of that there is nothing left.

    :param largest: bytes; no more of it is read.
    :raises OSError: it cannot be read, has more, or does not come to its end.
    """
    with open(path, "rb", buffering=0, opener=_opened) as file:
        content = _read(file, str(path), largest + 1)
    if len(content) > largest:
        why = f"it is larger than {largest // 1024**2} MiB, so another file must be meant"
        raise OSError(errno.EFBIG, why, str(path))
    return content


def lasting_content_of(path: Path, largest: int = LARGEST) -> bytes:
    """What is in a file that will be read again, by whomever.

    :raises OSError: as :func:`content_of`; or it is a pipe or a device.
    """
    if stat.S_IFMT(path.stat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        raise _unfit(errno.EINVAL, _PASSING, str(path))
    return content_of(path, largest)


def _opened(path: str, flags: int) -> int:
    """Opening a pipe would wait for whoever writes to it, without end."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _read(file: FileIO, path: str, size: int) -> bytes:
    """What comes out of a file, up to a size. Of usual files the system says that they can be read, however slow."""
    content = bytearray()
    poll = select.poll()
    poll.register(file, select.POLLIN)
    end = time.monotonic() + PATIENCE
    while len(content) < size:
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            raise _unfit(errno.ETIMEDOUT, _UNENDED if content else _SILENT, path)
        piece = file.read(size - len(content))
        if piece == b"":
            break
        # None, where somebody else who reads the pipe was quicker.
        content += piece or b""
    return bytes(content)


def _unfit(number: int, why: str, path: str) -> OSError:
    return OSError(number, f"it is a pipe or a device, and {why}", path)
