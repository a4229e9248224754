"""Every linked agent: who has come, who is about to go, and who is to get nothing new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from slime.hub.exchange import StreamLink
from slime.hub.seats import Decision, Rights, Seat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.defer import Deferred

    from slime.hub.dispatch import Dispatcher

__all__ = ["AgentLink", "LinkWatcher", "Roster"]


class AgentLink(StreamLink, Protocol):
    """What the pool needs of a link.

    :ivar key: whose it is.
    :ivar prefetch: requests the agent holds in advance at most.
    """

    key: str
    prefetch: int

    @property
    def rtt(self) -> float | None:
        """The round trip in seconds, if it has been measured."""

    def fence(self) -> None:
        """A newer link of the same agent has come: end this one at once."""

    def drain(self) -> None:
        """Tell the agent that the hub takes its leave."""

    def end(self) -> None:
        """Close the link in good order."""

    def when_gone(self) -> Deferred[None]:
        """Fires when the connection is closed."""


class LinkWatcher(Protocol):
    """Somebody who wants to know who comes and goes."""

    def joined(self, link: AgentLink) -> None:
        """An agent has linked."""

    def left(self, link: AgentLink) -> None:
        """Its link is gone, or another one of the same agent has taken its place."""


class Roster:
    """The agents, as seats of the dispatcher.

    :param dispatcher: is told of every change.
    :param prefetch: requests that an agent may hold in advance for each of its slots, at most.
    :param watcher: is told who comes and goes.
    """

    def __init__(self, dispatcher: Dispatcher, prefetch: int, watcher: LinkWatcher | None) -> None:
        self._dispatcher = dispatcher
        self._prefetch = prefetch
        self._watcher = watcher
        self._seats: dict[str, Seat] = {}
        self._departing: dict[AgentLink, Seat] = {}
        self._drained: set[str] = set()

    def _perform(self, decisions: Iterable[Decision]) -> None:
        """Do what the dispatcher has decided; whoever has the exchanges can."""
        raise NotImplementedError

    def join(self, link: AgentLink, rights: Rights, slots: int) -> None:
        """An agent has linked. A link that the same agent had before is dead, whether it knows or not."""
        former = self._seats.get(link.key)
        if former is not None:
            former.owner.fence()
        seat = self._seats[link.key] = Seat(link, rights, slots, min(self._prefetch, link.prefetch))
        seat.drained = link.key in self._drained
        seat.slots = 0 if seat.drained else slots
        if self._watcher is not None:
            self._watcher.joined(link)
        self._perform(self._dispatcher.join(seat))

    def leave(self, link: AgentLink) -> None:
        """The link is gone. Its exchanges hear of it from the link."""
        seat = self._departing.pop(link, None) or self._seat_of(link)
        if seat is None:
            return
        if self._seats.get(link.key) is seat:
            del self._seats[link.key]
        self._dispatcher.leave(seat)
        if self._watcher is not None:
            self._watcher.left(link)

    def depart(self, link: AgentLink) -> None:
        """The agent is about to stop. What runs there, runs on, even if another one comes with its name."""
        seat = self._seat_of(link)
        if seat is not None:
            self.resize(link, 0)
            self._departing[link] = self._seats.pop(link.key)

    def _seat_of(self, link: AgentLink) -> Seat | None:
        seat = self._seats.get(link.key)
        return seat if seat is not None and seat.owner is link else None

    def resize(self, link: AgentLink, slots: int) -> None:
        """The agent has so many slots now."""
        seat = self._seat_of(link)
        if seat is not None:
            seat.offered = slots
            self._perform(self._dispatcher.resize(seat, 0 if seat.drained else slots))

    def drain_agent(self, key: str) -> bool:
        """Give this agent nothing new until :meth:`undrain_agent`, even if it links anew; what runs there runs on.

        :returns: whether there is such an agent.
        """
        seat = self._seats.get(key)
        if seat is None:
            return False
        self._drained.add(key)
        seat.drained = True
        self._perform([*self._dispatcher.resize(seat, 0), *self._dispatcher.recall(seat)])
        return True

    def undrain_agent(self, key: str) -> bool:
        """The agent may work again.

        :returns: whether there is such an agent, or one that was drained and is gone.
        """
        known = key in self._drained
        self._drained.discard(key)
        seat = self._seats.get(key)
        if seat is not None and seat.drained:
            seat.drained = False
            self._perform(self._dispatcher.resize(seat, seat.offered))
        return known or seat is not None

    @property
    def seats(self) -> list[Seat]:
        """All agents that are linked, as the dispatcher sees them; the owner of each is its link."""
        return [*self._seats.values(), *self._departing.values()]

    @property
    def links(self) -> list[AgentLink]:
        """All links that are up."""
        return [seat.owner for seat in self.seats]
