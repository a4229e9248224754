"""The hub's numbers for Prometheus, made when it asks.

Labels have few values, whatever agents and applications do: outcomes are those of :mod:`slime.errors`, agents are
counted and not named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from statistics import median
from typing import TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import slime
from slime.errors import ErrorCode
from slime.hub.admin.replies import Reply
from slime.hub.admin.view import Hub
from slime.hub.history import Use
from slime.hub.info import phase_of
from slime.hub.observe import BOUNDS, Histogram

__all__ = ["Metrics"]

#: Which of the bounds are shown: 1, 2.5 and 5 of each power of ten.
SHOWN = tuple(index for index in range(len(BOUNDS)) if index % 10 in (0, 4, 7))
PHASES = ("waiting", "sent", "running", "answering", "ending")
OUTCOMES = ("ok", "left", *(code.slug for code in ErrorCode))
#: There from the beginning, because a rate needs a first value.
_OK, _BAD = ("ok", 2), ErrorCode.BAD_REQUEST.slug

_Counted = TypeVar("_Counted")
_Label = TypeVar("_Label")


class Metrics:
    """Answers ``/metrics``."""

    def __init__(self, hub: Hub) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(HubCollector(hub))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def reply(self, accept: str) -> Reply:
        """All numbers, in the format that is preferred.

        :param accept: the request's field of this name.
        """
        encode, content_type = choose_encoder(accept)
        return Reply(200, content_type, encode(self._registry))


class HubCollector(Collector):
    """Turns what was counted into metrics."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Called for each scrape."""
        yield from self._ended()
        yield from self._durations()
        yield from self._now()
        yield from self._agents()
        yield from self._sent_ahead()
        yield _gauge("hub_info", "What this hub is; always 1.", 1, version=slime.__version__)

    def _ended(self) -> Iterator[Metric]:
        observer = self._hub.observer
        ended = CounterMetricFamily(
            "slime_exchanges", "Requests of applications that are over, by how they ended.", labels=["outcome", "code"]
        )
        for labels, count in _by_label({_OK: 0, **observer.exchanges}, _ending).items():
            ended.add_metric(labels, count)
        yield ended
        refused = CounterMetricFamily(
            "slime_refused_requests", "Requests that were answered before they became exchanges.", labels=["error"]
        )
        for error, count in _by_label({_BAD: 0, **observer.refused}, _known).items():
            refused.add_metric([error], count)
        yield refused
        yield _counter("request_body_bytes", "Bytes of request bodies.", observer.bytes_in)
        yield _counter("response_body_bytes", "Bytes of answers' bodies.", observer.bytes_out)
        yield _counter("requeues", "Exchanges given to another agent after a loss or refusal.", observer.requeues)

    def _durations(self) -> Iterator[Metric]:
        observer = self._hub.observer
        yield _histogram(
            "exchange_wait_seconds", "From arrival until the upstream began, or until it was given up.", observer.wait
        )
        yield _histogram("exchange_run_seconds", "From the upstream's beginning to the end.", observer.run)
        yield _histogram(
            "exchange_first_byte_seconds", "From arrival to the head of the answer.", observer.first_byte
        )

    def _now(self) -> Iterator[Metric]:
        hub, pool = self._hub, self._hub.pool
        phases = Counter(map(phase_of, pool.exchanges))
        yield _gauges("exchanges_in_progress", "Exchanges in the hub.", "phase", {one: phases[one] for one in PHASES})
        oldest = pool.oldest_waiting
        age = 0.0 if oldest is None else hub.seconds() - oldest.queued_at
        yield _gauge("queue_length", "Exchanges that wait for a slot or for admission.", pool.waiting)
        yield _gauge("queue_limit", "How many may (--max-queue).", pool.limits.max_queue)
        yield _gauge("queue_head_age_seconds", "How long the first of them has waited.", age)
        yield _gauge("connections", "Open connections of applications.", len(hub.site.connections))
        yield _gauge("draining", "Does the hub take nothing new, because it stops?", float(pool.draining))
        yield _gauge("reactor_lag_seconds", "How late the reactor was, at most, lately.", hub.history.now().lag)

    def _agents(self) -> Iterator[Metric]:
        pool, observer = self._hub.pool, self._hub.observer
        use = Use.of(pool)
        slots = {"free": use.free, "busy": use.busy, "drained": use.drained}
        yield _gauges("slots", "Requests that agents can run at a time.", "state", slots)
        yield _gauge("held_exchanges", "Exchanges that wait at agents for their slots.", use.held)
        yield _gauge("links", "Agents that are linked.", len(pool.seats))
        yield _counter("links_opened", "Links that were established.", observer.joins)
        yield _counter("links_closed", "Links that ended.", observer.leaves)
        trips = sorted(trip for link in pool.links if (trip := link.rtt) is not None)
        if trips:
            figures = {"min": trips[0], "median": median(trips), "max": trips[-1]}
            yield _gauges("link_rtt_seconds", "Round trips to agents.", "figure", figures)

    def _sent_ahead(self) -> Iterator[Metric]:
        tally = self._hub.pool.tally
        yield _counter("prefetches", "Exchanges sent to an agent ahead of a slot.", tally.sent_ahead)
        yield _counter("prefetch_revocations", "How often an agent was asked to give one back.", tally.asked_back)
        yield _counter("prefetch_returns", "How often it did.", self._hub.observer.returns)


def _known(outcome: str) -> str:
    return outcome if outcome in OUTCOMES else "other"


def _ending(ended: tuple[str, int]) -> tuple[str, str]:
    outcome, hundreds = ended
    return _known(outcome), f"{hundreds}xx" if hundreds else "none"


def _by_label(counts: Mapping[_Counted, int], label: Callable[[_Counted], _Label]) -> Counter[_Label]:
    """Counts anew, by labels: each of these may stand once in an answer."""
    sums: Counter[_Label] = Counter()
    for counted, count in counts.items():
        sums[label(counted)] += count
    return sums


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"slime_{name}", about, value)


def _gauge(name: str, about: str, value: float, **labels: str) -> Metric:
    metric = GaugeMetricFamily(f"slime_{name}", about, labels=list(labels))
    metric.add_metric(list(labels.values()), value)
    return metric


def _gauges(name: str, about: str, label: str, values: dict[str, float] | dict[str, int]) -> Metric:
    metric = GaugeMetricFamily(f"slime_{name}", about, labels=[label])
    for value, number in values.items():
        metric.add_metric([value], number)
    return metric


def _histogram(name: str, about: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(f"slime_{name}", about, list(_buckets(histogram.counts)), histogram.total)


def _buckets(counts: Iterable[int]) -> Iterator[tuple[str, float]]:
    summed = list(accumulate(counts))
    for index in SHOWN:
        yield f"{BOUNDS[index]:g}", summed[index]
    yield "+Inf", summed[-1]
