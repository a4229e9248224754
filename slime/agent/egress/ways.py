"""The ways out that an agent's settings ask for, and what has to be said about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slime.agent.egress import Egress, Place
from slime.agent.egress.proxy import ProxyAddress
from slime.agent.egress.tls import Authorities, Identity, TLSOptions, read_authorities, read_identity
from slime.pem import KeyFileError, PEMFileError
from slime.settings import AgentConfig

__all__ = ["Ways", "warnings_about", "ways_out"]


@dataclass(frozen=True, slots=True)
class Ways:
    """The way to the hub, and the way to upstreams."""

    hub: Egress
    upstreams: Egress


def ways_out(config: AgentConfig) -> Ways:
    """What the settings ask for.

    Upstreams without TLS are never sought behind a proxy: most stand beside their agent.

    :raises ValueError: a file named in them cannot be used; with words that begin with the setting's name.
    """
    trusted = _authorities(config.ca)
    secure = _proxy(config.proxy or config.https_proxy)
    hub = TLSOptions(trusted, _identity("client", config.client_cert, config.client_key))
    shown = _identity("upstream-client", config.upstream_client_cert, config.upstream_client_key)
    upstreams = TLSOptions(trusted, shown, verified=not config.insecure_upstream)
    known = TLSOptions(trusted)
    return Ways(
        Egress(hub, secure, _proxy(config.proxy), config.no_proxy, known),
        Egress(upstreams, secure, None, config.no_proxy, known),
    )


def _authorities(path: Path | None) -> Authorities | None:
    try:
        return None if path is None else read_authorities(path)
    except PEMFileError as error:
        raise ValueError(f"ca: {error}") from None


def _identity(settings: str, certificate: Path | None, key: Path | None) -> Identity | None:
    """Of the two settings whose names begin so."""
    if certificate is None:
        if key is not None:
            raise ValueError(f"{settings}-cert: missing, and its key is given; name the certificate's file too")
        return None
    try:
        return read_identity(certificate, key)
    except PEMFileError as error:
        about = "key" if key is not None and isinstance(error, KeyFileError) else "cert"
        raise ValueError(f"{settings}-{about}: {error}") from None


def _proxy(url: str | None) -> ProxyAddress | None:
    return None if url is None else ProxyAddress.parse(url)


def warnings_about(upstreams: Egress, places: Iterable[tuple[str, Place | None]]) -> Iterator[str]:
    """What whoever runs the agent has to be told, loudly.

    :param places: each upstream's name for people, and where it is, unless it is a UNIX socket.
    """
    if upstreams.tls.verified:
        return
    unproved = [label for label, place in places if place is not None and place.secure]
    for label in unproved:
        yield (
            f"INSECURE: nobody checks who answers for the upstream {label} (--insecure-upstream): whoever is on the "
            "way to it can read and change everything; name its authority with --ca instead"
        )
    if not unproved:
        yield "--insecure-upstream is given for nothing: no upstream has https"
