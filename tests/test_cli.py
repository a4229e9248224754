"""The slime command, as typed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import slime
from slime import cli, names, register
from slime.cli import main, split_command
from slime.commands import COMMANDS, SHELLS
from slime.hub.listening import check_port
from slime.names import random_name
from slime.seed.tokens import verify_seed
from slime.tokens import AgentClaims, verify
from tests.certificates import Authority


class Case(SynchronousTestCase):
    """A home directory without settings, and nothing in the environment that is one."""

    def setUp(self) -> None:
        home = Path(self.mktemp())
        home.mkdir()
        self.home = home
        self.patch(cli, "start_logging", lambda *arguments: None)  # trial has the log of this process
        self.patch(os, "environ", {"HOME": str(home), "PATH": os.environ["PATH"]})

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        """Carry out a command line in this process: its status, output and complaints."""
        output, complaints = io.StringIO(), io.StringIO()
        status: object = 0
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(complaints):
            try:
                main(arguments)
            except SystemExit as ending:
                status = ending.code
        assert isinstance(status, int)
        return status, output.getvalue(), complaints.getvalue()

    def refused(self, *arguments: str) -> str:
        """The one line with which a command line is refused."""
        status, output, complaint = self.run_command(*arguments)
        self.assertEqual((status, output, complaint.count("\n")), (2, "", 1), complaint)
        return complaint.strip()


class WordTests(Case):
    """The command's words among its options."""

    def test_split(self) -> None:
        """Options may stand before, between and behind the words, as in the seed."""
        for line, words, rest in (
            ("hub run --port 1", "hub run", "--port 1"),
            ("--config run hub run", "hub run", "--config run"),
            ("hub --secret run run --port=1", "hub run", "--secret run --port=1"),
            ("agent --reportHardware run --hub h", "agent run", "--reportHardware --hub h"),
            ("demo --once hub", "demo", "--once hub"),
            ("hub walk --port 1", "hub walk", "--port 1"),
            ("--secret", "", "--secret"),
        ):
            self.assertEqual(split_command(line.split()), (tuple(words.split()), rest.split()))

    def test_overview(self) -> None:
        """Without a command, those that there are are listed."""
        for arguments in ((), ("--help",), ("-h",)):
            status, output, _ = self.run_command(*arguments)
            self.assertEqual(status, 0)
            for words in cli.COMMANDS:
                self.assertIn(f"  slime {' '.join(words)} ", output)

    def test_part_of_overview(self) -> None:
        """With the first word of a command, those that go on from there."""
        _, output, _ = self.run_command("hub")
        self.assertIn("slime hub run", output)
        self.assertNotIn("slime agent run", output)

    def test_unknown_command(self) -> None:
        """An unknown word is refused with the nearest one."""
        self.assertEqual(
            self.refused("hbu"), "slime: there is no command 'hbu'; did you mean hub? (slime --help lists them)"
        )
        self.assertEqual(
            self.refused("hub", "walk"), "slime hub: there is no command 'walk' (slime --help lists them)"
        )

    def test_command_missing(self) -> None:
        """Options without a command are refused."""
        self.assertIn("--port: a command is missing", self.refused("hub", "--port", "1"))

    def test_version(self) -> None:
        """Both ways of asking for the version."""
        for arguments in (("version",), ("--version",)):
            self.assertEqual(self.run_command(*arguments), (0, f"slime {slime.__version__}\n", ""))

    def test_version_and_more(self) -> None:
        """What is typed for nothing is a mistake, as it is with every command."""
        for arguments, strange in ((("version", "extra"), "extra"), (("--json", "version"), "--json")):
            self.assertEqual(self.refused(*arguments), f"slime version: {strange!r}: nothing was expected here")

    def test_strange_words(self) -> None:
        """A complaint is one short line that can be shown, whatever was typed for a command."""
        for strange in ("\x1b[2J", "a\nb", "\ud800", "9" * 5000):
            for arguments in (
                (strange,), ("hub", strange), (f"--{strange}",), ("hub", f"--{strange}"), ("version", strange),
                ("hub", "run", "--secret=s", "--listen", f"tcp:{strange}"),
            ):  # fmt: skip
                line = self.refused(*arguments)
                self.assertTrue(line.isprintable() and len(line) < 200, line)

    def test_help(self) -> None:
        """Each command explains its options."""
        for row in COMMANDS:
            status, output, _ = self.run_command(*row.words, "--help")
            self.assertEqual(status, 0)
            self.assertIn(f"{row.name} {row.operand}".strip(), output)

    def test_every_command(self) -> None:
        """The table that explains and the one that carries out have the same commands."""
        self.assertEqual([row.words for row in COMMANDS], list(cli.COMMANDS))

    def test_completion(self) -> None:
        """One script for each shell, and nothing else."""
        for shell in SHELLS:
            status, output, _ = self.run_command("completion", shell)
            self.assertEqual((status, f"slime completion {shell}" in output), (0, True))
        for arguments in ((), ("tcsh",), ("bash", "zsh")):
            self.assertIn("one shell is needed: bash, zsh, fish", self.refused("completion", *arguments))

    def test_mistakes(self) -> None:
        """A mistake in a setting is one line with the command's name."""
        self.assertTrue(self.refused("hub", "run").startswith("slime hub run: secret: missing; "))
        self.assertTrue(self.refused("agent", "run").startswith("slime agent run: token: missing; "))
        line = self.refused("agent", "run", "--token=t", "--hub=h", "--upstream", "nowhere")
        self.assertTrue(line.startswith("slime agent run: upstream: --upstream: "), line)
        line = self.refused("hub", "run", "--secret=s", "--listen", "tcp:none")
        self.assertTrue(line.startswith("slime hub run: listen: 'tcp:none' makes no endpoint: invalid literal"), line)

    def test_certificates(self) -> None:
        """So is one in a file of certificates, and one that would keep every agent out."""
        agent = ("agent", "run", "--token=t", "--hub=h", "--upstream=u:1")
        for setting in ("ca", "client-cert", "upstream-client-cert"):
            line = self.refused(*agent, f"--{setting}", "/gone")
            self.assertEqual(line, f"slime agent run: {setting}: cannot read /gone: No such file or directory")
        hub = ("hub", "run", "--secret=s", "--admin=off", "--agent-ca")
        self.assertIn("slime hub run: agent-ca: cannot read /gone: No such file", self.refused(*hub, "/gone"))
        authority, _ = Authority().issued.write(Path(self.mktemp()), "ca")
        self.assertIn("agent-ca: agents show certificates over TLS alone", self.refused(*hub, str(authority)))

    def test_no_port(self) -> None:
        """Twisted would not mind until it listens; in a path it is no port."""
        for setting, endpoint in (
            ("listen", "tcp:65536"), ("listen", "haproxy:ssl:99999:privateKey=x"), ("listen", "tcp:port=70000"),
            ("listen", "tcp:" + "9" * 5000), ("admin", "tcp:99999:interface=127.0.0.1"),
        ):  # fmt: skip
            line = self.refused("hub", "run", "--secret=s", f"--{setting}", endpoint)
            self.assertTrue(line.startswith(f"slime hub run: {setting}: "), line)
            self.assertIn("makes no endpoint: a port is a number from 0 to 65535; write", line)
        check_port("unix:/run/99999:mode=600")
        check_port("tcp:65535:interface=127.0.0.1")

    def test_endpoint_without_its_files(self) -> None:
        """What an endpoint needs and cannot be had is named."""
        line = self.refused("hub", "run", "--secret=s", "--listen", "ssl:0:privateKey=/gone")
        self.assertEqual(line, "slime hub run: listen: cannot read /gone: No such file or directory")

    def test_state(self) -> None:
        """No hub starts that cannot know whose tokens are void; nor does anybody whose state has no place."""
        state = Path(self.mktemp())
        revoked = state / "revoked"
        revoked.mkdir(parents=True)
        hub = ("hub", "run", "--secret=s", "--admin=off", "--port=0")
        line = self.refused(*hub, "--state-dir", str(state))
        self.assertEqual(
            line, f"slime hub run: state-dir: cannot read {revoked}, which says who is to stay out: Is a directory"
        )
        revoked.rmdir()
        for content in (b"two words\n", b"\xff\n"):
            revoked.write_bytes(content)
            self.assertIn("holds a line that is no token's id", self.refused(*hub, "--state-dir", str(state)))
        self.patch(os.path, "expanduser", str)
        for command in (hub, ("agent", "run", "--token=t", "--hub=h", "--upstream=u:1")):
            self.assertIn("state-dir: this user has no home directory; name", self.refused(*command))

    def test_demo(self) -> None:
        """The demonstration judges its own options, and its status is the command's."""
        self.assertIn("--twice", self.refused("demo", "--twice"))

    @given(st.lists(st.sampled_from("hub agent run register --secret --port=1 --help - = x".split()), max_size=5))
    def test_anything(self, arguments: list[str]) -> None:
        """Whatever is typed, no command starts by accident, and nothing is a traceback."""
        words, rest = split_command(arguments)
        self.assertEqual(sorted([*words, *rest]), sorted(arguments))


class RegisterTests(Case):
    """``slime hub register``."""

    def register(self, *arguments: str) -> AgentClaims:
        """The claims of the token that is printed; nothing else is."""
        status, output, complaint = self.run_command("hub", "register", "--secret", "s", *arguments)
        self.assertEqual((status, complaint), (0, ""))
        self.assertRegex(output, r"\Aslime1_[a-z2-7]+\n\Z")
        return verify(b"s", output.strip(), 0.0)

    def test_seed_format(self) -> None:
        """A token for an agent of the earlier program."""
        status, output, _ = self.run_command(
            "hub", "register", "--secret", "s", "--format", "seed", "--name", "desk", "--scopes", "gpu"
        )
        self.assertEqual(status, 0)
        self.assertRegex(output, r"\A[A-Z2-7]+\n\Z")
        claims = verify_seed(b"s", output.strip(), 0.0)
        self.assertEqual((claims.name, claims.scopes, claims.expires), ("desk", ("gpu",), None))

    def test_claims(self) -> None:
        """The token says what the options said."""
        claims = self.register("--name", "my agent", "--scopePaths", "/v1/*,x", "--scopes", "gpu", "--scopes", "b")
        self.assertEqual(claims.name, "my agent")
        self.assertEqual(claims.scope_paths, ("/v1/*", "/x"))
        self.assertEqual(claims.scopes, ("gpu", "b"))
        self.assertIsNone(claims.expires)

    def test_age(self) -> None:
        """The age counts from now."""
        self.patch(register.time, "time", lambda: 1000.0)
        self.assertEqual(self.register("--age", "1h2m3s").expires, 4723.0)

    def test_name(self) -> None:
        """Without a name there are two words; ids are never the same."""
        first, second = self.register(), self.register()
        self.assertRegex(first.name, r"\A[a-z]+-[a-z]+\Z")
        self.assertNotEqual(first.token_id, second.token_id)

    def test_json(self) -> None:
        """For programs: the token, and what is in it."""
        self.patch(register.time, "time", lambda: 1000.0)
        options = ("--name=desk", "--age=1h", "--scopes=gpu,b", "--scope-paths=/v1/*")
        _, output, complaint = self.run_command("hub", "register", "--secret=s", "--json", *options)
        told = json.loads(output)
        claims = verify(b"s", told.pop("token"), 0.0)
        self.assertEqual(
            (told, complaint),
            ({"id": claims.token_id, "name": "desk", "expires": "1970-01-01T01:16:40Z", "scopes": ["gpu", "b"],
              "scope_paths": ["/v1/*"]}, ""),
        )  # fmt: skip
        _, output, _ = self.run_command("hub", "register", "--secret=s", "--json", "--format=seed")
        told = json.loads(output)
        self.assertEqual(verify_seed(b"s", told["token"], 0.0).token_id, told["id"])
        self.assertEqual((told["expires"], told["scopes"], told["scope_paths"]), (None, [], []))

    def test_qr(self) -> None:
        """A picture of the token stands below it."""
        status, output, _ = self.run_command("hub", "register", "--secret=s", "--qr", "--name=desk")
        token, _, picture = output.partition("\n")
        self.assertEqual((status, verify(b"s", token, 0.0).name), (0, "desk"))
        self.assertEqual(picture, register.qr_code(token))
        rows = picture.splitlines()
        self.assertTrue(20 < len(rows) < 45 and set(map(len, rows)) == {len(rows[0])}, picture)
        self.assertEqual(set(picture), set("\n \u2580\u2584\u2588"))

    def test_qr_on_a_terminal(self) -> None:
        """White on black, whatever the terminal's own colours are."""
        for row in register.coloured(register.qr_code("a token")).splitlines():
            self.assertRegex(row, "\\A\x1b\\[40;97m[ \u2580\u2584\u2588]+\x1b\\[0m\\Z")

    def test_no_qr(self) -> None:
        """Where it cannot be made, nothing is printed but how to mend that."""
        self.patch(sys, "modules", {**sys.modules, "segno": None})
        line = self.refused("hub", "register", "--secret=s", "--qr")
        self.assertEqual(
            line, "slime hub register: qr: a QR code takes segno; install it: pip install 'slime-proxy[qr]'"
        )
        self.assertIn("qr: a picture is no JSON", self.refused("hub", "register", "--secret=s", "--qr", "--json"))

    def test_too_large_for_qr(self) -> None:
        many = "--scopes=" + ",".join(f"scope-{number}" for number in range(500))
        self.assertIn("qr: the token is too long", self.refused("hub", "register", "--secret=s", "--qr", many))

    def test_too_long(self) -> None:
        """Claims that do not fit into a token are refused."""
        self.assertIn("too long for a token", self.refused("hub", "register", "--secret=s", "--name", "n" * 20000))


class NameTests(SynchronousTestCase):
    """Names for agents."""

    def test_words(self) -> None:
        """Words are plain, each there once, and there are thousands of names."""
        for words in (names._QUALITIES, names._CREATURES):
            self.assertEqual(len(words), len(set(words)))
            self.assertTrue(all(re.fullmatch("[a-z]+", word) for word in words))
        self.assertGreater(len(names._QUALITIES) * len(names._CREATURES), 5000)

    def test_choice(self) -> None:
        """The random source alone decides."""
        self.assertEqual(random_name(Random(7)), random_name(Random(7)))


class ProcessTests(Case):
    """The command in a process of its own."""

    def start(self, *arguments: str, program: Sequence[str] = ("-m", "slime")) -> subprocess.Popen[str]:
        """Start it; it ends with the test."""
        environ = {"HOME": str(self.home), "PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, cwd=self.home,
        )  # fmt: skip
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def hub(self, program: Sequence[str], port: int) -> subprocess.Popen[str]:
        """Start a hub on this machine alone."""
        return self.start("--secret=s", "--host=127.0.0.1", f"--port={port}", program=program)

    def test_port_taken(self) -> None:
        """A port that is taken: one line, status 1, with twistd as without."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            processes = [self.hub(program, port) for program in (HUB, TWISTD_HUB)]
            for process in processes:
                output = process.communicate(timeout=30)[0]
                lines = [line for line in output.splitlines() if "UnixAppLogger" not in line]
                self.assertEqual((process.returncode, len(lines)), (1, 1), output)
                self.assertIn(f"cannot listen on 127.0.0.1:{port} (--host, --port): Address already in", lines[0])

    def test_sigterm(self) -> None:
        """A hub told to end does so; started by slime that is success."""
        process = self.hub(HUB, 0)
        assert process.stdout is not None
        ports = (re.search(r"listening on .*port=(\d+)", line) for line in process.stdout)
        port = int(next(filter(None, ports))[1])
        with socket.create_connection(("127.0.0.1", port)) as application:
            # Only a running reactor answers; before that, the signal would end Python itself.
            application.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertTrue(application.recv(1))
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=30)[0]
        self.assertEqual(process.returncode, 0, rest)
        self.assertNotIn("Traceback", rest)

    def test_twistd_mistake(self) -> None:
        """Under twistd a mistake ends like under slime."""
        process = self.start("--secret=s", "--prot=1", program=TWISTD_HUB)
        output = process.communicate(timeout=30)[0]
        self.assertEqual(process.returncode, 2)
        self.assertIn("--prot: there is no such option; did you mean --port?", output)
        self.assertEqual(output.count("\n"), 1)


HUB = ("-m", "slime", "hub", "run")
TWISTD_HUB = ("-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "slime-hub")
