"""Endpoint strings for a hub: what Twisted makes of them, but for TLS.

Agents and applications come to the same port. So that agents can be asked for certificates there, every TLS port asks
for one and takes none for an answer; who comes with one that is not good is turned away in the handshake, and
:class:`slime.hub.links.Door` turns away agents that came without.

A file that holds a certificate and, behind it, what leads to its authority is what authorities hand out and servers
take. Twisted would show the first of them alone, and leave clients at a loss.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.tcp import makeBinding
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.protocols.policies import WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from slime.files import lasting_content_of
from slime.hub.handover import Newcomers, steer
from slime.pem import PEMFileError, certificates_in, pair_in

__all__ = ["Ports", "cannot_listen", "check_files", "check_port", "has_tls", "hub_endpoint"]


#: What names files of an endpoint for TLS; those that may be given by their places stand first.
_FILES = ("privateKey", "certKey", "extraCertChain")


def hub_endpoint(
    reactor: Any, description: str, authorities: Sequence[x509.Certificate] = (), shared: bool = False
) -> IStreamServerEndpoint:
    """The endpoint that a description means.

    :param authorities: whose certificates agents have to show; without any, none are asked for.
    :param shared: whether another hub may listen on the same port, to take over (:mod:`slime.hub.handover`).
    """
    ports = Ports(reactor, authorities, shared, certificate=certificate_file(description))
    endpoint: IStreamServerEndpoint = serverFromString(ports, description)
    return endpoint


def certificate_file(description: str) -> Path | None:
    """The file that an endpoint for TLS takes its certificate from."""
    return _files(description).get("certKey")


def _files(description: str) -> dict[str, Path]:
    """The files of an endpoint for TLS, where Twisted takes them from: by name, by place, or by default."""
    if not has_tls(description):
        return {}
    parts = re.findall(r"(?:\\.|[^\\:])+", description.removeprefix("haproxy:"))
    places = [part for part in parts if "=" not in part]
    files = dict(zip(_FILES[:2], places[2:], strict=False))
    files |= dict(part.split("=", 1) for part in parts if "=" in part)
    files.setdefault("privateKey", "server.pem")
    files.setdefault("certKey", files["privateKey"])
    return {name: Path(re.sub(r"\\(.)", r"\1", files[name])) for name in _FILES if name in files}


def check_files(description: str) -> None:
    """Twisted would say what is wrong with a certificate or a key in the words of OpenSSL.

    :raises PEMFileError: one that an endpoint names cannot be used.
    """
    files = _files(description)
    if files:
        pair_in(files["certKey"], files["privateKey"])
    chain = files.get("extraCertChain")
    if chain is not None:
        certificates_in(chain)
        _check_text(chain)


def _check_text(chain: Path) -> None:
    """Twisted takes a chain apart by itself, and finds nothing in what others can read."""
    content = lasting_content_of(chain)
    if b"\r" in content or not content.isascii():
        raise PEMFileError(
            f"{chain} has more than ASCII in it, or line ends of Windows, which a chain must not; rid it of these"
        )


def check_port(description: str) -> None:
    """Twisted takes any number for a port, until it listens.

    :raises ValueError: an endpoint names one that is none.
    """
    found = re.search(r"(?:^(?:haproxy:)?(?:tcp6?|ssl):|:port=)(\d+)", description)
    if found and (len(found[1]) > len("65535") or int(found[1]) > 65535):
        raise ValueError("a port is a number from 0 to 65535")


def cannot_listen(failure: Failure, setting: str) -> CannotListenError:
    """Why an endpoint does not listen, always as Twisted says it of TCP ports.

    For a UNIX socket Twisted takes a lock first, and passes on what the system says if there is no folder for that.

    :param setting: what asked for it; the error has it as ``setting``, for :mod:`slime.process`.
    :raises Exception: it is no such reason.
    """
    error = failure.value
    if not isinstance(error, OSError | CannotListenError):
        failure.raiseException()
    if isinstance(error, OSError):
        path = os.fsdecode(error.filename2 or error.filename or "its address")
        error = CannotListenError(None, path.removesuffix(".lock"), error)
    error.setting = setting  # type: ignore[attr-defined]
    return error


def has_tls(description: str) -> bool:
    """Whether this is one of Twisted's own endpoints with TLS."""
    return description.removeprefix("haproxy:").startswith("ssl:")


class Ports:
    """A reactor as endpoints see it, whose ports are as a hub needs them.

    :param certificate: the file that the port's certificate is in.
    """

    def __init__(
        self,
        reactor: Any,
        authorities: Sequence[x509.Certificate],
        shared: bool = False,
        *,
        certificate: Path | None = None,
    ) -> None:
        self._certificate = certificate
        self._shared = shared
        self._reactor = reactor
        self._authorities = authorities

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: IProtocolFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        """Listen; beside another hub, if that is wanted."""
        if isinstance(factory, HAProxyWrappingFactory):
            factory = Unaddressed(factory.wrappedFactory)
        if not self._shared:
            plain: IListeningPort = self._reactor.listenTCP(port, factory, backlog, interface)
            return plain
        binding = makeBinding(interface, port, reuseAddress=True, reusePort=True)
        listening: IListeningPort = self._reactor.listenTCP(binding, factory, backlog)
        steer(listening, Newcomers.TO_ELDER)
        return listening

    def listenSSL(
        self, port: int, factory: IProtocolFactory, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Listen for TLS."""
        if self._certificate is not None and not contextFactory.extraCertChain:
            chain = certificates_in(self._certificate)[1:]
            contextFactory.extraCertChain = list(map(crypto.X509.from_cryptography, chain))
        if self._authorities:
            ask_for_certificates(contextFactory.getContext(), self._authorities)
        encrypted = self._encrypted(factory, contextFactory)
        return self.listenTCP(port, encrypted, backlog, interface)

    def _encrypted(self, factory: IProtocolFactory, context: Any) -> IProtocolFactory:
        """``factory`` behind TLS.

        What HAProxy tells of a connection (the only thing that Twisted's endpoints wrap a factory in) comes before
        the first byte of TLS. Twisted would look for it inside, and TLS would not learn that only HTTP/1.1 is spoken.
        """
        if isinstance(factory, WrappingFactory):
            told: IProtocolFactory = type(factory)(self._encrypted(factory.wrappedFactory, context))
            return told
        return TLSMemoryBIOFactory(context, False, factory, self._reactor)


class Unaddressed(HAProxyWrappingFactory):
    """Connections that a proxy makes for everybody: its address says nothing of who comes."""

    def buildProtocol(self, addr: Any) -> Any:
        """As any other, for nobody."""
        return super().buildProtocol(None)


def ask_for_certificates(context: SSL.Context, authorities: Sequence[x509.Certificate]) -> None:
    """Let clients show a certificate of one of these authorities, or none."""
    store: Any = context.get_cert_store()
    for authority in authorities:
        certificate = crypto.X509.from_cryptography(authority)
        store.add_cert(certificate)
        context.add_client_ca(certificate)
    context.set_verify(SSL.VERIFY_PEER)
