"""The documentation's examples, run as they are."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from slime.demo.children import Child
from slime.tokens import NONCE_BYTES, AgentClaims, mint
from tests.e2e.harness import Application, SlimeTestCase

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


class ExampleTests(SlimeTestCase):
    """A hub in a program's site, and an agent in another program."""

    def example(self, name: str, *options: str) -> Child:
        """An example, running."""
        home = {"HOME": str(Path(self.mktemp()).absolute())}
        child = Child(name, [sys.executable, str(EXAMPLES / name), *options], home)
        self.addCleanup(child.end)
        return child

    def start(self) -> tuple[Child, int]:
        """The hub, with its port."""
        secret = Path(self.mktemp())
        secret.write_text(self.SECRET)
        hub = self.example("hub_in_a_site.py", "--listen", "tcp:0:interface=127.0.0.1", "--admin", "off",
                           "--secret-file", str(secret))  # fmt: skip
        return hub, int(hub.wait_for(r"listening on .*port=(\d+)")[1])

    def look(self, port: int, path: str) -> Any:
        """What one of the program's own pages says."""
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)

    def test_together(self) -> None:
        """The agent joins, its catalogue is seen, a request goes through, and it is told what happened."""
        hub, port = self.start()
        upstream = self.upstream()
        self.assertEqual(self.look(port, "/agents"), [])
        token = mint(self.SECRET.encode(), AgentClaims("t", "desk"), os.urandom(NONCE_BYTES))
        agent = self.example("agent_with_catalogue.py", "--hub", f"127.0.0.1:{port}", "--token", token,
                             "--upstream", upstream.address, "--num-worker", "2")  # fmt: skip
        hub.wait_for("agent desk joined")
        (about,) = self.look(port, "/agents")
        self.assertEqual((about["name"], about["slots"], about["token_id"]), ("desk", 2, "t"))
        self.assertEqual((about["hardware"]["rack"], about["hardware"]["models"]), ("b7", ["toy", "toy-large"]))
        self.assertGreaterEqual(about["hardware"]["threads"], 1)
        application = Application(port)
        self.addCleanup(application.close)
        application.ask(b"GET /v1/models?secret=1")
        upstream.serve(b"toy")
        self.assertEqual(application.response().body, b"toy")
        agent.end()
        hub.wait_for("agent desk left")
        joined, answered, left = self.look(port, "/latest")
        self.assertRegex(joined, r"^desk joined from 127\.0\.0\.1:\d+ with 2 slots$")
        self.assertEqual(answered, "GET /v1/models: 200 ok")
        self.assertRegex(left, "^desk left: ")
        self.assertEqual(self.look(port, "/agents"), [])

    def test_mistake(self) -> None:
        """One line, as of the commands."""
        for name in ("hub_in_a_site.py", "agent_with_catalogue.py"):
            child = self.example(name)
            self.assertEqual(child.wait(), 1)
            self.assertEqual(len(child.lines), 1)
            self.assertTrue(re.match(r"\w+: missing; ", child.lines[0]), child.lines)
