"""``make image``: builds the image in a folder, and looks at hub, agent and health check in it.

Needs root, and Debian's debootstrap.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from slime.tokens import NONCE_BYTES, AgentClaims, mint
from tests.e2e.harness import Application, Upstream
from tests.image.build import Image
from tests.image.contained import Container

SECRET = "a secret for the image, thirty-two bytes"


class Trial:
    """What is tried, one after the other.

    :ivar passed: how many were well.
    """

    def __init__(self, image: Image, place: Path) -> None:
        self.image = image
        self.place = place
        self.passed = self.failed = 0
        self.containers: list[Container] = []

    def see(self, what: str, well: bool, said: object = "") -> None:
        """Note a result."""
        self.passed, self.failed = self.passed + well, self.failed + (not well)
        print(f"{'well' if well else 'FAILED'}: {what}", said if not well else "", flush=True)

    def contained(self, name: str, words: list[str], environ: dict[str, str]) -> Container:
        """A program in the image, with a volume of its own."""
        volume = self.place / name
        volume.mkdir()
        os.chown(volume, *map(int, self.image.stage.user.split(":")))
        entry = json.loads(self.image.said["ENTRYPOINT"])
        container = Container(name, self.image.stage, volume, [*entry, *words], environ)
        self.containers.append(container)
        return container

    def healthy(self, container: Container) -> int:
        """What the health check says."""
        command = re.search(r"CMD (\[.*\])", self.image.said["HEALTHCHECK"])
        assert command is not None
        return container.run(*json.loads(command[1])).returncode

    def hub(self) -> tuple[Container, int]:
        """The command that the image has, with the earlier program's variables."""
        words = json.loads(self.image.said["CMD"])
        hub = self.contained("hub", words, {"SECRET": SECRET, "APP_PASSWORD": "pw", "HOST": "127.0.0.1", "PORT": "0"})
        return hub, int(hub.child.wait_for(r"listening on .*port=(\d+)", 60)[1])

    def try_all(self) -> None:
        """Hub, agent, a request, the health check, and what may not be done."""
        hub, port = self.hub()
        self.see("the hub is healthy", self.healthy(hub) == 0)
        token = mint(SECRET.encode(), AgentClaims("t", "desk"), os.urandom(NONCE_BYTES))
        upstream = Upstream()
        agent = self.contained("agent", ["agent", "run"], {
            "TOKEN": token, "HUB": f"127.0.0.1:{port}", "UPSTREAM": upstream.address, "NUM_WORKER": "2",
        })  # fmt: skip
        self.see("the agent joins", bool(hub.child.wait_for("agent desk joined with 2 slots", 60)))
        self.see("the agent is healthy", self.healthy(agent) == 0)
        self.see("the agent keeps its identity in the volume", any((self.place / "agent").iterdir()))
        self.ask(port, upstream)
        self.look_around(hub)
        self.seed_arguments(token, port, upstream.address)
        upstream.close()

    def ask(self, port: int, upstream: Upstream) -> None:
        """One request, and one that is refused."""
        application = Application(port)
        application.ask(b"GET /x", b"Slime-App-Password: pw")
        upstream.serve(b"hello")
        self.see("a request goes through", application.response().body == b"hello")
        refused = Application(port)
        refused.ask(b"GET /x")
        self.see("one without the password does not", refused.response().status == 401)

    def look_around(self, hub: Container) -> None:
        """What the program may do in there."""
        said = hub.run("id", "-u").stdout.strip()
        self.see("it is not root", said == self.image.stage.user.split(":")[0], said)
        for place in ("/", "/opt/slime", "/etc", "/usr/bin"):
            touched = hub.run("sh", "-c", f"echo > {shlex.quote(place)}/x")
            self.see(f"{place} cannot be written", touched.returncode != 0 and "Read-only" in touched.stderr, touched)
        missing = hub.run("python", "-m", "pip", "--version")
        self.see("there is no pip in slime's environment", missing.returncode != 0, missing)
        version = hub.run("slime", "version")
        self.see("slime knows its version", version.stdout.startswith("slime "), version)

    def seed_arguments(self, token: str, port: int, upstream: str) -> None:
        """The earlier program's command lines."""
        agent = self.contained("seed-agent", [
            "agent", "run", "--token", token, "--hub", f"127.0.0.1:{port}", "--upstream", upstream,
            "--numWorker", "1", "--agentID", "x", "--reportHardware=false",
        ], {})  # fmt: skip
        self.see("the seed's arguments run an agent", bool(agent.child.wait_for("linked", 60)))
        hub = self.contained("seed-hub", [
            "hub", "run", "--secret", SECRET, "--appPassword", "pw", "--host", "127.0.0.1", "--port", "0",
            "--concurrent", "8",
        ], {})  # fmt: skip
        self.see("the seed's arguments run a hub", bool(hub.child.wait_for("listening on", 60)))

    def end(self) -> None:
        """What was started ends in good order when it is told to."""
        for container in reversed(self.containers):
            container.end()
            said = any("stopping" in line for line in container.child.lines)
            self.see(f"{container.child.name} ends well", said and container.child.status in (0, 143, -15), said)


def main() -> int:
    """0 if everything is well."""
    with tempfile.TemporaryDirectory(prefix="slime-image-") as folder:
        place = Path(folder)
        trial = Trial(Image(place), place)
        try:
            trial.try_all()
        finally:
            trial.end()
        print(f"{trial.passed} passed, {trial.failed} failed")
        return 1 if trial.failed else 0


if __name__ == "__main__":
    sys.exit(main())
