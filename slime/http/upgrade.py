"""Switching protocols (RFC 9110 section 7.8): which requests may ask for it, and which answers do it. Pure.

An intermediary that opens a passage for a request which the other side does not take for an upgrade lets that
request's sender talk past everything that is checked here. So both ends of a link look at both messages: a
request that does not ask in just the right way is an ordinary one, and an answer counts only if it switches to
what was asked for.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Container
from dataclasses import dataclass
from hashlib import sha1

from slime.errors import BadMessage, ErrorCode
from slime.http.fields import Fields, field_values, tokens
from slime.http.head import RequestHead, ResponseHead

__all__ = ["WEBSOCKET", "Upgrade", "switching_fields", "wanted_upgrade"]

WEBSOCKET = b"websocket"
"""The protocol that whoever may send a request may switch to (RFC 6455)."""

_H2C = b"h2c"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_VERSION = re.compile(rb"[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What a request asks to switch to.

    :ivar fields: the fields of one hop that the request must keep for it, without ``Connection``, which names them.
    :ivar accept: what ``Sec-WebSocket-Accept`` must be in the answer; ``None`` for protocols that know no such thing.
    """

    fields: Fields
    accept: bytes | None = None

    @property
    def hop_fields(self) -> Fields:
        """All fields that make a request an upgrade on one hop."""
        return [*self.fields, (b"Connection", b", ".join(name for name, _ in self.fields))]

    def check(self, head: ResponseHead) -> None:
        """Look at a ``101`` to the request.

        :raises BadMessage: with ``UPSTREAM_BROKE``: it does not switch to what was asked for.
        """
        wanted = [value.lower() for name, value in self.fields if name == b"Upgrade"]
        if tokens(head.fields, b"upgrade") != wanted or b"upgrade" not in tokens(head.fields, b"connection"):
            raise BadMessage(ErrorCode.UPSTREAM_BROKE, "it switched to a protocol that was not asked for")
        if self.accept is not None and field_values(head.fields, b"sec-websocket-accept") != [self.accept]:
            raise BadMessage(ErrorCode.UPSTREAM_BROKE, "its Sec-WebSocket-Accept does not fit the request")


def wanted_upgrade(head: RequestHead, length: int | None, allowed: Container[bytes] | None = None) -> Upgrade | None:
    """What a request asks to switch to; ``None`` when it asks for nothing, or not as it has to.

    :param length: bytes of body that follow the head; with a body a request cannot switch.
    :param allowed: protocols besides :data:`WEBSOCKET` that may be switched to, in lower case; ``None`` for all.
    """
    named = [value for value in field_values(head.fields, b"upgrade") if value]
    if len(named) != 1 or length != 0 or head.version != b"1.1" or b"upgrade" not in tokens(head.fields, b"connection"):
        return None
    protocol = named[0].lower()
    if protocol == WEBSOCKET:
        return _websocket(head, named[0])
    if b"," in protocol or not (allowed is None or protocol in allowed):
        return None
    return Upgrade([(b"Upgrade", named[0]), *_settings(head, protocol)])


def _websocket(head: RequestHead, named: bytes) -> Upgrade | None:
    """A client's opening handshake (RFC 6455 section 4.1); which version it may be is the upstream's affair."""
    keys = field_values(head.fields, b"sec-websocket-key")
    versions = field_values(head.fields, b"sec-websocket-version")
    if head.method != b"GET" or len(keys) != 1 or len(versions) != 1:
        return None
    if not _KEY.fullmatch(keys[0]) or not _VERSION.fullmatch(versions[0]):
        return None
    accept = b64encode(sha1(keys[0] + _GUID, usedforsecurity=False).digest())
    return Upgrade([(b"Upgrade", named)], accept)


def _settings(head: RequestHead, protocol: bytes) -> Fields:
    """HTTP/2 without TLS begins with a field of its own (RFC 7540 section 3.2.1)."""
    values = field_values(head.fields, b"http2-settings") if protocol == _H2C else []
    return [(b"HTTP2-Settings", value) for value in values]


def switching_fields(head: ResponseHead) -> Fields:
    """The fields of one hop that a ``101`` has to keep."""
    upgrades = [(name, value) for name, value in head.fields if name.lower() == b"upgrade"]
    return [*upgrades, (b"Connection", b"Upgrade")]
