"""Frames as bytes and back.

The layouts are specified in :mod:`slime.tunnel`. Nothing here knows of streams or of who may send what; that is
:mod:`slime.tunnel.states`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from slime.errors import ErrorCode, LocalProtocolError, RemoteProtocolError
from slime.record import Fields
from slime.tunnel.frames import (
    Capacity,
    Credit,
    Data,
    Drain,
    End,
    Frame,
    Head,
    Hello,
    Open,
    Ping,
    Pong,
    Refused,
    Reset,
    Revoke,
    Revoked,
    Started,
    Welcome,
)
from slime.tunnel.greeting import dump_greeting, load_hello, load_welcome
from slime.tunnel.text import is_printable, make_printable

__all__ = [
    "DATA_LIMIT", "DETAIL_LIMIT", "HEADER_SIZE", "HEAD_LIMIT", "MESSAGE_LIMIT", "TRAILERS_LIMIT", "data_header",
    "decode", "decode_known", "encode",
]  # fmt: skip

#: The longest message either side sends, in bytes: 64 KiB and room for one head.
MESSAGE_LIMIT = 96 * 1024
#: The longest head in OPEN and HEAD, in bytes: 64 KiB and room for the fields a hop adds.
HEAD_LIMIT = 80 * 1024
#: The most bytes one DATA frame carries.
DATA_LIMIT = 64 * 1024
#: The longest trailer section in END, in bytes; it fits a message behind four pieces of body.
TRAILERS_LIMIT = 24 * 1024
#: The longest detail in RESET, in bytes of UTF-8.
DETAIL_LIMIT = 1024
#: Bytes of a frame before its payload.
HEADER_SIZE = 12

_UNKNOWN = 2**64 - 1
_PREFETCH, _UPGRADE, _INTERIM = 1, 2, 4

_HEADER = struct.Struct("!IQ")
_HEADED = struct.Struct("!IQBQ")
_BODY = struct.Struct("!BQ")
_WORD32 = struct.Struct("!IQI")
_WORD64 = struct.Struct("!IQQ")
_BYTE = struct.Struct("!IQB")
_FIELD = struct.Struct("!HI")
_U32 = struct.Struct("!I")
_U64 = struct.Struct("!Q")

_TYPES = (
    Hello, Welcome, Open, Started, Head, Data, End, Reset, Credit, Revoke, Revoked, Refused, Capacity, Ping, Pong,
    Drain,
)  # fmt: skip
_NUMBER = {kind: number for number, kind in enumerate(_TYPES, 1)}
_WORD = {kind: number << 24 for kind, number in _NUMBER.items()}


# Encoding -----------------------------------------------------------------------------------------------------


def encode(frame: Frame) -> bytes:
    """The frame's bytes, header and all.

    :raises LocalProtocolError: a head, trailer section or greeting is longer than the protocol allows.
    """
    return _ENCODERS[type(frame)](frame)


def data_header(stream_id: int, size: int) -> bytes:
    """The header of a DATA frame; the payload follows it as it is, without a copy."""
    return _HEADER.pack(_DATA_WORD | size, stream_id)


_DATA_WORD = _WORD[Data]
_OPEN_WORD = _WORD[Open] + _BODY.size
_HEAD_WORD = _WORD[Head] + _BODY.size
_END_WORD = _WORD[End]


def _encode_greeting(frame: Hello | Welcome) -> bytes:
    text = dump_greeting(frame)
    return _HEADER.pack(_WORD[type(frame)] | _fitting(text, HEAD_LIMIT), 0) + text


def _encode_open(frame: Open) -> bytes:
    size = _fitting(frame.head, HEAD_LIMIT)
    flags = frame.prefetch * _PREFETCH | frame.upgrade * _UPGRADE
    length = _UNKNOWN if frame.length is None else frame.length
    return _HEADED.pack(_OPEN_WORD + size, frame.stream_id, flags, length) + frame.head


def _encode_head(frame: Head) -> bytes:
    size = _fitting(frame.head, HEAD_LIMIT)
    flags = frame.interim * _INTERIM | frame.upgrade * _UPGRADE
    length = _UNKNOWN if frame.length is None or flags else frame.length
    return _HEADED.pack(_HEAD_WORD + size, frame.stream_id, flags, length) + frame.head


def _encode_data(frame: Data) -> bytes:
    return data_header(frame.stream_id, _fitting(frame.data, DATA_LIMIT)) + frame.data


def _encode_end(frame: End) -> bytes:
    if not frame.trailers:
        return _HEADER.pack(_END_WORD, frame.stream_id)
    text = b"".join([_FIELD.pack(len(name), len(text)) + name + text for name, text in frame.trailers])
    return _HEADER.pack(_END_WORD | _fitting(text, TRAILERS_LIMIT), frame.stream_id) + text


def _encode_reset(frame: Reset) -> bytes:
    text = make_printable(frame.detail[:DETAIL_LIMIT]).encode("utf-8")
    if len(text) > DETAIL_LIMIT:
        text = text[:DETAIL_LIMIT].decode("utf-8", "ignore").encode("utf-8")
    return _BYTE.pack(_WORD[Reset] | 1 + len(text), frame.stream_id, frame.code.wire) + text


def _encode_credit(frame: Credit) -> bytes:
    return _WORD32.pack(_WORD[Credit] | 4, frame.stream_id, frame.amount)


def _encode_refused(frame: Refused) -> bytes:
    return _BYTE.pack(_WORD[Refused] | 1, frame.stream_id, frame.code.wire)


def _encode_bare(frame: Started | Revoke | Revoked) -> bytes:
    return _HEADER.pack(_WORD[type(frame)], frame.stream_id)


def _encode_capacity(frame: Capacity) -> bytes:
    return _WORD32.pack(_WORD[Capacity] | 4, 0, frame.slots)


def _encode_token(frame: Ping | Pong) -> bytes:
    return _WORD64.pack(_WORD[type(frame)] | 8, 0, frame.token)


def _encode_drain(_: Drain) -> bytes:
    return _HEADER.pack(_WORD[Drain], 0)


def _fitting(text: bytes, limit: int) -> int:
    size = len(text)
    if size > limit:
        raise LocalProtocolError(f"{size} bytes in a frame that takes {limit}")
    return size


_ENCODERS: dict[type, Callable[..., bytes]] = {
    Hello: _encode_greeting, Welcome: _encode_greeting, Open: _encode_open, Started: _encode_bare,
    Head: _encode_head, Data: _encode_data, End: _encode_end, Reset: _encode_reset, Credit: _encode_credit,
    Revoke: _encode_bare, Revoked: _encode_bare, Refused: _encode_refused, Capacity: _encode_capacity,
    Ping: _encode_token, Pong: _encode_token, Drain: _encode_drain,
}  # fmt: skip


# Decoding -----------------------------------------------------------------------------------------------------

_unpack_header, _unpack_body = _HEADER.unpack_from, _BODY.unpack_from
_BODY_SIZE = _BODY.size
_HEADED_LIMIT = _BODY_SIZE + HEAD_LIMIT

_Decoder = Callable[[int, bytes, int, int], Frame]


def decode(message: bytes) -> list[Frame]:
    """The frames of one message, in order; those of a type this version does not know are left out.

    :raises RemoteProtocolError: the message is empty or cut, or a payload breaks its layout.
    """
    return decode_known(message)[0]


def decode_known(message: bytes) -> tuple[list[Frame], int]:
    """As :func:`decode`, and how many frames were left out."""
    frames: list[Frame] = []
    offset, size, skipped = 0, len(message), 0
    try:
        while offset < size:
            word, stream_id = _unpack_header(message, offset)
            start = offset + HEADER_SIZE
            offset = start + (word & 0xFFFFFF)
            if offset > size:
                raise RemoteProtocolError("a frame is cut off by its message's end")
            decoder = _DECODERS.get(word >> 24)
            if decoder is not None:
                frames.append(decoder(stream_id, message, start, offset))
            else:
                skipped += 1
    except struct.error:
        raise RemoteProtocolError("a frame header is cut off by its message's end") from None
    if not size:
        raise RemoteProtocolError("a message holds no frame")
    return frames, skipped


def _decode_hello(stream_id: int, message: bytes, start: int, end: int) -> Hello:
    _about_link(stream_id)
    return load_hello(message[start:end])


def _decode_welcome(stream_id: int, message: bytes, start: int, end: int) -> Welcome:
    _about_link(stream_id)
    return load_welcome(message[start:end])


def _decode_open(stream_id: int, message: bytes, start: int, end: int) -> Open:
    if not _BODY_SIZE <= end - start <= _HEADED_LIMIT:
        raise RemoteProtocolError("OPEN of an impossible size")
    flags, length = _unpack_body(message, start)
    head = message[start + _BODY_SIZE : end]
    if not flags:
        return Open(stream_id, head, None if length == _UNKNOWN else length)
    if flags > _PREFETCH | _UPGRADE or (flags & _UPGRADE and length):
        raise RemoteProtocolError("OPEN with flags that make no sense")
    known = None if length == _UNKNOWN else length
    return Open(stream_id, head, known, flags & _PREFETCH != 0, flags & _UPGRADE != 0)


def _decode_head(stream_id: int, message: bytes, start: int, end: int) -> Head:
    if not _BODY_SIZE <= end - start <= _HEADED_LIMIT:
        raise RemoteProtocolError("HEAD of an impossible size")
    flags, length = _unpack_body(message, start)
    head = message[start + _BODY_SIZE : end]
    if not flags:
        return Head(stream_id, head, None if length == _UNKNOWN else length)
    if flags not in (_INTERIM, _UPGRADE) or length != _UNKNOWN:
        raise RemoteProtocolError("HEAD with flags that make no sense")
    return Head(stream_id, head, None, flags == _INTERIM, flags == _UPGRADE)


def _decode_data(stream_id: int, message: bytes, start: int, end: int) -> Data:
    if not start < end <= start + DATA_LIMIT:
        raise RemoteProtocolError("DATA of an impossible size")
    return Data(stream_id, message[start:end])


def _decode_end(stream_id: int, message: bytes, start: int, end: int) -> End:
    if start == end:
        return End(stream_id, [])
    if end - start > TRAILERS_LIMIT:
        raise RemoteProtocolError("END of an impossible size")
    return End(stream_id, _trailers(message[start:end]))


def _trailers(text: bytes) -> Fields:
    fields: Fields = []
    offset, size = 0, len(text)
    while offset < size:
        if size - offset < 6:
            raise RemoteProtocolError("a trailer field is cut off")
        name_size, value_size = _FIELD.unpack_from(text, offset)
        start = offset + 6
        middle = start + name_size
        offset = middle + value_size
        fields.append((text[start:middle], text[middle:offset]))
    if offset > size:
        raise RemoteProtocolError("a trailer field is cut off")
    return fields


def _decode_reset(stream_id: int, message: bytes, start: int, end: int) -> Reset:
    if not 1 <= end - start <= 1 + DETAIL_LIMIT:
        raise RemoteProtocolError("RESET of an impossible size")
    try:
        detail = message[start + 1 : end].decode("utf-8")
    except UnicodeDecodeError:
        raise RemoteProtocolError("RESET with a detail that is not UTF-8") from None
    if not is_printable(detail):
        raise RemoteProtocolError("RESET with control characters in its detail")
    return Reset(stream_id, ErrorCode.from_wire(message[start]), detail)


def _decode_credit(stream_id: int, message: bytes, start: int, end: int) -> Credit:
    _sized(end - start, 4)
    amount = _U32.unpack_from(message, start)[0]
    if not amount:
        raise RemoteProtocolError("CREDIT of nothing")
    return Credit(stream_id, amount)


def _decode_refused(stream_id: int, message: bytes, start: int, end: int) -> Refused:
    _sized(end - start, 1)
    return Refused(stream_id, ErrorCode.from_wire(message[start]))


def _decode_capacity(stream_id: int, message: bytes, start: int, end: int) -> Capacity:
    _about_link(stream_id)
    _sized(end - start, 4)
    return Capacity(_U32.unpack_from(message, start)[0])


def _bare(kind: type[Started] | type[Revoke] | type[Revoked]) -> _Decoder:
    def decoder(stream_id: int, message: bytes, start: int, end: int) -> Frame:
        if start != end:
            raise RemoteProtocolError("a payload in a frame that has none")
        return kind(stream_id)

    return decoder


def _token(kind: type[Ping] | type[Pong]) -> _Decoder:
    def decoder(stream_id: int, message: bytes, start: int, end: int) -> Frame:
        _about_link(stream_id)
        _sized(end - start, 8)
        return kind(_U64.unpack_from(message, start)[0])

    return decoder


def _decode_drain(stream_id: int, message: bytes, start: int, end: int) -> Drain:
    _about_link(stream_id)
    _sized(end - start, 0)
    return Drain()


def _about_link(stream_id: int) -> None:
    if stream_id:
        raise RemoteProtocolError("a frame about the link names a stream")


def _sized(size: int, expected: int) -> None:
    if size != expected:
        raise RemoteProtocolError(f"{size} bytes in a frame that takes {expected}")


_DECODERS: dict[int, _Decoder] = {
    _NUMBER[Hello]: _decode_hello, _NUMBER[Welcome]: _decode_welcome, _NUMBER[Open]: _decode_open,
    _NUMBER[Started]: _bare(Started), _NUMBER[Head]: _decode_head, _NUMBER[Data]: _decode_data,
    _NUMBER[End]: _decode_end, _NUMBER[Reset]: _decode_reset, _NUMBER[Credit]: _decode_credit,
    _NUMBER[Revoke]: _bare(Revoke), _NUMBER[Revoked]: _bare(Revoked), _NUMBER[Refused]: _decode_refused,
    _NUMBER[Capacity]: _decode_capacity, _NUMBER[Ping]: _token(Ping), _NUMBER[Pong]: _token(Pong),
    _NUMBER[Drain]: _decode_drain,
}  # fmt: skip
