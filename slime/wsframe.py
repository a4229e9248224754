"""Whole binary WebSocket messages (RFC 6455 section 5.2), read and written without ceremony. Pure.

Nearly all that crosses a link is of this one kind, and small, so that its cost is fixed cost: autobahn takes
22 us to read one and 19 us to write a masked one. Everything else (control frames, handshakes, violations) is
left to autobahn.
"""

from __future__ import annotations

import struct

from autobahn.websocket import USES_NVX
from autobahn.websocket.xormasker import create_xor_masker

__all__ = ["mask", "message_start", "plain_message"]

#: From this size on autobahn's native masking is faster than one big integer; without it nothing is.
_NATIVE_SIZE = 2048

_BINARY = 0x82
_MASKED = 0x80
_SIZE_16 = struct.Struct("!H")
_SIZE_64 = struct.Struct("!Q")


def plain_message(data: bytes, masked: bool, limit: int) -> tuple[bytes, int] | None:
    """Read one whole binary message from the start of ``data``.

    :param masked: whether this side must get masked messages: a server must, a client must not.
    :param limit: the longest payload to accept.
    :returns: the payload and how many bytes of ``data`` were read; an empty payload and 0 while only part of
        a message is there; ``None`` for anything else: a fragment, a control frame, text, one that is too
        long or breaks the grammar.
    """
    have = len(data)
    if have < 2:
        return b"", 0
    if data[0] != _BINARY or (data[1] & _MASKED != 0) is not masked:
        return None
    size, start = data[1] & 0x7F, 2
    if size >= 126:
        size, start = _long_size(data)
    if not 0 <= size <= limit:
        return None
    if masked:
        start += 4
    end = start + size
    if have < end:
        return b"", 0
    payload = data[start:end]
    return (mask(payload, data[start - 4 : start]) if masked else payload), end


def _long_size(data: bytes) -> tuple[int, int]:
    """A large payload's size and where the size field ends: (0, far) if not all there, (-1, 0) if not minimal."""
    field, start, least = (_SIZE_16, 4, 126) if data[1] & 0x7F == 126 else (_SIZE_64, 10, 0x10000)
    if len(data) < start:
        return 0, len(data) + 1
    (size,) = field.unpack_from(data, 2)
    return (size, start) if size >= least else (-1, 0)


def message_start(size: int, key: bytes) -> bytes:
    """What stands before the payload of a whole binary message.

    :param key: the masking key, empty for an unmasked message.
    """
    bit = _MASKED if key else 0
    if size < 126:
        return bytes((_BINARY, bit | size)) + key
    if size < 0x10000:
        return struct.pack("!BBH", _BINARY, bit | 126, size) + key
    return struct.pack("!BBQ", _BINARY, bit | 127, size) + key


def mask(payload: bytes, key: bytes) -> bytes:
    """``payload`` with the four bytes of ``key`` laid over it (RFC 6455 5.3); a second time undoes it."""
    size = len(payload)
    if size >= _NATIVE_SIZE and USES_NVX:
        return bytes(create_xor_masker(key, size).process(payload))
    pattern = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")
