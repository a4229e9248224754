"""What happens in a hub, told to the program that embeds it, as values.

Pass a function as ``on_event`` to :func:`slime.hub.service.build_hub`. It is called with one of the classes below, in
the order in which things happened, in a turn of the reactor of its own: so it may do with the hub whatever it likes.
An exception in it is logged and does no harm. The reactor waits for it, and all requests with it, so it should be
quick.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from slime.hub.info import AgentInfo, ExchangeInfo

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from slime.hub.exchange import Exchange
    from slime.hub.roster import AgentLink

__all__ = ["AgentJoined", "AgentLeft", "ExchangeBegan", "ExchangeEnded", "Herald", "HubEvent"]


@dataclass(frozen=True, slots=True)
class AgentJoined:
    """An agent has linked."""

    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class AgentLeft:
    """An agent's link is gone.

    :ivar agent: as it was when it joined.
    :ivar reason: why, for people.
    """

    agent: AgentInfo
    reason: str


@dataclass(frozen=True, slots=True)
class ExchangeBegan:
    """A request has come that is to be passed on: its head is complete, and it may come in."""

    exchange: ExchangeInfo


@dataclass(frozen=True, slots=True)
class ExchangeEnded:
    """It is over, for good or ill. Each that began ends once."""

    exchange: ExchangeInfo


HubEvent = AgentJoined | AgentLeft | ExchangeBegan | ExchangeEnded


class Herald:
    """Knows who is linked, and tells what happens. The pool and the gateway call it, about exchanges only if somebody
    wants to know.

    :param tell: gets each event; ``None`` if nobody wants to know.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, tell: Callable[[HubEvent], object] | None = None) -> None:
        self._clock = clock
        self._tell = tell
        self._numbers = count(1)
        self._linked: dict[AgentLink, AgentInfo] = {}
        self._untold: deque[HubEvent] = deque()

    @property
    def agents(self) -> list[AgentInfo]:
        """Those that are linked, in the order in which they came."""
        return list(self._linked.values())

    def joined(self, link: AgentLink) -> None:
        """An agent has linked."""
        agent = self._linked[link] = AgentInfo.of(link, next(self._numbers))
        self._happened(AgentJoined, agent)

    def left(self, link: AgentLink) -> None:
        """Its link is gone."""
        known: Any = link
        self._happened(AgentLeft, self._linked.pop(link), known.ended)

    def began(self, exchange: Exchange) -> None:
        """The gateway has made an exchange."""
        self._happened(ExchangeBegan, ExchangeInfo.of(exchange))

    def ended(self, exchange: Exchange) -> None:
        """The pool is done with it."""
        self._happened(ExchangeEnded, ExchangeInfo.of(exchange))

    def _happened(self, kind: Callable[..., HubEvent], *about: object) -> None:
        if self._tell is None:
            return
        if not self._untold:
            self._clock.callLater(0, self._deliver)
        self._untold.append(kind(*about))

    def _deliver(self) -> None:
        untold, self._untold = self._untold, deque()
        for event in untold:
            try:
                self._tell(event)  # type: ignore[misc]  # nothing is kept for nobody
            except Exception:
                self._log.failure("what was to be told of {event} raised", event=type(event).__name__)
