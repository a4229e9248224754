"""Agent tokens: minted by whoever has the hub's secret, checked by the hub, opaque to everyone else.

Pure: the time and the randomness are arguments.

A token is ``slime1_`` and then, in base32 (RFC 4648 section 6, lower case, no padding), so that a double click
selects it whole:

======  =====================================================================================================
bytes   meaning
======  =====================================================================================================
2       length of all that follows, so that a token cut off in copying can be told from a forged one
4       which secret it was made with, so that another hub's token can be told from a forged one
12      nonce
rest    the claims as a JSON array, encrypted by ChaCha20-Poly1305 (RFC 8439); everything before is authenticated
======  =====================================================================================================

The key and the mark of the secret come from the secret by HKDF (RFC 5869) with SHA-256. Both give a guess at the
secret something to be checked against, as any token must: a secret has to be random, not memorable.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = [
    "NONCE_BYTES",
    "AgentClaims",
    "Expired",
    "Foreign",
    "Forged",
    "Malformed",
    "RevokedToken",
    "TokenError",
    "Truncated",
    "check_whole",
    "mint",
    "verify",
]

NONCE_BYTES = 12
MAX_TOKEN_CHARS = 16384

_PREFIX = "slime1_"
_BODY = re.compile(r"[a-z2-7]*")
_LENGTH_BYTES, _MARK_BYTES, _TAG_BYTES = 2, 4, 16
_HEADER_BYTES = _LENGTH_BYTES + _MARK_BYTES + NONCE_BYTES


@dataclass(frozen=True, slots=True)
class AgentClaims:
    """What a token says of the agent that holds it.

    :ivar token_id: names the token in logs, and later where tokens are revoked.
    :ivar name: the agent's name for people.
    :ivar expires: seconds since the epoch from which on it is void; ``None`` for never.
    :ivar scope_paths: paths the agent serves, exact or ``/prefix/*``; none means all.
    :ivar scopes: what the agent serves, by the name that requests ask for.
    """

    token_id: str
    name: str
    expires: float | None = None
    scope_paths: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()


class TokenError(Exception):
    """A token does not open the door.

    :cvar reason: why, as a slug for the log; the agent is only told that it is not let in.
    """

    reason = "invalid"


class Malformed(TokenError):
    """This is no token, or one of a version yet unknown."""

    reason = "malformed"


class Truncated(TokenError):
    """A part of the token is missing at its end."""

    reason = "truncated"


class Foreign(TokenError):
    """The token was made with another secret, most likely for another hub."""

    reason = "foreign"


class Forged(TokenError):
    """The token was changed, or made by someone who does not know the secret."""

    reason = "forged"


class Expired(TokenError):
    """The token was good once."""

    reason = "expired"


class RevokedToken(TokenError):
    """The token is as it was made, and the hub's operator does not accept it any more."""

    reason = "revoked"


def mint(secret: bytes, claims: AgentClaims, nonce: bytes) -> str:
    """Make a token.

    :param secret: the hub's secret; any bytes, best 32 random ones.
    :param nonce: ``NONCE_BYTES`` random bytes, never used before with this secret.
    :raises ValueError: the claims are too long for a token.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
    content = _content(claims)
    length = _MARK_BYTES + NONCE_BYTES + len(content) + _TAG_BYTES
    if _chars(_LENGTH_BYTES + length) > MAX_TOKEN_CHARS - len(_PREFIX):
        raise ValueError("the name, scopes and scope paths are too long for a token")
    key, mark = _derive(secret)
    header = length.to_bytes(_LENGTH_BYTES, "big") + mark + nonce
    sealed = ChaCha20Poly1305(key).encrypt(nonce, content, _PREFIX.encode() + header)
    return _PREFIX + _encode(header + sealed)


def verify(secret: bytes, token: str, now: float) -> AgentClaims:
    """Check a token and say what it claims.

    :param now: seconds since the epoch.
    :raises TokenError: the token is void; the subclass says why.
    """
    header, sealed = _take_apart(token)
    key, mark = _derive(secret)
    if header[_LENGTH_BYTES:-NONCE_BYTES] != mark:
        raise Foreign("the token was made with another secret")
    try:
        content = ChaCha20Poly1305(key).decrypt(header[-NONCE_BYTES:], sealed, _PREFIX.encode() + header)
    except InvalidTag:
        raise Forged("the token was changed after it was made") from None
    claims = _claims(content)
    if claims.expires is not None and now >= claims.expires:
        raise Expired(f"the token {claims.token_id} of {claims.name} has expired")
    return claims


def check_whole(token: str) -> None:
    """See as much of a token as can be seen without the secret: whether it is one, and all of one.

    :raises Malformed: it is none.
    :raises Truncated: its end is missing.
    """
    _take_apart(token)


def _derive(secret: bytes) -> tuple[bytes, bytes]:
    """The key, and the mark by which tokens of this secret are known."""
    material = HKDF(SHA256(), 32 + _MARK_BYTES, None, b"slime agent token v1").derive(secret)
    return material[:32], material[32:]


def _content(claims: AgentClaims) -> bytes:
    values = [claims.token_id, claims.name, claims.expires, claims.scope_paths, claims.scopes]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _claims(content: bytes) -> AgentClaims:
    """The claims of authentic content: only its length can surprise, when a later version has added to it."""
    values: list[Any] = json.loads(content)
    token_id, name, expires, scope_paths, scopes = values[:5]
    return AgentClaims(token_id, name, expires, tuple(scope_paths), tuple(scopes))


def _take_apart(token: str) -> tuple[bytes, bytes]:
    """The header and the sealed claims."""
    body = token.removeprefix(_PREFIX)
    if body == token or not _BODY.fullmatch(body) or len(token) > MAX_TOKEN_CHARS:
        raise Malformed("this is not a token that this version of slime makes")
    missing = _expected_chars(body) - len(body)
    if missing > 0:
        raise Truncated("the end of the token is missing")
    data = _decode(body)
    if missing < 0 or _encode(data) != body or len(data) < _HEADER_BYTES + _TAG_BYTES:
        raise Malformed("this is not a token that this version of slime makes")
    return data[:_HEADER_BYTES], data[_HEADER_BYTES:]


def _expected_chars(body: str) -> int:
    """How long a token's body has to be, by the length at its beginning."""
    head = _decode(body[: _chars(_LENGTH_BYTES)])
    if len(head) < _LENGTH_BYTES:
        return _chars(_HEADER_BYTES)
    return _chars(_LENGTH_BYTES + int.from_bytes(head, "big"))


def _chars(count: int) -> int:
    """Base32 characters that so many bytes take."""
    return (count * 8 + 4) // 5


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _decode(text: str) -> bytes:
    """The whole bytes in base32 text; what is left over of the last character does not count."""
    whole = text[: _chars(len(text) * 5 // 8)].upper()
    return base64.b32decode(whole + "=" * (-len(whole) % 8))
