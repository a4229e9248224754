"""The commands as people type them, and how they end."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path
from time import monotonic

from slime.demo.children import Child, leashed
from slime.demo.fleet import PROGRAM
from tests.e2e.harness import Application, Fleet, SlimeTestCase, Upstream
from tests.e2e.messages import BrokenError

LISTENING = r"listening on .*port=(\d+)"


class CommandTests(SlimeTestCase):
    """Hub and agent, started in every way there is."""

    def start(self, program: str, *arguments: str, **environment: str) -> Child:
        """Start a program of Python's; a hub without its admin site, whose port is always the same."""
        return self.keep(Child(program, leashed(program, *arguments), {"SLIME_ADMIN": "off", **environment}))

    def keep(self, child: Child) -> Child:
        """See to the end of a child."""
        self.addCleanup(child.end)
        return child

    def joined(self, hub: Child, *lines: bytes) -> None:
        """An agent has joined, and requests pass."""
        hub.wait_for(r"agent \S+ joined")
        application = Application(int(hub.wait_for(LISTENING)[1]))
        self.addCleanup(application.close)
        application.ask(b"GET /", *lines)
        self.upstream_of_all.serve(b"hello")
        self.assertEqual(application.response().body, b"hello")

    def setUp(self) -> None:
        self.upstream_of_all = self.upstream()
        self.state = self.mktemp()

    def token(self, *options: str) -> str:
        """What ``slime hub register`` prints."""
        register = Child("register", leashed(PROGRAM, "hub", "register", "--secret", self.SECRET, *options))
        self.assertEqual(register.result(), 0)
        token, = register.lines
        return token

    def test_earlier_command_lines(self) -> None:
        """The earlier program's documented command lines work as they stand."""
        hub = self.start(PROGRAM, "hub", "run", "--secret", self.SECRET, "--appPassword", "sesame",
                         "--host", "127.0.0.1", "--port", "0", "--concurrent", "10")
        address = f"http://127.0.0.1:{hub.wait_for(LISTENING)[1]}"
        token = self.token("--name", "mine", "--scopePaths", "/", "--age", "1h")
        self.start(PROGRAM, "agent", "run", "--token", token, "--hub", address, "--numWorker", "2",
                   "--upstream", self.upstream_of_all.address, "--reportHardware", "--agentID", "7")
        self.joined(hub, b"Slime-App-Password: sesame")

    def test_earlier_environment(self) -> None:
        """The earlier program's environment variables work."""
        hub = self.start(PROGRAM, "hub", "run", SECRET=self.SECRET, PORT="0", HOST="127.0.0.1",
                         APP_PASSWORD="sesame")
        self.start(PROGRAM, "agent", "run", TOKEN=self.token(), HUB=f"127.0.0.1:{hub.wait_for(LISTENING)[1]}",
                   UPSTREAM=self.upstream_of_all.address, SLIME_STATE_DIR=self.state)
        self.joined(hub, b"Slime-App-Password: sesame")

    def test_file(self) -> None:
        """Settings may come from a file, secrets from files of their own."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "secret").write_text(self.SECRET + "\n")
        (folder / "token").write_text(self.token() + "\n")
        (folder / "hub.yaml").write_text("appPassword: sesame\nport: 0\nhost: 127.0.0.1\n")
        hub = self.start(PROGRAM, "hub", "run", "--config", str(folder / "hub.yaml"),
                         "--secret-file", str(folder / "secret"))
        self.start(PROGRAM, "agent", "run", "--hub", f"127.0.0.1:{hub.wait_for(LISTENING)[1]}",
                   "--token-file", str(folder / "token"), "--state-dir", self.state,
                   "--upstream", self.upstream_of_all.address)
        self.joined(hub, b"Slime-App-Password: sesame")

    def test_twistd(self) -> None:
        """Both run as plugins of twistd, with the same options."""
        twistd = [str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile="]
        hub = self.keep(Child("hub", [*twistd, "slime-hub", "--secret", self.SECRET, "--admin", "off",
                                      "--listen", "tcp:0:interface=127.0.0.1"]))
        address = f"127.0.0.1:{hub.wait_for(LISTENING)[1]}"
        self.keep(Child("agent", [*twistd, "slime-agent", "--hub", address, "--token", self.token(),
                                  "--upstream", self.upstream_of_all.address, "--state-dir", self.state]))
        self.joined(hub)

    def test_twist(self) -> None:
        """``python -m twisted`` knows them too."""
        hub = self.start("twisted", "slime-hub", "--secret", self.SECRET, "--listen", "tcp:0:interface=127.0.0.1")
        self.start("twisted", "slime-agent", "--hub", f"127.0.0.1:{hub.wait_for(LISTENING)[1]}",
                   "--token", self.token(), "--upstream", self.upstream_of_all.address,
                   "--state-dir", self.state)
        self.joined(hub)

    def test_two_upstreams(self) -> None:
        """``--upstream a,b`` makes two agents that do not get in each other's way, the same ones next time."""
        other, hub = self.upstream(), self.hub()
        address = f"127.0.0.1:{hub.port}"
        both = f"{self.upstream_of_all.address},{other.address}"
        arguments = ("agent", "run", "--hub", address, "--upstream", both, "--state-dir", self.state)
        first = self.start(PROGRAM, *arguments, SLIME_TOKEN=hub.token("pair"))
        hub.wait_for_agent("pair", times=2)
        before = self.both_agents(hub.port, other)
        self.assertEqual(len(before), 2)
        first.end()
        self.start(PROGRAM, *arguments, SLIME_TOKEN=hub.token("pair"))
        hub.wait_for_agent("pair", times=4)
        self.assertEqual(self.both_agents(hub.port, other), before)

    def both_agents(self, port: int, other: Upstream) -> set[bytes]:
        """The ids of the agents that answer two requests that run at once."""
        applications = [Application(port), Application(port)]
        for application in applications:
            self.addCleanup(application.close)
            application.ask(b"GET /", b"Slime-Block: 1")
        running = [upstream.next() for upstream in (self.upstream_of_all, other)]
        for served in running:
            served.answer(b"")
            served.close()
        return {application.response().one(b"slime-agent-id") for application in applications}

    def test_token_alone(self) -> None:
        """A token without a name gets one of two words; it is one word of letters that any shell takes."""
        token = self.token()
        self.assertTrue(re.fullmatch(r"[A-Za-z0-9_-]+", token), token)
        hub = self.hub()
        self.start(PROGRAM, "agent", "run", "--hub", f"127.0.0.1:{hub.port}", "--token", token,
                   "--upstream", self.upstream_of_all.address, "--state-dir", self.state)
        hub.child.wait_for(r"agent [a-z]+-[a-z]+ joined")

    def test_expiry(self) -> None:
        """A link lives no longer than its token."""
        hub = self.hub()
        self.start(PROGRAM, "agent", "run", "--hub", f"127.0.0.1:{hub.port}", "--state-dir", self.state,
                   "--upstream", self.upstream_of_all.address, SLIME_TOKEN=hub.token("brief", "--age", "8s"))
        hub.wait_for_agent("brief")
        hub.child.wait_for("agent brief left: the token has expired", timeout=20)


class DemoTests(SlimeTestCase):
    """``slime demo``."""

    def test_once(self) -> None:
        """It shows that everything works, and leaves nothing behind."""
        demo = Child("demo", leashed(PROGRAM, "demo", "--once"))
        self.addCleanup(demo.end)
        self.assertEqual(demo.wait(30), 0, demo.lines)
        said = "\n".join(demo.lines)
        for part in ("A  200 by", "C  503 all-busy", "G  200 by", "H  200 by", "alpha  |", "busy: 0."):
            self.assertIn(part, said)

    def test_stays(self) -> None:
        """It stays up with commands to try, and ends with all its children when told to."""
        demo = Child("demo", leashed(PROGRAM, "demo"))
        self.addCleanup(demo.end)
        port = int(demo.wait_for(r"curl http://127\.0\.0\.1:(\d+)/v1/models", 30)[1])
        application = Application(port)
        application.ask(b"GET /v1/models")
        self.assertEqual(application.response().status, 200)
        application.close()
        demo.signal(signal.SIGTERM)
        demo.wait()
        with self.assertRaises(OSError):
            Application(port)


class StopTests(SlimeTestCase):
    """SIGTERM."""

    def test_hub_finishes(self) -> None:
        """The hub takes no new connection, lets what runs finish, and ends."""
        fleet = self.fleet()
        asked = self.asking(fleet.hub, b"GET /running")
        served = fleet.upstream.next()
        fleet.hub.child.signal(signal.SIGTERM)
        fleet.agent.child.wait_for("is about to stop")  # which it hears when the port is closed
        with self.assertRaises(OSError):
            Application(fleet.hub.port)
        served.answer(b"finished")
        self.assertEqual(asked.response().body, b"finished")
        self.assertIn(fleet.hub.child.wait(), (0, -signal.SIGTERM))

    def test_agent_finishes(self) -> None:
        """The agent finishes what it runs; the hub gives it nothing new."""
        fleet = self.fleet("--num-worker", "2")
        asked = self.asking(fleet.hub, b"GET /running")
        served = fleet.upstream.next()
        fleet.agent.child.signal(signal.SIGTERM)
        self.until_refused(fleet)
        served.answer(b"finished")
        self.assertEqual(asked.response().body, b"finished")
        self.assertIn(fleet.agent.child.wait(), (0, -signal.SIGTERM))
        fleet.hub.child.wait_for("agent alpha left")

    def test_second_signal(self) -> None:
        """Who cannot wait sends a second signal."""
        fleet = self.fleet("--num-worker", "2")
        self.asking(fleet.hub, b"GET /running")
        fleet.upstream.next()
        fleet.agent.child.signal(signal.SIGTERM)
        self.until_refused(fleet)
        fleet.agent.child.signal(signal.SIGTERM)
        self.assertEqual(fleet.agent.child.wait(5), -signal.SIGTERM)

    def test_second_signal_to_the_hub(self) -> None:
        """The same for the hub."""
        fleet = self.fleet()
        self.asking(fleet.hub, b"GET /running")
        fleet.upstream.next()
        fleet.hub.child.signal(signal.SIGTERM)
        fleet.hub.child.wait_for("stopping")
        fleet.hub.child.signal(signal.SIGTERM)
        self.assertEqual(fleet.hub.child.wait(5), -signal.SIGTERM)

    def until_refused(self, fleet: Fleet) -> None:
        """Wait until the agent stops; in the turn in which it says so it begins to refuse what the hub sends."""
        fleet.agent.child.wait_for("stopping")
        refused = self.asking(fleet.hub, b"GET /new", b"Slime-Timeout: 0.3s").response()
        self.assertIn(refused.status, (503, 504))

    def test_grace_is_over(self) -> None:
        """What does not finish within the grace is cut off, and the application can tell."""
        hub, upstream = self.hub("--grace", "0.3s"), self.upstream()
        self.agent(hub, upstream.address)
        asked = self.asking(hub, b"GET /running")
        upstream.next().send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        asked.head()
        began = monotonic()
        hub.child.signal(signal.SIGTERM)
        with self.assertRaises(BrokenError):
            asked.exactly(10)
        hub.child.wait(10)
        self.assertTrue(0.3 <= monotonic() - began < 5)
