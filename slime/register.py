"""``slime hub register``: makes a token, and prints it for a person, a program or a telephone."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Sequence

from slime.commands import REGISTER
from slime.names import random_name
from slime.options import SettingsOptions, refuse
from slime.seed.tokens import ID_PREFIX, mint_seed
from slime.settings import RegisterConfig
from slime.sources import load_register
from slime.tokens import NONCE_BYTES, AgentClaims, mint

__all__ = ["register"]


class RegisterOptions(SettingsOptions):
    """The settings of a new token."""

    row = REGISTER
    config: RegisterConfig
    read = staticmethod(load_register)


def register(arguments: Sequence[str]) -> None:
    """Carry the command out."""
    options = RegisterOptions()
    options.parseOptions(arguments)
    if options.config.json and options.config.qr:
        refuse(REGISTER.name, "qr: a picture is no JSON; leave --json or --qr out")
    try:
        token, claims = _minted(options.config)
        text = _as_json(token, claims) if options.config.json else f"{token}\n"
        if options.config.qr:
            text += coloured(qr_code(token)) if sys.stdout.isatty() else qr_code(token)
    except ValueError as problem:
        refuse(REGISTER.name, problem)
    sys.stdout.write(text)


def _minted(config: RegisterConfig) -> tuple[str, AgentClaims]:
    number = secrets.randbits(63)
    claims = AgentClaims(
        token_id=secrets.token_hex(8) if config.agents_of == "slime" else f"{ID_PREFIX}{number}",
        name=config.name or random_name(secrets.SystemRandom()),
        expires=time.time() + config.age if config.age else None,
        scope_paths=config.scope_paths,
        scopes=config.scopes,
    )
    nonce = os.urandom(NONCE_BYTES)
    if config.agents_of == "seed":
        return mint_seed(config.secret, number, claims, nonce), claims
    return mint(config.secret, claims, nonce), claims


def _as_json(token: str, claims: AgentClaims) -> str:
    expires = claims.expires and time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(claims.expires))
    members = {
        "token": token,
        "id": claims.token_id,
        "name": claims.name,
        "expires": expires,
        "scopes": claims.scopes,
        "scope_paths": claims.scope_paths,
    }
    return json.dumps(members) + "\n"


def coloured(picture: str) -> str:
    """White on black, whatever the terminal's own colours are: cameras do not read negatives."""
    return "".join(f"\x1b[40;97m{row}\x1b[0m\n" for row in picture.splitlines())


def qr_code(text: str) -> str:
    """A QR code of blocks as high as half a line, for a terminal.

    :raises ValueError: the program that makes them is not installed, or the text is too long for one.
    """
    try:
        import segno
    except ImportError:
        raise ValueError("qr: a QR code takes segno; install it: pip install 'slime-proxy[qr]'") from None
    from io import StringIO

    picture = StringIO()
    try:
        segno.make(text, micro=False, error="l", boost_error=False).terminal(picture, compact=True)
    except segno.DataOverflowError:
        raise ValueError("qr: the token is too long for a QR code; give it fewer scopes and paths") from None
    return picture.getvalue()
