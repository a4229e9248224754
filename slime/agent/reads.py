"""How much the agent reads from a socket at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection

__all__ = ["READ_SIZE", "read_more"]

#: Bytes of one read. Twice what Twisted reads, so that a body takes half the turns; from 128 KiB on, the C library gets
#: the memory for each read from the system anew, which costs three times what a small read costs otherwise.
READ_SIZE = 124 * 1024


def read_more(transport: Any) -> None:
    """Read up to :data:`READ_SIZE` bytes at once from now on. What is under TLS reads as TLS wants."""
    if isinstance(transport, Connection):
        transport.bufferSize = READ_SIZE
