"""Certificates that last a day, for servers on the loopback and their clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import crypto
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate

PEM = serialization.Encoding.PEM
ONE_DAY = timedelta(1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key.

    :ivar chain: certificates of authorities between it and the one at the root.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate, with its chain behind it."""
        return b"".join(certificate.public_bytes(PEM) for certificate in (self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """The key, open to whoever reads it."""
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Into two files: certificate and key."""
        folder.mkdir(exist_ok=True)
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        for path, content in zip(paths, (self.pem, self.key_pem), strict=True):
            path.write_bytes(content)
        return paths

    def options(self) -> CertificateOptions:
        """For a server that shows it."""
        return CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(self.key),
            certificate=crypto.X509.from_cryptography(self.certificate),
            extraCertChain=[crypto.X509.from_cryptography(certificate) for certificate in self.chain],
        )


class Authority:
    """Signs certificates.

    :ivar issued: its own.
    """

    def __init__(self, name: str = "an authority", above: Authority | None = None) -> None:
        """
        :param above: the authority that vouches for it; itself, when there is none.
        """
        self.issued = _issue(name, [], above, ca=True, days=ONE_DAY)

    @property
    def trusted(self) -> Certificate:
        """It, as a trust root."""
        return Certificate(crypto.X509.from_cryptography(self.issued.certificate))

    def issue(self, *names: str, days: timedelta = ONE_DAY) -> Issued:
        """A certificate for names or addresses; good for servers and clients.

        :param days: until it is out of date; less than none for one that is.
        """
        return _issue(names[0], names, self, ca=False, days=days)


def _issue(name: str, hosts: Sequence[str], signer: Authority | None, ca: bool, days: timedelta) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer = signer.issued if signer else None
    end = datetime.now(timezone.utc) + days
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - 3 * ONE_DAY)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    below_root = issuer is not None and issuer.certificate.issuer != issuer.certificate.subject
    return Issued(certificate, key, (issuer.certificate, *issuer.chain) if issuer and below_root else ())


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def self_signed(host: str) -> PrivateCertificate:
    """A certificate for ``host``, signed by itself."""
    issued = _issue(host, [host], None, ca=False, days=ONE_DAY)
    loaded: PrivateCertificate = PrivateCertificate.loadPEM(issued.pem + issued.key_pem)
    return loaded
