"""Files that settings name, read with a bound: what is named by mistake may be a device, or a disk's image."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["LARGEST", "content_of"]

#: Bytes of a secret, a certificate with its chain, a list of authorities or a YAML file, at most. The lists that
#: systems come with have a quarter of it.
LARGEST = 1024 * 1024


def content_of(path: Path, largest: int = LARGEST) -> bytes:
    """What is in a file.

    :param largest: bytes; no more of it is read.
    :raises OSError: it cannot be read, or has more.
    """
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        why = f"it is larger than {largest // 1024**2} MiB, so another file must be meant"
        raise OSError(errno.EFBIG, why, str(path))
    return content
