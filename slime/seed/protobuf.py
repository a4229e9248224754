"""Fields of Protocol Buffers messages (the encoding of proto3), read and written without a schema. Pure."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Field", "decode", "encode"]

#: A field's number, and its value: an integer of 64 bits, or bytes.
Field = tuple[int, "int | bytes"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BYTES = 10
_MASK = 2**64 - 1


def encode(fields: Iterable[Field]) -> bytes:
    """A message with these fields, in this order; integers are ``int64``."""
    return b"".join(_encoded(number, value) for number, value in fields)


def _encoded(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value & _MASK)
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode(message: bytes) -> list[Field]:
    """The fields of a message, in their order; those of fixed length come as bytes.

    :raises ValueError: this is no message.
    """
    fields: list[Field] = []
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _read_varint(message, at)
            fields.append((key >> 3, number - 2**64 if number >> 63 else number))
            continue
        length, at = _read_varint(message, at) if kind == _BYTES else (_FIXED.get(kind, len(message)), at)
        if at + length > len(message):
            raise ValueError("a field is cut off, or of a kind unknown")
        fields.append((key >> 3, message[at : at + length]))
        at += length
    return fields


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & _MASK, at + index + 1
    raise ValueError("a number is cut off, or too long")
