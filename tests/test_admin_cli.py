"""The commands that ask a hub, against whole programs; and how they show what they hear."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

from twisted.trial.unittest import SynchronousTestCase

from slime import admincli
from slime.admincli import render
from slime.adminclient import AdminClient, AdminError
from slime.cli import main
from slime.demo.fleet import AgentProcess, HubProcess
from slime.sources import SettingError, load_admin
from slime.tokens import AgentClaims, mint
from tests.e2e.harness import SlimeTestCase


def run(*arguments: str) -> tuple[int, str, str]:
    """Carry a command out in this process; its status, and what it says on both streams."""
    said, complained = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        try:
            main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
    return status, said.getvalue(), complained.getvalue()


@cache
def fleet() -> tuple[HubProcess, str]:
    """A hub with two agents of the name alpha and one of the name beta."""
    return start("one", {"a": "alpha", "b": "alpha", "c": "beta"})


def start(name: str, agents: dict[str, str], *options: str) -> tuple[HubProcess, str]:
    """A hub, and where its admin site is. Leashes end the processes.

    :param agents: names by id.
    """
    state = Path(f"cli-state-{name}").absolute()
    hub = HubProcess(
        SlimeTestCase.SECRET, "--state-dir", str(state), *options, admin="tcp:0:interface=127.0.0.1"
    )
    for agent_id, agent in agents.items():
        AgentProcess(agent_id, f"127.0.0.1:{hub.port}", token(agent, agent_id), "--upstream", "127.0.0.1:9")
    for agent in set(agents.values()):
        hub.wait_for_agent(agent, times=list(agents.values()).count(agent))
    return hub, hub.child.wait_for(r"admin site is at (http://\S+)/")[1]


def token(name: str, nonce: str) -> str:
    """A token for the hubs here; its id is known."""
    claims = AgentClaims(f"{ord(nonce[0]):016x}", name)
    return mint(SlimeTestCase.SECRET.encode(), claims, nonce.encode().ljust(12))


class CommandTests(SlimeTestCase):
    """What is typed, and what comes of it."""

    def setUp(self) -> None:
        self.hub_process, self.address = fleet()

    def ask(self, *arguments: str) -> tuple[int, str, str]:
        """A command that knows where the site is."""
        return run("hub", *arguments, "--admin", self.address)

    def state(self, agent_id: str) -> str:
        """The state of an agent, by the hub."""
        agents = json.loads(self.ask("status", "--json")[1])["agents"]
        return str({agent["agent_id"]: agent["state"] for agent in agents}.get(agent_id))

    def test_status(self) -> None:
        status, said, _ = self.ask("status")
        self.assertEqual(status, 0)
        lines = said.splitlines()
        self.assertIn(f"at {self.address}, running, up ", lines[0])
        self.assertEqual([line.split()[:1] for line in lines[4:]], [["AGENT"], ["alpha"], ["alpha"], ["beta"]])

    def test_watch(self) -> None:
        """Picture after picture, until it is interrupted; in a terminal each over the one before."""
        for terminal in (False, True):
            pauses = iter([None, KeyboardInterrupt])

            def rest(_: float, pauses: Any = pauses) -> None:
                if next(pauses) is not None:
                    raise KeyboardInterrupt

            stream = io.StringIO()
            with (
                patch.object(admincli.time, "sleep", rest),
                patch.object(stream, "isatty", lambda terminal=terminal: terminal),
                contextlib.redirect_stdout(stream),
                self.assertRaises(SystemExit) as end,
            ):
                main(["hub", "status", "--watch", "--admin", self.address])
            said = stream.getvalue()
            self.assertEqual((end.exception.code, said.count("slime hub "), "\x1b[H" in said), (0, 2, terminal))

    def test_watch_goes_on_without_a_hub(self) -> None:
        """It says that there is none, and waits for the next; a program's stream of states has gaps, and no words."""
        get = AdminClient.get

        def some(client: AdminClient, path: str) -> Any:
            if len(asked := [*asks, path]) == 3:  # the first picture takes two
                asks.append(path)
                raise AdminError("no hub")
            asks[:] = asked
            return get(client, path)

        for options, terminal in (([], True), (["--json"], False)):
            asks: list[str] = []
            said, complained = io.StringIO(), io.StringIO()
            with (
                patch.object(AdminClient, "get", some),
                patch.object(admincli.time, "sleep", Mock(side_effect=[None, None, KeyboardInterrupt])),
                patch.object(said, "isatty", lambda terminal=terminal: terminal),
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(complained),
                self.assertRaises(SystemExit),
            ):
                main(["hub", "status", "--watch", "--admin", self.address, *options])
            word = '"version"' if options else "slime hub "
            self.assertEqual((said.getvalue().count(word), "no hub" in said.getvalue()), (2, terminal))
            self.assertEqual(complained.getvalue(), "" if terminal else "no hub\n")

    def test_drain_and_undrain(self) -> None:
        self.assertEqual(self.ask("drain", "beta"), (0, "drained beta\n", ""))
        self.assertEqual(self.state("c"), "drained")
        self.assertEqual(self.ask("undrain", "c"), (0, "undrained beta\n", ""))
        self.assertEqual(self.state("c"), "idle")

    def test_ambiguous(self) -> None:
        """A name that two agents have is no name."""
        for action in ("drain", "revoke"):
            status, _, complaint = self.ask(action, "alpha")
            self.assertEqual((status, "are called 'alpha'" in complaint), (1, True), complaint)
        agents = json.loads(self.ask("status", "--json")[1])["agents"]
        key = next(agent["key"] for agent in agents if agent["agent_id"] == "a")
        self.assertEqual(self.ask("drain", key)[0], 0)
        self.assertEqual((self.state("a"), self.state("b")), ("drained", "idle"))
        self.ask("undrain", key)

    def test_nobody(self) -> None:
        for action in ("drain", "undrain", "disconnect", "revoke"):
            status, _, complaint = self.ask(action, "nobody")
            self.assertEqual((status, "no linked agent is called 'nobody'" in complaint), (1, True), complaint)
        self.assertIn("no linked agent is called 'bta'; did you mean beta? (slime", self.ask("drain", "bta")[2])
        self.assertEqual(self.ask("undrain", "some/key")[2], "slime hub undrain: there is no such agent\n")

    def test_disconnect_and_revoke(self) -> None:
        """An agent that was disconnected comes back; one whose token was revoked does not."""
        hub, address = start("two", {"c": "beta"})
        self.assertEqual(run("hub", "disconnect", "beta", "--admin", address), (0, "disconnected beta\n", ""))
        hub.wait_for_agent("beta", times=2)
        status, said, _ = run("hub", "revoke", "--admin", address, "beta")
        self.assertEqual((status, said.startswith("revoked "), "ended 1 link" in said), (0, True, True))
        self.assertEqual(json.loads(run("hub", "status", "--json", "--admin", address)[1])["agents"], [])
        self.assertIn("ended 0 links", run("hub", "revoke", token("gamma", "g"), "--admin", address)[1])
        self.assertIn("revoked 0123456789abcdef", run("hub", "revoke", "0123456789abcdef", "--admin", address)[1])

    def test_token(self) -> None:
        _, address = start("three", {}, "--admin-token", "s3cret")
        self.assertIn("wants a token", run("hub", "status", "--admin", address)[2])
        self.assertIn("wants another token", run("hub", "status", "--admin", address, "--admin-token", "x")[2])
        self.assertEqual(run("hub", "status", "--admin", address, "--admin-token", "s3cret")[0], 0)

    def test_mistakes(self) -> None:
        for arguments, complaint in (
            (["drain"], "slime hub drain: one AGENT is needed"),
            (["drain", "a", "b"], "slime hub drain: one AGENT is needed"),
            (["drain", "--watch", "a"], "slime hub drain: --watch: there is no such option"),
            (["drain", "a", "--admin"], "slime hub drain: admin: --admin lacks its value"),
        ):
            status, _, complained = run("hub", *arguments)
            self.assertEqual((status, complained[: len(complaint)]), (2, complaint))

    def test_help(self) -> None:
        self.assertIn("Usage: slime hub drain AGENT [options]", run("hub", "drain", "--help")[1])
        self.assertIn("Usage: slime hub revoke AGENT|TOKEN [options]", run("hub", "revoke", "--help")[1])
        self.assertIn("--watch", run("hub", "status", "--help")[1])


class NoSiteTests(SynchronousTestCase):
    """Something else is there, or nothing."""

    def serve(self, answer: bytes, family: int = socket.AF_INET) -> str:
        """Answer one connection; where."""
        listener = socket.socket(family)
        listener.bind("admin.sock" if family == socket.AF_UNIX else ("127.0.0.1", 0))
        listener.listen()
        self.addCleanup(listener.close)

        def reply() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=reply, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        return "unix:admin.sock" if family == socket.AF_UNIX else f"http://127.0.0.1:{listener.getsockname()[1]}"

    def test_nobody_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        for address in (f"127.0.0.1:{port}", "unix:/nowhere", f"https://127.0.0.1:{port}"):
            status, _, complaint = run("hub", "status", "--admin", address)
            self.assertEqual((status, "is the hub running?" in complaint), (1, True))

    def test_something_else(self) -> None:
        other = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
        self.assertIn("is no hub's admin site", run("hub", "status", "--admin", self.serve(other))[2])
        self.assertIn("cannot reach", run("hub", "status", "--admin", self.serve(b"nonsense\r\n\r\n"))[2])
        broken = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}"
        self.assertIn("answers 500", run("hub", "status", "--admin", self.serve(broken, socket.AF_UNIX))[2])


class AddressTests(SynchronousTestCase):
    """Where the site is, as people and hubs write it."""

    def test_addresses(self) -> None:
        for text, address in (
            ("http://hub", "http://hub"), ("hub:1", "http://hub:1"), ("https://hub/", "https://hub"),
            ("[::1]:5", "http://[::1]:5"),
            ("tcp:81:interface=127.0.0.1", "http://127.0.0.1:81"), ("tcp:port=81", "http://127.0.0.1:81"),
            ("tcp6:82:interface=\\:\\:1:backlog=5", "http://[::1]:82"), ("tcp6:82:interface=\\:\\:", "http://[::1]:82"),
            ("ssl:443:interface=hub.example:privateKey=a\\:b", "https://hub.example:443"),
            ("unix:/run/a:mode=600", "unix:/run/a"),
            ("tcp:81:interface=0.0.0.0", "http://127.0.0.1:81"), ("unix:address=/run/a", "unix:/run/a"),
        ):  # fmt: skip
            self.assertEqual(load_admin(["--admin", text], {}).admin, address, text)

    def test_no_addresses(self) -> None:
        """Among them what says that there is no site, or that the system chooses the port."""
        texts = ("off", "tcp:0", "ftp://hub", "http://hub:x", "http://hub/path", "http://a@hub", "hub?a", "a b")
        for text in (*texts, "http://", "http://hub#a", "unix:", "unix:address=", "unix:a\0b"):
            self.assertRaises(SettingError, load_admin, ["--admin", text], {})

    def test_no_names(self) -> None:
        """What no host can be called is not looked up, nor is a word that stands by itself."""
        for text in ("http://a..b:1", f"{'x' * 64}:1", f"{'x.' * 127}:1", "http://%zz:1", "tcp:1:interface=a,b"):
            self.assertIn("is not where an admin site is; write", self.refusal(text))
        for text in ("nonsense", "nonsense:", "nonsense/"):
            self.assertIn("is a host without a port; write one like localhost:8081, or a URL", self.refusal(text))

    def refusal(self, address: str) -> str:
        """The line that says why a hub cannot be asked there; nobody has tried."""
        self.patch(socket, "getaddrinfo", None)
        status, output, complaint = run("hub", "status", "--admin", address)
        self.assertEqual((status, output, complaint.count("\n")), (2, "", 1))
        return complaint.rstrip()


class PictureTests(SynchronousTestCase):
    """A hub's state as text."""

    def state(self, **members: Any) -> Any:
        """A state as the site tells it."""
        agent = {
            "name": "ann", "state": "busy", "slots": {"busy": 2, "offered": 2, "held": 1}, "rtt": 0.0213,
            "service_time": 4.26, "served": 7, "address": "192.0.2.1:1", "upstream": "http://a:1",
        }  # fmt: skip
        usual: dict[str, Any] = {
            "version": "1", "address": "http://a:1", "state": "running", "now": 100_000.0, "started_at": 0.0,
            "slots": {"busy": 2, "free": 6, "drained": 0, "held": 1}, "in_progress": 3, "agents": [agent],
            "queue": {"length": 1, "head_age": 61.0}, "lately": {
                "rate": 1.25, "failed": 0.0, "first_byte_p50": 0.5, "first_byte_p95": None,
            },
        }  # fmt: skip
        return {**usual, **members}

    def test_picture(self) -> None:
        self.assertEqual(
            render(self.state()),
            "slime hub 1 at http://a:1, running, up 1 d 3 h\n"
            "1.2 requests/s, 0.0 failed/s; first byte 500 ms (95 % within -)\n"
            "2 of 8 slots busy (25%); 1 waiting, the first for 1 m 1 s, 1 sent ahead; 3 in progress\n\n"
            "AGENT  STATE  SLOTS   HELD  ROUND TRIP  SERVICE  SERVED  FROM         UPSTREAM\n"
            "ann    busy   2/2 ██  1     21.3 ms     4.3 s    7       192.0.2.1:1  http://a:1\n",
        )

    def test_nobody(self) -> None:
        slots, queue = {"busy": 0, "free": 0, "held": 0}, {"length": 0, "head_age": None}
        picture = render(self.state(agents=[], slots=slots, queue=queue, started_at=99_990.0))
        self.assertIn("up 10 s\n", picture)
        self.assertIn("0 of 0 slots busy; 0 waiting; ", picture)
        self.assertTrue(picture.endswith("no agent is linked\n"))

    def test_hostile_name(self) -> None:
        """It can neither move the cursor nor begin a line."""
        (agent,) = self.state()["agents"]
        picture = render(self.state(agents=[{**agent, "name": "a\x1b[2J\nb\u202e"}]))
        self.assertIn("a�[2J�b�", picture)

    def test_wide_name(self) -> None:
        """Columns stand under each other, whatever a name is made of, and however long it is."""
        (agent,) = self.state()["agents"]
        microbe = "\U0001f9a0"
        for name, shown in ((microbe * 200, microbe * 19 + "…"), ("w" * 300, "w" * 39 + "…"), ("e\u0301\u4e2d", None)):
            heading, row = render(self.state(agents=[{**agent, "name": name}])).splitlines()[-2:]
            start = row.index("busy")
            self.assertEqual(admincli._width(row[:start]), heading.index("STATE"))
            self.assertEqual(row[:start].rstrip(), shown or name)

    def test_screen(self) -> None:
        """What a screen has no room for is left out, so that it never scrolls."""
        picture = "".join(f"{number} is a line\n" for number in range(9))
        drawn = admincli._fitted(picture, 5, 6).removeprefix("\x1b[H").removesuffix("\x1b[J")
        self.assertEqual(drawn.replace("\x1b[K", "").splitlines(), [*(f"{one} is…" for one in range(4)), "and …"])
        self.assertNotIn("more", admincli._fitted(picture, 80, 10))

    def test_many_slots(self) -> None:
        """A dozen cells stand for any number; one that works is seen."""
        (agent,) = self.state()["agents"]
        cells = []
        for busy, offered in ((1, 500), (500, 500), (0, 500), (0, 0), (3, 2)):
            slots = {"busy": busy, "offered": offered, "held": 0}
            cells.append(render(self.state(agents=[{**agent, "slots": slots}])).split("/")[-3].split()[1:2])
        self.assertEqual(cells[0], ["█···········"])
        self.assertEqual((cells[1], cells[2]), (["█" * 12], ["·" * 12]))

    def test_hours(self) -> None:
        self.assertIn("up 2 h 46 m", render(self.state(started_at=90_000.0)))
