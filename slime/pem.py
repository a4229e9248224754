"""Certificates and keys in files, read with words for whoever named the files."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from slime.files import lasting_content_of

__all__ = ["certificates_in", "private_key_in"]


def certificates_in(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file, in their order; one at least.

    :raises ValueError: there are none, or the file cannot be read.
    """
    content = _content(path)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise ValueError(f"{path} holds no certificates in PEM form ({error})") from None


def private_key_in(path: Path) -> PrivateKeyTypes:
    """The private key in a PEM file.

    :raises ValueError: there is none, it is encrypted, or the file cannot be read.
    """
    content = _content(path)
    try:
        return load_pem_private_key(content, None)
    except TypeError:
        raise ValueError(f"the private key in {path} is encrypted; slime can ask nobody for its password") from None
    except ValueError:
        raise ValueError(f"{path} holds no private key in PEM form") from None


def _content(path: Path) -> bytes:
    try:
        return lasting_content_of(path)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
