"""What the hub has done since it began: plain numbers, for the admin site and Prometheus to read.

:meth:`Observer.finished` is on the path of every exchange, so it does no more than add to numbers that are there
already: about 2 µs. Everything else (names, labels, quantiles, text) is made when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from slime.hub.answers import Answered
    from slime.hub.exchange import Exchange
    from slime.hub.links import HubLink
    from slime.hub.roster import AgentLink

__all__ = ["BOUNDS", "Happening", "Histogram", "Observer", "failures", "quantile"]

_SERIES = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
#: Upper bounds of a histogram's classes in seconds, ten for each power of ten: 0.1 ms to 1000 s, and beyond.
BOUNDS = (*(float(f"{step}e{power}") for power in range(-4, 3) for step in _SERIES), 1000.0)
#: Happenings that are remembered.
REMEMBERED = 100


class Histogram:
    """How often a duration was how long.

    :ivar counts: for each of :data:`BOUNDS`, and for what is beyond, how many were in this class.
    :ivar total: the sum of all durations, in seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The duration that ``share`` of all those counted did not exceed, interpolated; ``None`` if there are none.

    :param counts: as of a :class:`Histogram`, or the difference of two such.
    """
    wanted = share * sum(counts)
    below = 0
    for index, count in enumerate(counts):
        if count and below + count >= wanted:
            low = BOUNDS[index - 1] if index else 0.0
            high = BOUNDS[min(index, len(BOUNDS) - 1)]
            return low + (high - low) * max(0.0, wanted - below) / count
        below += count
    return None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something worth a line in the page's journal.

    :ivar at: when, in seconds since the epoch.
    :ivar kind: ``joined``, ``left``, ``drained``, ``undrained``, ``disconnected``, ``revoked`` or ``restored``.
    :ivar agent: the name of the agent concerned, if any.
    :ivar key: its key, if any.
    :ivar detail: why, or what else there is to say.
    """

    at: float
    kind: str
    agent: str = ""
    key: str = ""
    detail: str = ""


class Observer:
    """Counts; told by the pool and by the site. Each number only ever grows.

    :param wall_clock: seconds since the epoch.
    :ivar exchanges: how many ended, by outcome and hundreds of the status (0: no answer was begun).
    :ivar refused: requests that never became exchanges, by the slug of the error.
    :ivar wait: seconds from arrival until the upstream began, or until the exchange was given up while it waited.
    :ivar run: seconds from the upstream's beginning to the end.
    :ivar first_byte: seconds from arrival to the head of the answer.
    :ivar bytes_in: bytes of request bodies.
    :ivar bytes_out: bytes of answers' bodies.
    :ivar requeues: how often an exchange was given to another agent after a loss or a refusal.
    :ivar returns: how often an agent gave back an exchange that it held.
    :ivar joined_at: when each agent that is linked did so, in seconds since the epoch, by key.
    :ivar joins: links that were established.
    :ivar leaves: links that ended.
    :ivar journal: the latest happenings, the oldest first.
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self.exchanges: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.refused: defaultdict[str, int] = defaultdict(int)
        self.wait, self.run, self.first_byte = Histogram(), Histogram(), Histogram()
        self.bytes_in = self.bytes_out = 0
        self.requeues = self.returns = 0
        self.joined_at: dict[str, float] = {}
        self.joins = self.leaves = 0
        self.journal: deque[Happening] = deque(maxlen=REMEMBERED)
        self.wall_clock = wall_clock

    def finished(self, exchange: Exchange) -> None:
        """The pool is done with an exchange."""
        self.exchanges[exchange.outcome, exchange.status // 100] += 1
        arrived, started = exchange.queued_at, exchange.started_at
        if started:
            self.wait.add(started - arrived)
            self.run.add(exchange.finished_at - started)
            if exchange.answered_at:
                self.first_byte.add(exchange.answered_at - arrived)
        elif exchange.wishes.block:
            self.wait.add(exchange.finished_at - arrived)
        self.bytes_in += exchange.bytes_in
        self.bytes_out += exchange.request.answer_bytes
        if exchange.requeues or exchange.returns:
            self.requeues += exchange.requeues
            self.returns += exchange.returns

    def answered(self, answered: Answered) -> None:
        """The site answered a request by itself, before it became an exchange."""
        self.refused[answered.outcome] += 1

    def joined(self, link: AgentLink) -> None:
        """An agent has linked."""
        self.joins += 1
        self.joined_at[link.key] = self.wall_clock()
        self.happened("joined", link, cast("HubLink", link).address)

    def left(self, link: AgentLink) -> None:
        """A link is gone."""
        self.leaves += 1
        self.joined_at.pop(link.key, None)
        self.happened("left", link, cast("HubLink", link).ended)

    def happened(self, kind: str, link: AgentLink | None = None, detail: str = "") -> None:
        """Write something into the journal."""
        agent, key = (link.agent_name, link.key) if link is not None else ("", "")
        self.journal.append(Happening(self.wall_clock(), kind, agent, key, detail))


def failures(exchanges: dict[tuple[str, int], int]) -> int:
    """How many exchanges were not answered as an application would wish: the hub's errors and upstreams' own 5xx."""
    return sum(
        count
        for (outcome, hundreds), count in exchanges.items()
        if outcome not in ("ok", "left") or (outcome == "ok" and hundreds == 5)
    )


