"""Figures for Prometheus: names, labels, numbers; and that dashboard and alerts ask for what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import yaml
from prometheus_client.parser import text_string_to_metric_families

from slime.errors import ErrorCode
from slime.hub.observe import Observer
from slime.hub.service import Watchers
from tests.admin_fixture import AdminCase, AdminHub
from tests.link_fixture import AppPeer, token

ROOT = Path(__file__).parent.parent
DASHBOARD = ROOT / "docs" / "grafana" / "slime-hub.json"
ALERTS = ROOT / "docs" / "alerts.yml"
#: The functions and labels of Prometheus' language look like names of metrics; ours begin so.
METRIC = re.compile(r"\b(?:slime|process|python)_\w+")


def queries() -> Iterator[str]:
    """Every expression of the dashboard and of the alerts."""
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def observer_of(hub: AdminHub) -> Observer:
    """What counts."""
    watchers = hub.pool._watcher
    assert isinstance(watchers, Watchers)
    return cast(Observer, watchers.both[0])


class MetricsCase(AdminCase):
    """Scrapes."""

    def scrape(self, hub: AdminHub) -> dict[str, dict[tuple[str, ...], float]]:
        """Samples by name and by the values of their labels in the order of these."""
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(hub.ask("GET", "/metrics").body.decode()):
            for sample in family.samples:
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        return found

    def busy(self) -> AdminHub:
        """A hub in whose life something has happened."""
        hub = self.start()
        agent = hub.agent(slots=2, prefetch=4)
        gone = hub.agent(token("gone"))
        gone.leave()
        for number in range(4):
            hub.app(b"/%d" % number)
        first, *_ = agent.begin()
        hub.seconds(3)
        agent.finish(first, b"x" * 100)
        AppPeer(hub).deliver(b"no HTTP\r\n\r\n")  # type: ignore[arg-type]
        return hub


class NumberTests(MetricsCase):
    """What is counted."""

    def test_nothing_yet(self) -> None:
        """A rate needs a first value, and a panel something to show."""
        told = self.scrape(self.start())
        self.assertEqual(told["slime_exchanges_total"], {("2xx", "ok"): 0.0})
        self.assertEqual(told["slime_links"], {(): 0.0})
        self.assertNotIn("slime_link_rtt_seconds", told)

    def test_numbers(self) -> None:
        told = self.scrape(self.busy())
        for name, value in (
            ("slime_response_body_bytes_total", 100), ("slime_links", 1), ("slime_links_opened_total", 2),
            ("slime_links_closed_total", 1), ("slime_prefetches_total", 2), ("slime_held_exchanges", 1),
            ("slime_queue_limit", 10_000), ("slime_exchange_run_seconds_count", 1), ("slime_draining", 0),
        ):  # fmt: skip
            self.assertEqual(told[name], {(): float(value)}, name)
        self.assertEqual(told["slime_exchanges_total"], {("2xx", "ok"): 1.0})
        self.assertEqual(told["slime_refused_requests_total"], {("bad-request",): 1.0})
        self.assertEqual(told["slime_slots"], {("free",): 0.0, ("busy",): 2.0, ("drained",): 0.0})
        buckets = told["slime_exchange_run_seconds_bucket"]
        self.assertEqual((buckets["2.5",], buckets["5",], buckets["+Inf",]), (0.0, 1.0, 1.0))

    def test_round_trips(self) -> None:
        hub = self.start(ping_interval=1.0)
        agents = [hub.agent(token(name), slots=1) for name in ("a", "b", "c")]
        hub.seconds(1)
        for agent in agents:
            agent.heard()
            hub.clock.advance(0.1)
            agent.flush()
        trips = self.scrape(hub)["slime_link_rtt_seconds"]
        self.assertEqual([round(trips[figure,], 1) for figure in ("min", "median", "max")], [1.0, 1.1, 1.2])

    def test_labels_are_bounded(self) -> None:
        """Whatever outcome is noted, the labels are those that are known."""
        hub = self.start()
        observer = observer_of(hub)
        for number in range(100):
            observer.exchanges[f"invented-{number}", 2] += 1
            observer.refused[f"invented-{number}"] += 1
        told = self.scrape(hub)
        self.assertEqual(set(told["slime_exchanges_total"]), {("2xx", "ok"), ("2xx", "other")})
        self.assertEqual(told["slime_exchanges_total"]["2xx", "other"], 100.0)
        self.assertEqual(told["slime_refused_requests_total"]["other",], 100.0)

    def test_outcomes_are_those_of_the_errors(self) -> None:
        hub = self.start()
        observer_of(hub).exchanges[ErrorCode.QUEUE_FULL.slug, 5] += 1
        self.assertIn(("5xx", "queue-full"), self.scrape(hub)["slime_exchanges_total"])

    def test_formats(self) -> None:
        """What a scraper prefers."""
        hub = self.start()
        openmetrics = hub.ask("GET", "/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
        self.assertTrue(openmetrics.fields["content-type"].startswith("application/openmetrics-text"))
        self.assertTrue(openmetrics.body.endswith(b"# EOF\n"))
        self.assertTrue(hub.ask("GET", "/metrics").fields["content-type"].startswith("text/plain"))


class AgreementTests(MetricsCase):
    """Dashboard, alerts, documentation and figures agree."""

    def names(self) -> set[str]:
        """Everything that a scrape tells once something has happened; round trips need a PING."""
        return {*self.scrape(self.busy()), "slime_link_rtt_seconds"}

    def test_queries(self) -> None:
        """Every name in a query is one that is told."""
        asked = {name for query in queries() for name in METRIC.findall(query)}
        self.assertGreater(len(asked), 25)
        self.assertEqual(asked - self.names(), set())

    def test_all_is_shown(self) -> None:
        """Every figure of ours has its place in the dashboard."""
        shown = DASHBOARD.read_text("utf-8")
        ours = {name for name in self.names() if name.startswith("slime_") and not name.endswith(("_sum", "_count"))}
        self.assertEqual({name for name in ours - {"slime_queue_limit", "slime_draining"} if name not in shown}, set())

    def test_all_is_documented(self) -> None:
        page = (ROOT / "docs" / "monitoring.rst").read_text("utf-8")
        ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in self.names() if name.startswith("slime_")}
        self.assertEqual({name for name in ours if f"``{name}``" not in page}, set())
