"""What the page is shown: a hub, agents, upstreams and applications, all of them real programs or connections."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from slime.demo.children import Child, leashed
from slime.demo.fleet import HubProcess
from slime.tokens import AgentClaims, mint
from tests.e2e.harness import Application, Upstream

__all__ = ["SECRET", "Scene"]

SECRET = "a secret of the scene, thirty-two"
LAPTOP = {"platform": "Linux x86_64", "cores": 8, "memory": 16 * 2**30}


class Scene:
    """A hub and whoever has come to it.

    :ivar address: where its admin site is.
    """

    def __init__(self, *options: str, admin: str = "tcp:0:interface=127.0.0.1") -> None:
        self.state = Path(mkdtemp(prefix="slime-scene-"))
        self.hub = HubProcess(SECRET, "--state-dir", str(self.state), *options, admin=admin)
        self.address = self.hub.child.wait_for(r"admin site is at (http://\S+)")[1]
        self.agents: dict[str, Child] = {}
        self.upstreams: dict[str, Upstream] = {}
        self._applications: list[Application] = []

    def join(
        self, name: str, slots: int = 1, agent_id: str = "agent", hardware: Any = None, upstream: str = ""
    ) -> None:
        """An agent comes, with the one upstream that it has for itself, unless another is named."""
        if not upstream:
            self.upstreams[name] = Upstream()
            upstream = self.upstreams[name].address
        claims = AgentClaims(name.encode().hex()[:32], name)
        environment = {
            "SLIME_TOKEN": mint(SECRET.encode(), claims, name.encode().ljust(12)[:12]),
            "SCENE_HARDWARE": json.dumps(hardware or LAPTOP),
        }
        self.agents[name] = Child(
            name,
            leashed(
                "tests.browser.agent:main", "agent", "run", "--hub", f"127.0.0.1:{self.hub.port}",
                "--agent-id", agent_id, "--upstream", upstream, "--num-worker", str(slots),
            ),
            environment,
        )  # fmt: skip
        self.hub.wait_for_agent(name)

    def kill(self, name: str) -> None:
        """The agent dies, without a word."""
        self.agents[name].signal(9)

    def ask(self, target: str = "/v1/chat/completions") -> Application:
        """An application asks, and waits as long as it takes."""
        application = Application(self.hub.port)
        application.ask(b"POST " + target.encode(), b"Slime-Block: 1", body=b'{"prompt": "hello"}')
        self._applications.append(application)
        return application

    def end(self) -> None:
        """Everybody goes home."""
        for application in self._applications:
            application.close()
        for upstream in self.upstreams.values():
            upstream.close()
        for child in (*self.agents.values(), self.hub.child):
            child.end(patience=0.1)
