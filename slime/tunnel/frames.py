"""Frames as values; :mod:`slime.tunnel.codec` has their bytes."""

from __future__ import annotations

from dataclasses import field

from slime.errors import ErrorCode
from slime.record import Fields, record
from slime.tunnel.greeting import Hello, Welcome

__all__ = [
    "Capacity", "Credit", "Data", "Drain", "End", "Frame", "Head", "Hello", "Open", "Ping", "Pong", "Refused",
    "Reset", "Revoke", "Revoked", "Started", "StreamFrame", "Welcome",
]  # fmt: skip


@record
class Open:
    """A request for the agent: its head, and what follows.

    :ivar stream_id: the stream this frame begins.
    :ivar head: the request head, canonical HTTP/1.1 text.
    :ivar length: bytes of body that follow; 0 means none and no END either, ``None`` means not known yet.
    :ivar prefetch: sent ahead of a free slot; it waits at the agent and may be revoked.
    :ivar upgrade: the application asks to switch protocols; ``length`` is 0, and the half opens with the answer.
    """

    stream_id: int
    head: bytes
    length: int | None
    prefetch: bool = False
    upgrade: bool = False


@record
class Started:
    """The upstream call has begun; from here on the request may have had effects."""

    stream_id: int


@record
class Head:
    """The upstream's response head.

    :ivar head: the response head, canonical HTTP/1.1 text.
    :ivar length: bytes of body that follow; 0 means none and no END either, ``None`` means not known.
    :ivar interim: a 1xx head; another head follows, ``length`` is ``None``.
    :ivar upgrade: a 101 head; from here on both halves carry DATA until END, ``length`` is ``None``.
    """

    stream_id: int
    head: bytes
    length: int | None
    interim: bool = False
    upgrade: bool = False


@record
class Data:
    """Body bytes, never empty."""

    stream_id: int
    data: bytes


@record
class End:
    """The sender's half is complete.

    :ivar trailers: trailer fields, mostly none.
    """

    stream_id: int
    trailers: Fields = field(default_factory=list)


@record
class Reset:
    """The stream is over in both directions.

    :ivar code: why.
    :ivar detail: a sentence for a log; written by the peer, so nothing to trust.
    """

    stream_id: int
    code: ErrorCode
    detail: str = ""


@record
class Credit:
    """The sender of this frame takes ``amount`` more bytes of DATA on the stream."""

    stream_id: int
    amount: int


@record
class Revoke:
    """Give the stream back if it has not started."""

    stream_id: int


@record
class Revoked:
    """The stream was given back: it has not started and never will."""

    stream_id: int


@record
class Refused:
    """The stream was not started and will not be; it is safe to give it elsewhere."""

    stream_id: int
    code: ErrorCode


@record
class Capacity:
    """How many requests the agent runs at a time from now on; 0 while it rests or drains."""

    slots: int


@record
class Ping:
    """Answer with the same token."""

    token: int


@record
class Pong:
    """The answer to the PING with this token."""

    token: int


@record
class Drain:
    """The sender ends soon: what runs is finished, nothing new is sent or taken."""


StreamFrame = Open | Started | Head | Data | End | Reset | Credit | Revoke | Revoked | Refused
Frame = StreamFrame | Hello | Welcome | Capacity | Ping | Pong | Drain
