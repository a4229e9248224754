"""Who may ask the admin site for something. Pure.

With a token, whoever has it may, from everywhere. Without one the site listens on this machine only, and everybody
who is on it may; but a web page that is open in a browser on it is not, though its requests come from here. So then

* the host that is asked for must be this machine by name or address: a page of another name, whose owner has pointed
  that name here, sends its own (DNS rebinding);
* what changes something must carry a field that a page of another origin cannot send without being allowed to first
  (the Fetch standard's preflight), and this site allows nobody.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass
from typing import Protocol

from slime.hub.admin.replies import problem

__all__ = ["INTENT", "Guard", "Knock", "is_local_endpoint"]

#: The field that a change needs when there is no token.
INTENT = "slime-admin"

_SAFE = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::[0-9]+)?")


class Knock(Protocol):
    """What the guard wants to know of a request."""

    @property
    def verb(self) -> str:
        """The method."""

    def field(self, name: str) -> str | None:
        """The value of a field of the request's head; ``None`` unless there is exactly one."""


@dataclass(frozen=True)
class Guard:
    """Lets requests in.

    :ivar token: what they have to bring; ``None`` where the endpoint alone keeps strangers away.
    """

    token: bytes | None = None

    def admit(self, knock: Knock) -> None:
        """Return, or raise.

        :raises Refused: with what to answer.
        """
        if self.token is None:
            self._admit_neighbour(knock)
        else:
            self._check_token(knock, self.token)

    def _check_token(self, knock: Knock, token: bytes) -> None:
        scheme, _, given = (knock.field("authorization") or "").partition(" ")
        offered = given.strip().encode("latin-1", "replace")
        if scheme.lower() != "bearer" or not hmac.compare_digest(offered, token):
            raise problem(401, "the admin token is needed", ("WWW-Authenticate", 'Bearer realm="slime admin"'))

    def _admit_neighbour(self, knock: Knock) -> None:
        if not _is_local_host(knock.field("host") or ""):
            raise problem(403, "without --admin-token this site answers to the names of this machine only")
        if knock.field("sec-fetch-site") in ("cross-site", "same-site"):
            raise problem(403, "this site is not for other sites' pages")
        if knock.verb not in _SAFE and not knock.field(INTENT):
            raise problem(403, "what changes something needs the field Slime-Admin: 1")


def _is_local_host(host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1].lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name.strip("[]"))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_local_endpoint(description: str) -> bool:
    """Can only this machine reach what listens on this endpoint? In doubt it says no.

    :param description: as :func:`twisted.internet.endpoints.serverFromString` takes it.
    """
    kind, *arguments = re.split(r"(?<!\\):", description)
    if kind == "unix":
        return True
    interfaces = [argument.partition("=")[2] for argument in arguments if argument.startswith("interface=")]
    if kind not in ("tcp", "tcp4", "tcp6", "ssl") or len(interfaces) != 1:
        return False
    return interfaces[0] == "localhost" or _is_loopback(interfaces[0].replace("\\:", ":"))
