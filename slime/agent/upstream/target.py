"""Where an upstream is and how to connect to it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from twisted.internet.abstract import isIPv6Address
from twisted.internet.endpoints import UNIXClientEndpoint

from slime.agent.egress import DIRECT, Egress, EndpointMaker, Place
from slime.http.forwarding import UpstreamAddress

__all__ = ["UpstreamTarget"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(r"[^\x00-\x20\x7f]+")
_BASE_PATH = re.compile(r"(/[!-~]*)?")


@dataclass(frozen=True, slots=True)
class UpstreamTarget:
    """One upstream.

    :ivar label: what a person calls it, for logs and the hub; never holds credentials.
    :ivar origin: scheme and authority of its own URLs, such as ``http://localhost:8000``.
    :ivar address: what :func:`slime.http.forwarding.rewrite_for_upstream` needs to know.
    :ivar endpoint: makes the endpoint to connect to.
    :ivar place: its host and port; ``None`` when it is a UNIX socket.
    """

    label: str
    origin: str
    address: UpstreamAddress = field(repr=False)
    endpoint: EndpointMaker = field(repr=False)
    place: Place | None = None

    @classmethod
    def parse(cls, text: str, *, preserve_host: bool = False, egress: Egress = DIRECT) -> UpstreamTarget:
        """Read ``host:port``, ``http(s)://user:password@host:port/base`` or ``unix:/path``.

        :param preserve_host: let the ``Host`` of the application through.
        :param egress: the way there, unless it is a UNIX socket.
        :raises ValueError: with a sentence for the person who wrote ``text``; it holds no credentials.
        """
        if not _ADDRESS.fullmatch(text):
            raise ValueError("An upstream's address holds no spaces and no control characters.")
        if text.startswith("unix:"):
            return _unix_target(text.removeprefix("unix:"), preserve_host)
        url = _split(text if "://" in text else "http://" + text)
        if "://" not in text and url.port is None:
            raise ValueError("An upstream without a scheme needs a port, as in localhost:8000.")
        return _tcp_target(url, preserve_host, egress)


def _unix_target(path: str, preserve_host: bool) -> UpstreamTarget:
    if not path.startswith("/"):
        raise ValueError("A unix upstream needs an absolute path, as in unix:/run/model.sock.")
    address = UpstreamAddress(b"localhost", b"", None, preserve_host)
    return UpstreamTarget(
        "unix:" + path,
        "http://localhost",
        address,
        lambda reactor, timeout: UNIXClientEndpoint(reactor, path, timeout),
    )


def _tcp_target(url: SplitResult, preserve_host: bool, egress: Egress) -> UpstreamTarget:
    host = _host(url)
    port = url.port or _DEFAULT_PORTS[url.scheme]
    name = f"[{host}]" if isIPv6Address(host) else host
    authority = name if port == _DEFAULT_PORTS[url.scheme] else f"{name}:{port}"
    origin = f"{url.scheme}://{authority}"
    base = url.path.rstrip("/")
    address = UpstreamAddress(authority.encode("ascii"), base.encode("ascii"), _basic(url), preserve_host)
    place = Place(host, port, url.scheme == "https")
    return UpstreamTarget(origin + base, origin, address, egress.to(place), place)


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError("An upstream's host and port read like localhost:8000 or [::1]:8000.") from None
    if url.scheme not in _DEFAULT_PORTS:
        raise ValueError("An upstream is http://, https://, unix: or host:port.")
    if port == 0:
        raise ValueError("An upstream's port is a number from 1 to 65535.")
    if "?" in text or "#" in text or not _BASE_PATH.fullmatch(url.path):
        raise ValueError("An upstream's base path is plain text without spaces, query or fragment.")
    return url


def _host(url: SplitResult) -> str:
    host = url.hostname or ""
    try:
        host = host if isIPv6Address(host) else host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not re.fullmatch(r"[0-9a-z:._-]+", host):
        raise ValueError("An upstream needs the name or address of a host, as in http://localhost:8000.")
    return host


def _basic(url: SplitResult) -> bytes | None:
    """The ``Authorization`` value for the URL's user and password (RFC 7617)."""
    if url.username is None:
        return None
    secret = unquote_to_bytes(url.username) + b":" + unquote_to_bytes(url.password or "")
    return b"Basic " + b64encode(secret)
