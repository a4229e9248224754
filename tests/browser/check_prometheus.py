"""Prometheus scrapes a hub at work, and every query of the dashboard and of the alerts finds something."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

from slime.demo.children import Child
from tests.browser.scene import Scene
from tests.e2e.harness import Application
from tests.test_admin_metrics import queries

SCRAPES = 12
CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{alerts}]
scrape_configs:
  - job_name: slime
    static_configs: [{{targets: ["{target}"]}}]
"""
ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"
#: What the dashboard leaves open.
VARIABLES = {"$__rate_interval": "10s", "$job": ".+", "$instance": ".+"}
COMPARISON = re.compile(r" (?:==|>|<) [^()]*(?:\(.*\))?\s*$", re.DOTALL)


def condition_met(query: str) -> str:
    """An alert's expression without what it compares with: a healthy hub has no alerts, but it has the figures."""
    return COMPARISON.sub("", query)


class PrometheusTests(SynchronousTestCase):
    """The real thing."""

    def test_queries(self) -> None:
        scene = Scene()
        self.addCleanup(scene.end)
        scene.join("berlin")
        prometheus = self.prometheus(scene.address.removeprefix("http://").strip("/"))
        for _ in range(SCRAPES):
            for status in (b"200 OK", b"500 Sorry"):
                self.work(scene, status)
            self.refuse(scene)
            self.wait_a_scrape(prometheus)
        scene.ask()
        empty = [query for query in queries() if not self.ask(prometheus, condition_met(self.filled(query)))]
        self.assertEqual(empty, [])
        alerts = {(alert["labels"]["alertname"], alert["state"]) for alert in self.get(prometheus, "alerts")["alerts"]}
        self.assertEqual(alerts, {("SlimeRequestsFail", "pending"), ("SlimeUpstreamsFail", "pending")})

    def test_promtool(self) -> None:
        """Prometheus' own tool finds nothing to complain of, in the figures as in the alerts."""
        scene = Scene()
        self.addCleanup(scene.end)
        scene.join("berlin")
        self.work(scene, b"200 OK")
        with urlopen(f"{scene.address}metrics", timeout=10) as answer:
            ours = b"".join(line for line in answer if b"slime_" in line)
        self.assertGreater(ours.count(b"\n"), 50)
        for command, given in ((["check", "metrics"], ours), (["check", "rules", str(ALERTS)], b"")):
            done = subprocess.run(["promtool", *command], input=given, capture_output=True, timeout=30, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)

    def work(self, scene: Scene, status: bytes) -> None:
        """A request that the upstream answers."""
        application, upstream = scene.ask(), scene.upstreams["berlin"]
        served = upstream.next()
        served.body(served.request)
        served.answer(b"x" * 1000, status)
        upstream.again(served)
        application.response()

    def refuse(self, scene: Scene) -> None:
        """A request that nobody can serve."""
        application = Application(scene.hub.port)
        application.ask(b"GET /", b"Slime-Scope: moon")
        application.response()
        application.close()

    def filled(self, query: str) -> str:
        """The query as Grafana sends it."""
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        return query

    def prometheus(self, target: str) -> str:
        """Start one; where it is."""
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        (place / "config.yml").write_text(CONFIG.format(alerts=ALERTS, target=target))
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        child = Child(
            "prometheus",
            ["prometheus", f"--config.file={place / 'config.yml'}", f"--storage.tsdb.path={place / 'data'}",
             f"--web.listen-address={address}"],
        )  # fmt: skip
        self.addCleanup(child.end)
        child.wait_for("Server is ready to receive web requests", 60)
        return address

    def wait_a_scrape(self, prometheus: str) -> None:
        """Return when the hub has been looked at once more."""
        before = last = self._last_scrape(prometheus)
        while last == before:
            sleep(0.1)
            last = self._last_scrape(prometheus)

    def _last_scrape(self, prometheus: str) -> str:
        targets = self.get(prometheus, "targets")["activeTargets"]
        return str(targets[0]["lastScrape"]) if targets else ""

    def ask(self, prometheus: str, query: str) -> bool:
        """Is there an answer to a query?"""
        return bool(self.get(prometheus, "query", query=query)["result"])

    def get(self, prometheus: str, path: str, **query: str) -> Any:
        """What Prometheus' API says."""
        with urlopen(f"http://{prometheus}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]
