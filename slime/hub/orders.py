"""What an application orders by the head of a request.

All of it follows from the head alone, so it is concluded once for a head that is remembered
(:mod:`slime.http.known`), however often that comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slime.errors import BadMessage, ErrorCode
from slime.http.forwarding import UpstreamParts, upstream_fields, upstream_parts
from slime.http.head import RequestHead, serialise_request_head
from slime.hub.hops import COUNTED
from slime.hub.terms import Wishes
from slime.record import record
from slime.values import parse_duration

if TYPE_CHECKING:
    from slime.http.forwarding import Peer
    from slime.http.known import KnownHead

__all__ = ["Order", "read_order"]

_NO = frozenset({b"", b"0", b"false", b"no", b"off"})


@record
class Order:
    """What a head says.

    :ivar wishes: what is asked of the hub.
    :ivar parts: what is passed on whoever sent it; ``None`` where that is not so simple, or not worth while.
    """

    wishes: Wishes
    parts: UpstreamParts | None

    def text(self, head: RequestHead, peer: Peer, request_id: bytes) -> bytes:
        """The head that an agent is given, empty line included.

        :param head: that which this order was read from, as it goes on from here.
        """
        if self.parts is not None and peer.route is None:
            return self.parts.whole(peer, request_id)
        fields = upstream_fields(head, peer, request_id)
        return serialise_request_head(RequestHead(head.method, head.target, b"1.1", fields))


def read_order(head: KnownHead, peer: Peer, patience: float) -> Order:
    """What a head says that came from ``peer``, and may come from others.

    :param patience: the hub's own limit, in seconds; ``Slime-Timeout`` may only shorten it.
    :raises BadMessage: a value makes no sense.
    """
    wishes = _read_wishes(head, patience)
    in_parts = head.meaning.remembered and peer.route is None and head.method not in COUNTED
    return Order(wishes, upstream_parts(head) if in_parts else None)


def _read_wishes(head: RequestHead, patience: float) -> Wishes:
    """What the ``Slime-*`` fields ask for."""
    block = retry = False
    scope: str | None = None
    for name, value in head.fields:
        if name[:6].lower() != b"slime-":
            continue
        field = name.lower()
        if field == b"slime-block":
            block = value.lower() not in _NO
        elif field == b"slime-retry":
            retry = value.lower() not in _NO
        elif field == b"slime-scope":
            scope = value.decode("latin-1") or None
        elif field == b"slime-timeout":
            patience = min(patience, _seconds(value))
    return Wishes(block, patience, retry, scope)


def _seconds(value: bytes) -> float:
    try:
        return parse_duration(value.decode("latin-1"))
    except ValueError:
        raise BadMessage(
            ErrorCode.BAD_REQUEST, "Slime-Timeout takes seconds or a duration such as 90s or 1h2m3s"
        ) from None
