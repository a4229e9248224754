"""Tokens as the earlier program makes them. Pure: the time and the randomness are arguments.

A token is base32 (RFC 4648 section 6, no padding) of a nonce of 12 bytes and a Protocol Buffers message encrypted by
AES-256-GCM, with the tag behind it and no associated data. The key is the secret itself, padded with zeros or cut to
32 bytes; a secret of fewer bytes is a weaker key, which is why slime's own tokens (:mod:`slime.tokens`) derive theirs.

====== =============== ============================================
field  type            meaning
====== =============== ============================================
1      int64           id
2      string          name
3      int64           end, in seconds since the epoch; 0 for never
4      repeated string paths it serves
5      repeated string scopes it has
====== =============== ============================================
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from slime.seed.protobuf import decode, encode
from slime.tokens import NONCE_BYTES, AgentClaims, Expired, Forged, Malformed
from slime.tunnel.text import make_printable

if TYPE_CHECKING:
    from slime.seed.protobuf import Field

__all__ = ["ID_PREFIX", "is_like_seeds", "mint_seed", "verify_seed"]

#: Begins the ids of these tokens here, so that none is that of a token of slime's own.
ID_PREFIX = "seed-"

MAX_TOKEN_CHARS = 16384
_TAG_BYTES = 16
_LOOK = re.compile(r"[A-Za-z2-7]{45,}")
_KEY_BYTES = 32
_ID, _NAME, _EXPIRES, _PATHS, _SCOPES = range(1, 6)


def mint_seed(secret: bytes, number: int, claims: AgentClaims, nonce: bytes) -> str:
    """Make a token.

    :param number: the token's id, below 2**63; that of the claims does not count.
    :param nonce: ``NONCE_BYTES`` random bytes, never used before with this secret.
    """
    fields: list[Field] = [(_ID, number), (_NAME, claims.name.encode("utf-8"))]
    if claims.expires is not None:
        fields.append((_EXPIRES, int(claims.expires)))
    fields += [(_PATHS, path.encode("utf-8")) for path in claims.scope_paths]
    fields += [(_SCOPES, scope.encode("utf-8")) for scope in claims.scopes]
    sealed = nonce + AESGCM(_key(secret)).encrypt(nonce, encode(fields), None)
    return base64.b32encode(sealed).decode("ascii").rstrip("=")


def verify_seed(secret: bytes, token: str, now: float) -> AgentClaims:
    """Check a token and say what it claims.

    :param now: seconds since the epoch.
    :raises TokenError: the token is void; the subclass says why.
    """
    claims = _claims(_opened(secret, token))
    if claims.expires is not None and now >= claims.expires:
        raise Expired(f"the token {claims.token_id} of {claims.name} has expired")
    return claims


def is_like_seeds(token: str) -> bool:
    """Whether this may be one of these tokens, as far as one can see without the secret."""
    return _LOOK.fullmatch(token) is not None


def _key(secret: bytes) -> bytes:
    return secret[:_KEY_BYTES].ljust(_KEY_BYTES, b"\0")


def _opened(secret: bytes, token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARS:
        raise Malformed("too long for a token")
    try:
        data = base64.b32decode(token + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        raise Malformed("not base32") from None
    if len(data) < NONCE_BYTES + _TAG_BYTES:
        raise Malformed("too short for a token")
    try:
        return AESGCM(_key(secret)).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None)
    except InvalidTag:
        raise Forged("made with another secret, or changed") from None


def _claims(content: bytes) -> AgentClaims:
    try:
        fields = decode(content)
        number, expires = (_last_number(fields, which) for which in (_ID, _EXPIRES))
        names, paths, scopes = (_texts(fields, which) for which in (_NAME, _PATHS, _SCOPES))
    except ValueError:
        raise Malformed("authentic, and no message") from None
    # The earlier program took any name; this one is a field of answers and stands in the log.
    name = make_printable(names[-1]) if names else ""
    return AgentClaims(f"{ID_PREFIX}{number}", name, float(expires) if expires else None, tuple(paths), tuple(scopes))


def _last_number(fields: list[Field], which: int) -> int:
    """The value of a field that counts once; 0 where it is not."""
    return next((value for number, value in reversed(fields) if number == which and isinstance(value, int)), 0)


def _texts(fields: list[Field], which: int) -> list[str]:
    return [value.decode("utf-8") for number, value in fields if number == which and isinstance(value, bytes)]
