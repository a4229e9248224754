"""Request targets and authorities: RFC 9112 section 3.2, RFC 3986 section 3.2."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from slime.errors import BadMessage, ErrorCode

__all__ = ["is_authority", "origin_form", "same_authority"]

# uri-host [":" port] without a comma, which would make the value look like a list of hosts to somebody else.
_AUTHORITY = re.compile(
    rb"(?:\[(?P<literal>[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[-._~!$&'()*+;=:0-9A-Za-z]+)\]"
    rb"|(?:[-._~!$&'()*+;=0-9A-Za-z]|%[0-9A-Fa-f]{2})+)"
    rb"(?::(?P<port>[0-9]{0,5}))?"
)
_ABSOLUTE = re.compile(rb"[hH][tT][tT][pP][sS]?://([^/?]*)(.*)")


@lru_cache(maxsize=256)
def _is_authority(value: bytes) -> bool:
    found = _AUTHORITY.fullmatch(value)
    if found is None:
        return False
    literal, port = found["literal"], found["port"]
    return (not port or int(port) < 65536) and (literal is None or _is_address(literal))


def is_authority(value: bytes) -> bool:
    """Whether ``value`` is a host and perhaps a port, without userinfo (RFC 9110 section 4.2.4).

    The same few hosts come again and again, so short values are remembered.
    """
    return len(value) <= 1024 and _is_authority(value)


def _is_address(literal: bytes) -> bool:
    if literal[:1] in b"vV":
        return True
    try:
        IPv6Address(literal.decode("ascii"))
    except AddressValueError:
        return False
    return True


def origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """The target in origin-form (or ``*``), and the authority if it came in absolute-form.

    ``target`` consists of visible ASCII without ``#``. ``OPTIONS http://host`` becomes ``OPTIONS *``, as the
    last proxy has to do it (RFC 9112 section 3.2.4).

    :raises BadMessage: no form that this method may have; ``CONNECT`` is not carried out.
    """
    if method == b"CONNECT":
        raise BadMessage(ErrorCode.UNSUPPORTED, "CONNECT is not carried out here")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target, None
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise BadMessage(ErrorCode.BAD_REQUEST, "the target has none of the forms that the method may have")
    authority, rest = found.groups()
    if not is_authority(authority):
        raise BadMessage(ErrorCode.BAD_REQUEST, "the target's authority is not a host and port")
    if not rest and method == b"OPTIONS":
        return b"*", authority
    return (rest if rest.startswith(b"/") else b"/" + rest), authority


def same_authority(target: bytes, authority: bytes, host: bytes) -> bool:
    """Whether the authority of a target in absolute-form and the value of a ``Host`` field are the same.

    Case makes no difference, nor does saying the scheme's own port (RFC 9110 section 4.2.3).
    """
    port = b":443" if target[:5].lower() == b"https" else b":80"
    return _without(port, authority) == _without(port, host)


def _without(port: bytes, authority: bytes) -> bytes:
    return authority.lower().removesuffix(port).removesuffix(b":")
