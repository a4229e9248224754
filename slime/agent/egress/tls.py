"""TLS on the way out: whom to trust, and what to show of ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, optionsForClientTLS
from twisted.python.failure import Failure
from zope.interface import implementer

from slime.pem import certificates_in, pair_in

__all__ = ["Authorities", "Identity", "TLSOptions", "TLSTrouble", "explained", "read_authorities", "read_identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A client certificate, with what proves it and what leads from it to its authority.

    Its fields are named like the arguments of :class:`twisted.internet.ssl.CertificateOptions`.
    """

    privateKey: crypto.PKey = field(repr=False)
    certificate: crypto.X509
    extraCertChain: tuple[crypto.X509, ...] = ()

    def options(self) -> dict[str, Any]:
        """Arguments for :class:`~twisted.internet.ssl.CertificateOptions`."""
        # dict() over fields, as asdict() would copy keys, which cannot be copied.
        return {name: getattr(self, name) for name in self.__slots__}


@implementer(IOpenSSLTrustRoot)
class Authorities:
    """Trusts these authorities and the system's own.

    Twisted knows the one or the other; a trust root of one's own has to have the method that it has no public
    name for.
    """

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        self._certificates = certificates

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        context.set_default_verify_paths()
        store = cast(crypto.X509Store, context.get_cert_store())
        for certificate in self._certificates:
            store.add_cert(crypto.X509.from_cryptography(certificate))


@dataclass(frozen=True, slots=True)
class TLSOptions:
    """How to speak TLS to a server.

    :ivar trust_root: who is trusted to sign its certificate: whatever
        :func:`twisted.internet.ssl.optionsForClientTLS` takes, ``None`` for the system's authorities.
    :ivar identity: the certificate to show when the server asks for one.
    :ivar verified: whether the server has to prove who it is.
    """

    trust_root: Any = None
    identity: Identity | None = None
    verified: bool = True

    def creator(self, host: str) -> IOpenSSLClientConnectionCreator:
        """What makes connections to ``host``, a name in ASCII or an address.

        They ask for no protocol by ALPN: a server that is not asked speaks HTTP/1.1, and some that know no ALPN
        break off when they are.
        """
        shown = self.identity.options() if self.identity else {}
        if self.verified:
            return optionsForClientTLS(host, self.trust_root, extraCertificateOptions=shown)
        return Unverified(host, CertificateOptions(**shown))


@implementer(IOpenSSLClientConnectionCreator)
class Unverified:
    """TLS with whoever answers. The server is told the name that is wanted, and believed whatever it says."""

    def __init__(self, host: str, options: CertificateOptions) -> None:
        self._name = None if isIPAddress(host) or isIPv6Address(host) else host.encode("ascii")
        self._options = options

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """Twisted calls this for each connection."""
        connection = self._options.clientConnectionForTLS(tlsProtocol)
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        return connection


# -- files ------------------------------------------------------------------------------------------------------


def read_authorities(path: Path) -> Authorities:
    """The authorities in a file of PEM certificates.

    :raises PEMFileError: there are none.
    """
    return Authorities(certificates_in(path))


def read_identity(certificate: Path, key: Path | None) -> Identity:
    """A client certificate in a PEM file, its chain behind it.

    :param key: the PEM file of its private key; ``None`` when that stands in the same file.
    :raises PEMFileError: they cannot be used.
    """
    private: Any
    chain, private = pair_in(certificate, key or certificate)
    first, *others = map(crypto.X509.from_cryptography, chain)
    return Identity(crypto.PKey.from_cryptography_key(private), first, tuple(others))


# -- words ------------------------------------------------------------------------------------------------------


class TLSTrouble(Exception):
    """TLS failed; the message is for a person."""


_HINTS = {
    "certificate verify failed": "its certificate is out of date, or not signed by an authority that is trusted here",
    "wrong version number": "it does not speak TLS",
    "certificate required": "it wants a client certificate",
    "bad certificate": "it does not accept our client certificate",
    "unknown ca": "it does not know the authority of our client certificate",
    "certificate expired": "our client certificate is out of date",
}


def explained(reason: Failure) -> Failure:
    """The same failure, in words when it is one of TLS."""
    error = reason.value
    if isinstance(error, VerificationError):
        return Failure(TLSTrouble("TLS: its certificate is for another name"))
    if isinstance(error, SSL.Error):
        return Failure(TLSTrouble(f"TLS: {_words(error)}"))
    return reason


def _words(error: SSL.Error) -> str:
    """What OpenSSL says last is what it found first."""
    said = [entry[2] for entry in error.args[0]] if error.args else []
    for text in said:
        for part, hint in _HINTS.items():
            if part in text:
                return hint
    return ", ".join(said) or "the connection was cut"
