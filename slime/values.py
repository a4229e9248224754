"""The kinds of value a setting can have: how each is written, read and shown.

Pure. Every kind reads text, because flags, the environment and YAML files all give text, and refuses what
it cannot read with a sentence that says what to write instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

__all__ = [
    "ACCESS_LOG",
    "ADMIN_ADDRESS",
    "AGENT_ID",
    "BOOLEAN",
    "ENDPOINTS",
    "ENDPOINT_OR_OFF",
    "HOST",
    "HUB_ADDRESS",
    "NAMES",
    "NETWORKS",
    "NO_PROXY",
    "PATH",
    "PROTOCOLS",
    "PROXY",
    "SCOPE_PATHS",
    "SECRET_BYTES",
    "SECRET_TEXT",
    "TEXT",
    "UPSTREAMS",
    "Kind",
    "choice",
    "duration",
    "integer",
    "parse_duration",
    "parse_size",
    "show_duration",
    "show_size",
    "size",
]

#: Where on a hub its agents connect.
TUNNEL_PATH = "/v1/agent/tunnel"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    :ivar metavar: what stands for the value in help texts; empty for a switch.
    :ivar parse: reads one value from text; raises :exc:`ValueError` with a sentence that goes on after
        "says '…', which is " when it cannot.
    :ivar show: writes a value as a person would write it.
    :ivar split: for a setting that holds many values, takes one text apart; ``None`` for a single value.
    :ivar private: may hold a password, so that neither messages nor the configuration's ``repr`` show it.
    :ivar bare: what the flag without a value stands for; empty where it needs one.
    """

    metavar: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    split: Callable[[str], Sequence[str]] | None = None
    private: bool = False
    bare: str = ""

    def follows(self, text: str) -> bool:
        """Whether ``text``, next on a command line, belongs to the flag before it; a switch takes no other word."""
        if not self.bare:
            return True
        try:
            self.parse(text)
        except ValueError:
            return False
        return bool(self.metavar)


# -- durations ------------------------------------------------------------------------------------------

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(d|h|ms|m|s|us|µs|ns)")
_PLAIN_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{0,9})?")


def parse_duration(text: str) -> float:
    """Seconds of a duration as ``90s``, ``1h2m3s``, ``1.5h``, ``250ms``; a bare number is seconds.

    :raises ValueError: it is not a duration.
    """
    if _PLAIN_NUMBER.fullmatch(text):
        return float(text)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("not a duration; write one like 90s, 1h2m3s or 250ms")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def show_duration(seconds: float) -> str:
    """A duration in the largest units that fit: ``75.0`` is ``1m15s``; zero is ``0``."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms" if seconds else "0"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    shown = [f"{amount:g}{unit}" for amount, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if amount]
    return "".join(shown)


# -- sizes ----------------------------------------------------------------------------------------------

_BYTES: dict[str, int] = {
    **{unit: 1024**power for power, unit in enumerate(("b", "kib", "mib", "gib", "tib"))},
    **{unit: 1000**power for power, unit in enumerate(("kb", "mb", "gb", "tb"), 1)},
    **{unit: 1024**power for power, unit in enumerate(("", "k", "m", "g", "t"))},
}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([a-zA-Z]*)")


def parse_size(text: str) -> int:
    """Bytes of a size as ``64KiB`` or ``10MB``; ``K``, ``M``, ``G``, ``T`` alone are powers of 1024.

    :raises ValueError: it is not a size.
    """
    match = _SIZE.fullmatch(text)
    unit = _BYTES.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError("not a size; write one like 64KiB, 10MB or a number of bytes")
    return round(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit


def show_size(count: int) -> str:
    """A size in the largest binary unit that divides it: ``65536`` is ``64KiB``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % _BYTES[unit.lower()] == 0:
            return f"{count // _BYTES[unit.lower()]}{unit}"
    return str(count)


# -- bounded kinds --------------------------------------------------------------------------------------


def _bounded(
    read: Callable[[str], Any], show: Callable[[Any], str], low: Any, high: Any
) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        value = read(text)
        if not low <= value <= high:
            raise ValueError(f"out of range; give one from {show(low)} to {show(high)}")
        return value

    return parse


def integer(low: int, high: int) -> Kind:
    """A whole number from ``low`` to ``high``."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise ValueError(f"not a whole number; give one from {low} to {high}")
        return int(text)

    return Kind("N", _bounded(read, str, low, high))


def duration(low: float = 0.0, high: float = 366 * 86400.0) -> Kind:
    """A duration in seconds, from ``low`` to ``high``."""
    return Kind("DURATION", _bounded(parse_duration, show_duration, low, high), show_duration)


def size(low: int, high: int) -> Kind:
    """A number of bytes, from ``low`` to ``high``."""
    return Kind("SIZE", _bounded(parse_size, show_size, low, high), show_size)


def choice(*names: str) -> Kind:
    """One of a few words."""

    def parse(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(f"unknown; give one of {', '.join(names)}")
        return text.lower()

    return Kind("|".join(names), parse)


# -- the other kinds ------------------------------------------------------------------------------------

_SWITCH = {
    **dict.fromkeys(("1", "t", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "f", "false", "no", "off"), False),
}


def _parse_boolean(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError("neither true nor false; give one of these two")
    return _SWITCH[text.lower()]


_LINES = choice("on", "combined", "json", "text", "off")


def _parse_access_log(text: str) -> str:
    """A format, or as when there was but one, whether to have a log at all."""
    return str(_LINES.parse(text if (on := _SWITCH.get(text.lower())) is None else ("off", "on")[on]))


def _parse_filled(text: str) -> str:
    if not text.strip():
        raise ValueError("empty; give a value or leave the setting out")
    return text


def _parse_secret_text(text: str) -> str:
    """A secret that travels in a header field: whitespace around it is a slip of copy and paste."""
    stripped = _parse_filled(text).strip()
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise ValueError("not a token; copy it whole, as `slime hub register` printed it")
    return stripped


def _matching(pattern: str, problem: str) -> Callable[[str], str]:
    """Reads text that matches a pattern, as it is."""
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(problem)
        return text

    return parse


def _parse_printable(text: str) -> str:
    """For people and log lines: no control characters."""
    if not text.isprintable():
        raise ValueError("not printable; leave out control characters")
    return _parse_filled(text).strip()


_HUB_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_HUB_PROBLEM = "not a hub's address; write one like hub.example.org:8080 or https://hub.example.org"

#: What DNS can have, or an IPv6 address.
_HOST_NAME = re.compile(r"(?!.{254})([\w-]{1,63}\.)*[\w-]{1,63}\.?|[0-9a-f:.]*:[0-9a-f:.]*(%.+)?", re.ASCII)


def _split_address(text: str, schemes: Container[str], problem: str) -> SplitResult:
    """A host, with a port or not, or a URL of one of these schemes, without query and fragment."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        good = url.scheme in schemes and url.port != 0 and not (url.query or url.fragment)
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", text) or not _HOST_NAME.fullmatch(url.hostname or ""):
        raise ValueError(problem)
    return url


def _parse_hub_address(text: str) -> str:
    """``host``, ``host:port`` or an ``http(s)://`` or ``ws(s)://`` URL, as the URL that agents dial."""
    url = _split_address(text, _HUB_SCHEMES, _HUB_PROBLEM)
    if "@" in url.netloc or not url.hostname:
        raise ValueError(_HUB_PROBLEM)
    port = "" if url.port is None else f":{url.port}"
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    path = url.path.rstrip("/").removesuffix(TUNNEL_PATH)
    return f"{_HUB_SCHEMES[url.scheme]}://{host}{port}{path}{TUNNEL_PATH}"


_PROXY_PROBLEM = "not an HTTP proxy; write one like http://user:password@proxy.example.org:3128"


def _parse_proxy(text: str) -> str:
    """``host:port`` or a URL, as a URL; it may be one with credentials."""
    url = _split_address(text, ("http", "https"), _PROXY_PROBLEM)
    if url.path not in ("", "/"):
        raise ValueError(_PROXY_PROBLEM)
    return f"{url.scheme}://{url.netloc}"


def _parse_network(text: str) -> str:
    """An address, or a network of them by its prefix, or ``unix`` for whoever comes by a UNIX socket."""
    if text.lower() == "unix":
        return "unix"
    try:
        return str(ip_network(text))
    except ValueError as error:
        why = " (it has bits set behind its prefix)" if "host bits" in str(error) else ""
        raise ValueError(f"not a network{why}; write one like 10.0.0.0/8, 192.0.2.7 or fd00::/8") from None


def _split_words(text: str) -> list[str]:
    return text.replace(",", " ").split()


_ADMIN_PROBLEM = "not where an admin site is; write http://127.0.0.1:8081, or what the hub's own --admin says"
_ADMIN_ENDPOINT = re.compile(r"(tcp|tcp4|tcp6|ssl):(?:port=)?([0-9]{1,5})((?::(?:[^:\\]|\\.)*)*)")
_INTERFACE = re.compile(r":interface=((?:[^:\\]|\\.)*)")
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def _parse_admin_address(text: str) -> str:
    """A URL, ``host:port``, or an endpoint that a hub listens on, as ``http(s)://host:port`` or ``unix:PATH``."""
    if text.lower() == "off":
        raise ValueError("what a hub without an admin site is told; such a hub cannot be asked")
    if text.startswith("unix:"):
        # As the hub takes it: there nobody expands a tilde.
        return f"unix:{_parse_printable(text.split(':')[1].removeprefix('address='))}"
    endpoint = _ADMIN_ENDPOINT.fullmatch(text)
    if endpoint is not None:
        interface = _INTERFACE.search(endpoint[3])
        host = interface[1].replace("\\:", ":") if interface else ""
        host = _EVERYWHERE.get(host, host)
        text = f"http{'s' * (endpoint[1] == 'ssl')}://{f'[{host}]' if ':' in host else host}:{endpoint[2]}"
    return _admin_url(text)


def _admin_url(text: str) -> str:
    url = _split_address(text, ("http", "https"), _ADMIN_PROBLEM)
    if "@" in url.netloc or url.path not in ("", "/"):
        raise ValueError(_ADMIN_PROBLEM)
    if "://" not in text and url.port is None:
        raise ValueError("a host without a port; write one like localhost:8081, or a URL")
    return f"{url.scheme}://{url.netloc}"


def _split_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _encode(text: str) -> bytes:
    # Bytes of the command line that are not UTF-8 arrive as surrogates and leave as they came.
    return _parse_filled(text).encode("utf-8", "surrogateescape")


def _parse_target(text: str) -> str:
    if not re.fullmatch(r"/[!-\"$-~]*", text):
        raise ValueError("no path of a URL; write one like /health")
    return text


def _parse_path(text: str) -> Path:
    # What is no UTF-8 in a file's name stands as surrogates, of which these stand for nothing.
    if re.search("[\0-\x1f\x7f\x85\u2028\u2029\ud800-\udc7f\udd00-\udfff]", text):
        raise ValueError("not a path; leave out control characters")
    # Path.expanduser would raise where there is no such home.
    return Path(os.path.expanduser(_parse_filled(text)))


_parse_endpoint = _matching(
    r"[a-zA-Z][\w+.-]*:.+", "not a Twisted endpoint; write one like tcp:8080:interface=127.0.0.1"
)


def _parse_endpoint_or_off(text: str) -> str | None:
    return None if text.lower() in ("off", "none", "false", "no", "0") else _parse_endpoint(text)


_parse_upstream = _matching(r"[!-~]+", "not an upstream's address; write one like localhost:8000")
_parse_agent_id = _matching(
    r"[A-Za-z0-9_.-]{1,64}", "not an agent id; use at most 64 letters, digits, dots, dashes and underscores"
)
_parse_scope_path = _matching(
    r"/([!-)+-~]*|([!-)+-~]*/)?\*)", "not a scope path; write one like /v1/models or /v1/*"
)

_parse_protocol = _matching(
    r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?", "not a protocol; write one like tcp or foo/2"
)
_parse_no_proxy = _matching(
    r"[A-Za-z0-9_.:/*\[\]-]+", "not a host; write one like example.org, 192.0.2.7, 10.0.0.0/8 or *"
)
_parse_host = _matching(r"[A-Za-z0-9_.:%\[\]-]{1,255}", "not an address; write one like 127.0.0.1 or ::1")

TEXT = Kind("TEXT", _parse_printable)
HOST = Kind("HOST", _parse_host)
BOOLEAN = Kind("", _parse_boolean, lambda value: str(value).lower(), bare="true")
ACCESS_LOG = Kind(_LINES.metavar, _parse_access_log, bare="on")
PATH = Kind("PATH", _parse_path)
TARGET = Kind("PATH", _parse_target)
NAMES = Kind("A,B,…", _parse_printable, ",".join, _split_commas)
PROTOCOLS = Kind("A,B,…", _parse_protocol, ",".join, _split_commas)
SCOPE_PATHS = Kind("/A,/B/*,…", lambda text: _parse_scope_path(f"/{text.removeprefix('/')}"), ",".join, _split_commas)
UPSTREAMS = Kind("ADDRESS,…", _parse_upstream, ",".join, _split_commas, private=True)
PROXY = Kind("URL", _parse_proxy, private=True)
NO_PROXY = Kind("HOST,…", _parse_no_proxy, ",".join, _split_words)
NETWORKS = Kind("NETWORK,…", _parse_network, ",".join, _split_words)
ENDPOINTS = Kind("ENDPOINT", _parse_endpoint, " ".join, str.split)
ENDPOINT_OR_OFF = Kind("ENDPOINT", _parse_endpoint_or_off, lambda value: value or "off")
ADMIN_ADDRESS = Kind("ADDRESS", _parse_admin_address)
AGENT_ID = Kind("ID", _parse_agent_id)
HUB_ADDRESS = Kind("ADDRESS", _parse_hub_address)
SECRET_BYTES = Kind("SECRET", _encode, private=True)
SECRET_TEXT = Kind("TOKEN", _parse_secret_text, private=True)
