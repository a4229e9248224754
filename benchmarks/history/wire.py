"""As much HTTP/1.1 as callers and upstreams need, over asyncio; owes nothing to slime."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

__all__ = ["Message", "OddError", "read_body", "read_head"]

MEBIBYTE = 1 << 20


class OddError(Exception):
    """What came is not HTTP."""


@dataclass
class Message:
    """A head: its first line, and its fields by lower-case name."""

    start: str
    fields: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


async def read_head(reader: asyncio.StreamReader) -> Message:
    """Read a head.

    :raises asyncio.IncompleteReadError: the connection ended before or within it.
    :raises OddError: it is none.
    """
    block = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = block[:-4].split("\r\n")
    message = Message(start)
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or (name.lower() in message.fields and name.lower() != "via"):
            raise OddError(f"field {line!r}")
        message.fields[name.lower()] = value.strip()
    return message


async def read_body(reader: asyncio.StreamReader, message: Message) -> bytes:
    """Read a body that is framed by its length or in chunks; anything else is odd."""
    if message["transfer-encoding"] == "chunked" and not message["content-length"]:
        return await _chunks(reader)
    if message["content-length"].isdigit():
        return await reader.readexactly(int(message["content-length"]))
    raise OddError(f"no framing: {message}")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        pieces.append(await reader.readexactly(size))
        if await reader.readexactly(2) != b"\r\n":
            raise OddError("a chunk without end")
    if await reader.readexactly(2) != b"\r\n":
        raise OddError("trailers")
    return b"".join(pieces)
