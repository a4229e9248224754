"""The hub as plain data: what the admin site's answers are made of. Reads, and changes nothing.

Moments are seconds since the epoch, durations seconds, sizes bytes. Names, paths and hardware come from strangers:
they are bounded (:mod:`slime.hub.info`), and whoever shows them has to escape them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import slime
from slime.hub.exchange import Exchange, Stage
from slime.hub.history import STEP, History, Use
from slime.hub.info import TEXT_SHOWN, address_text, bounded, phase_of
from slime.hub.observe import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from slime.hub.links import HubLink
    from slime.hub.pool import AgentPool
    from slime.hub.seats import Seat
    from slime.hub.site import GatewaySite

__all__ = ["Hub", "View"]

#: Exchanges that are shown with their agent.
WORK_SHOWN = 4
#: Agents that are looked at before the reactor gets its turn, where somebody asks all the time: some milliseconds.
PIECE = 25

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hub:
    """What the admin site looks at.

    :ivar seconds: the reactor's clock.
    """

    pool: AgentPool
    site: GatewaySite
    observer: Observer
    history: History
    seconds: Callable[[], float]


class View:
    """Answers questions about a hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._pool = hub.pool
        self._observer = hub.observer
        self._began = hub.observer.wall_clock()
        self._epoch = round(self._began - hub.seconds(), 3)
        self._about: WeakKeyDictionary[HubLink, Data] = WeakKeyDictionary()

    def status(self) -> Data:
        """The hub in a few numbers."""
        pool, use, now = self._pool, Use.of(self._pool), self._hub.history.now()
        return {
            "now": self.now(),
            "version": slime.__version__,
            "started_at": _moment(self._began),
            "state": "draining" if pool.draining else "running",
            "agents": len(pool.seats),
            "connections": len(self._hub.site.connections),
            "slots": {"free": use.free, "busy": use.busy, "drained": use.drained, "held": use.held},
            "queue": self._queue_in_short(),
            "in_progress": len(pool.exchanges),
            "lately": {
                "seconds": STEP,
                "rate": round(now.rate, 3),
                "failed": round(now.failed, 3),
                "first_byte_p50": now.first_byte_p50,
                "first_byte_p95": now.first_byte_p95,
                "lag": round(now.lag, 6),
            },
        }

    def _queue_in_short(self) -> Data:
        oldest = self._pool.oldest_waiting
        return {
            "length": self._pool.waiting,
            "limit": self._pool.limits.max_queue,
            "head_queued_at": None if oldest is None else self._wall(oldest.queued_at),
            "head_age": None if oldest is None else round(self._hub.seconds() - oldest.queued_at, 3),
        }

    def agents(self) -> list[Data]:
        """All agents, by name."""
        return sorted((agent for piece in self.agents_piecewise() for agent in piece), key=_name_and_key)

    def agents_piecewise(self) -> Iterator[list[Data]]:
        """All agents, in no order, some at a time; those that come or go meanwhile may be among them or not."""
        seats = self._pool.seats
        for begin in range(0, len(seats), PIECE):
            yield list(map(self._agent, seats[begin : begin + PIECE]))

    def _agent(self, seat: Seat) -> Data:
        link = cast("HubLink", seat.owner)
        about = self._about.get(link)
        if about is None:
            about = self._about[link] = self._what_stays(link)
        busy = min(len(seat.tickets), seat.offered)
        return {
            **about,
            "state": _state(seat, busy),
            "slots": {"offered": seat.offered, "busy": busy, "held": len(seat.tickets) - busy},
            "served": seat.served,
            "rtt": _rounded(link.rtt),
            "service_time": _rounded(seat.service_time),
            "work": [self._work(ticket.owner) for ticket in islice(seat.tickets, WORK_SHOWN)],
        }

    def _what_stays(self, link: HubLink) -> Data:
        hello, claims = link.hello, link.claims
        return {
            "key": link.key,
            "name": link.agent_name,
            "agent_id": link.agent_id,
            "token_id": claims.token_id,
            "token_expires_at": claims.expires,
            "scopes": list(claims.scopes),
            "scope_paths": list(claims.scope_paths),
            "address": link.address,
            "joined_at": _moment(self._observer.joined_at.get(link.key, 0.0)),
            "software": hello.software if hello else "",
            "upstream": hello.upstream if hello else "",
            "hardware": bounded(hello.hardware) if hello else {},
        }

    def exchanges(self, limit: int) -> Data:
        """The exchanges in progress that have been here longest."""
        everything = self._pool.exchanges
        return {"now": self.now(), "total": len(everything), "exchanges": self._oldest(everything, limit)}

    def queue(self, limit: int) -> Data:
        """The exchanges that wait at the hub, by age."""
        waiting = [one for one in self._pool.exchanges if one.stage is Stage.WAITING]
        return {"now": self.now(), **self._queue_in_short(), "waiting": self._oldest(waiting, limit)}

    def _oldest(self, exchanges: Iterable[Exchange], limit: int) -> list[Data]:
        return list(map(self._exchange, heapq.nsmallest(limit, exchanges, key=_arrival)))

    def _work(self, exchange: Exchange) -> Data:
        request = exchange.request
        return {
            "id": exchange.request_id.decode("ascii"),
            "method": request.head.method.decode("ascii")[:32],
            "path": request.path[:TEXT_SHOWN].decode("ascii"),
            "phase": phase_of(exchange),
            "queued_at": self._wall(exchange.queued_at),
            "started_at": self._wall(exchange.started_at),
        }

    def _exchange(self, exchange: Exchange) -> Data:
        request, link = exchange.request, exchange.link
        return {
            **self._work(exchange),
            "application": address_text(request.client),
            "agent": None if link is None else link.agent_name,
            "agent_key": None if link is None else cast("HubLink", link).key,
            "answered_at": self._wall(exchange.answered_at),
            "age": round(self._hub.seconds() - exchange.queued_at, 3),
            "bytes_in": exchange.bytes_in,
            "bytes_out": request.answer_bytes,
            "requeues": exchange.requeues,
        }

    def history(self) -> Data:
        """The last hour as columns."""
        return {"now": self.now(), "step": STEP, "points": self._hub.history.columns()}

    def points_since(self, moment: float) -> Data:
        """The columns of the points made after ``moment``."""
        history = self._hub.history
        return history.columns([point for point in history.points if point.at > moment])

    def journal(self) -> Data:
        """What has happened lately, the latest first."""
        return {"now": self.now(), "happenings": [asdict(one) for one in reversed(self._observer.journal)]}

    def now(self) -> float:
        """Seconds since the epoch."""
        return _moment(self._observer.wall_clock())

    def _wall(self, moment: float) -> float | None:
        """The epoch's reckoning of a moment by the reactor's clock."""
        if not moment:
            return None
        return _moment(self._epoch + moment)


def _state(seat: Seat, busy: int) -> str:
    if seat.drained:
        return "draining" if seat.tickets else "drained"
    if not seat.offered:
        return "paused"
    return "idle" if not busy else "working" if busy < seat.offered else "busy"


def _arrival(exchange: Exchange) -> float:
    return exchange.queued_at


def _name_and_key(agent: Data) -> tuple[str, str]:
    return agent["name"], agent["key"]


def _moment(seconds: float) -> float:
    return round(seconds, 3)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
