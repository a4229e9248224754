"""Connections that have not shown yet whom they belong to, counted by address. Pure.

Whoever is in front of the hub can open connections. One that has asked something of it that it may ask (with the
application password, if there is one), or has become an agent's link, is no stranger's any more, and does not count:
behind one address there may be an office, a gateway with thousands of connections, or a hundred agents. A proxy that is
trusted brings everybody, as a UNIX socket does, so neither counts.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from slime.http.route import TrustedProxies, canonical_address

__all__ = ["Strangers", "household"]

#: What one who has IPv6 has at least (RFC 6177 section 2), in bits.
PREFIX = 64


@lru_cache(4096)
def household(host: str) -> str:
    """Whose address it is, as far as that can be said: an IPv4 address, an IPv6 network, or nobody's (empty)."""
    text = canonical_address(host)
    if text is None:
        return ""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        bits = address.max_prefixlen - PREFIX
        return f"{IPv6Address(int(address) >> bits << bits)}/{PREFIX}"
    return text


class Strangers:
    """Counts them.

    :param limit: how many may be open from one address; 0 is no limit.
    :param proxies: whose connections do not count.
    """

    def __init__(self, limit: int, proxies: TrustedProxies) -> None:
        self._limit = limit
        self._proxies = proxies
        self._open: Counter[str] = Counter()

    def come(self, address: Any) -> str | None:
        """A connection is made.

        :param address: its other end's, as Twisted has it.
        :returns: what to tell :meth:`gone`, empty if the connection does not count; ``None`` when it is one too many.
        """
        host = getattr(address, "host", None)
        if not self._limit or host is None or self._proxies.include_sender(canonical_address(host) or ""):
            return ""
        name = household(host)
        if self._open[name] >= self._limit:
            return None
        self._open[name] += 1
        return name

    def gone(self, name: str) -> None:
        """One that :meth:`come` gave this name for is closed, or no stranger's any more."""
        self._open[name] -= 1
        if not self._open[name]:
            del self._open[name]
