"""Certificates and keys in files, read with words for whoever named the files.

What the libraries say of a file that they cannot read is about their own insides, and OpenSSL asks the terminal for the
password of a key that is encrypted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from slime.files import lasting_content_of

__all__ = ["KeyFileError", "PEMFileError", "certificates_in", "pair_in", "private_key_in"]


class PEMFileError(ValueError):
    """A file cannot be used. The message is a sentence that names it, and says what to do."""


class KeyFileError(PEMFileError):
    """It is a private key that cannot be."""


@dataclass(frozen=True, slots=True)
class _Sort:
    """What may be in a file in PEM form.

    :ivar several: what a file without any lacks.
    :ivar labels: what may stand behind ``BEGIN``, the usual one first.
    :ivar tool: what of OpenSSL makes PEM of it.
    """

    one: str
    several: str
    labels: tuple[bytes, ...]
    tool: str


_CERTIFICATES = _Sort("a certificate", "certificates", (b"CERTIFICATE", b"X509 CERTIFICATE"), "x509")
_KEYS = _Sort(
    "a private key", "private key",
    (b"PRIVATE KEY", b"EC PRIVATE KEY", b"RSA PRIVATE KEY", b"DSA PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"), "pkey",
)  # fmt: skip

_LABEL = re.compile(rb"^-----BEGIN ([A-Z0-9 ]{1,40})-----", re.MULTILINE)


def certificates_in(path: Path) -> list[x509.Certificate]:
    """The certificates in a PEM file, in their order; one at least.

    :raises PEMFileError: there are none, one of them is damaged, or the file cannot be read.
    """
    content = _content(path)
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError:
        found = []
    # A last one that is cut short counts for nothing otherwise.
    if not found or len(found) < sum(label in _CERTIFICATES.labels for label in _LABEL.findall(content)):
        raise PEMFileError(_fault(path, content, _CERTIFICATES))
    return found


def private_key_in(path: Path) -> PrivateKeyTypes:
    """The private key in a PEM file.

    :raises KeyFileError: there is none, it is encrypted, or the file cannot be read.
    """
    try:
        content = _content(path)
    except PEMFileError as error:
        raise KeyFileError(str(error)) from None
    try:
        return load_pem_private_key(content, None)
    except TypeError:
        why = "an encrypted private key, and there is nobody to ask for its password; openssl pkey takes it off"
        raise KeyFileError(f"{path} holds {why}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError(_fault(path, content, _KEYS)) from None


def pair_in(certificate: Path, key: Path) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    """A certificate, its chain behind it, and the private key that belongs to it; they may be in one file.

    :raises PEMFileError: they cannot be used; a :exc:`KeyFileError` where that is up to the key.
    """
    chain, private = certificates_in(certificate), private_key_in(key)
    try:
        public = chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise PEMFileError(_damaged(certificate, _CERTIFICATES)) from None
    if private.public_key() != public:
        raise KeyFileError(
            f"{key} holds a private key that does not belong to the first certificate in {certificate}; "
            "name the key that this was made for, and let its authorities' certificates stand behind it"
        )
    return chain, private


def _content(path: Path) -> bytes:
    try:
        return lasting_content_of(path)
    except OSError as error:
        raise PEMFileError(f"cannot read {path}: {error.strerror}") from None


def _fault(path: Path, content: bytes, wanted: _Sort) -> str:
    """What is wrong with a file that does not hold what is wanted of it, and what to do."""
    labels = _LABEL.findall(content)
    if any(label in wanted.labels for label in labels):
        return _damaged(path, wanted)
    none = f"{path} holds no {wanted.several} in PEM form"
    # DER begins with a sequence.
    if content.startswith(b"0") and not content.isascii():
        return f"{none}, but binary data; if it is DER, openssl {wanted.tool} -inform der makes PEM of it"
    instead = f", but {' and '.join(label.decode() for label in dict.fromkeys(labels))}" if labels else ""
    if not content.strip():
        instead = ": it is empty"
    return f"{none}{instead}; name a file with -----BEGIN {wanted.labels[0].decode()}----- in it"


def _damaged(path: Path, wanted: _Sort) -> str:
    why = "damaged, cut short, or of a kind that is not known here; copy it again, or have another made"
    return f"{path} holds {wanted.one} that is {why}"
