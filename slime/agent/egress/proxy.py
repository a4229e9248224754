"""HTTP proxies on the way out: how one is named, and what is reached without it. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote_to_bytes, urlsplit

__all__ = ["ProxyAddress", "is_exempt"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """A proxy that opens tunnels.

    :ivar secure: whether the proxy itself is spoken to by TLS.
    :ivar authorization: the value of ``Proxy-Authorization``, or ``None``.
    """

    host: str
    port: int
    secure: bool = False
    authorization: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> ProxyAddress:
        """Read a URL as :data:`slime.values.PROXY` makes them: ``http(s)://user:password@host:port``."""
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        return cls(parts.hostname or "", port, parts.scheme == "https", _basic(parts.username, parts.password))

    @property
    def label(self) -> str:
        """What a person calls it; without credentials."""
        return authority(self.host, self.port)


def _basic(user: str | None, password: str | None) -> bytes | None:
    """Credentials as a header field has them (RFC 7617)."""
    if not user and not password:
        return None
    return b"Basic " + b64encode(unquote_to_bytes(user or "") + b":" + unquote_to_bytes(password or ""))


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_exempt(host: str, port: int, entries: Sequence[str]) -> bool:
    """Whether a host is reached without a proxy.

    :param entries: as ``NO_PROXY`` has them: ``*`` for every host; a name, for itself and what is under it; an
        address or a network of addresses; each with or without a port.
    """
    host = host.lower().rstrip(".")
    return any(_matches(entry.lower(), host, port) for entry in entries)


def _matches(entry: str, host: str, port: int) -> bool:
    name, only = _port_of(entry)
    if only not in ("", str(port)):
        return False
    if name == "*":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        name = name.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    return _within(address.compressed, name)


def _port_of(entry: str) -> tuple[str, str]:
    """An entry without its port, and the port."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = entry.partition(":")
    return (entry, "") if ":" in port else (name, port)


def _within(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False
