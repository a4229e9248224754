"""Completion in the shells themselves: what is typed with a tab in it, and what is carried out then."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from slime.commands import COMMANDS
from slime.completion import flags_of, script

#: Seconds for a shell to do anything.
PATIENCE = 20.0

#: What is typed, and what becomes of it; a shell may join an option and its value, or leave that to us.
TYPED = (
    ("hub dr\tbeta", "hub drain beta"),
    ("hub regi\t--na\tbeta", "hub register --name[ =]beta"),
    ("ag\tch\t--health-p\t/ready", "agent check --health-path[ =]/ready"),
    ("hub run --log-format j\tx", "hub run --log-format json x"),
    ("hub run --log-format=j\tx", "hub run --log-format=json x"),
    ("hub run --access-log=c\tx", "hub run --access-log=combined x"),
    ("hub run --config some\t--port 1", "hub run --config some-file.yaml --port 1"),
    ("hub run --secret-f\tsome\tx", "hub run --secret-file[ =]some-file.yaml x"),
    ("hub run --port 1 --seed-a\tx", "hub run --port 1 --seed-agents x"),
    ("hub status --wa\tx", "hub status --watch x"),
    ("compl\tb\tx", "completion bash x"),
)


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._process, self._terminal = pty.fork()
        if not self._process:
            os.chdir(folder)
            os.execvpe(command[0], command, dict(environ))
        self._said = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    def wait_for(self, pattern: str) -> str:
        """What matches, in what the shell says from now on."""
        end = monotonic() + PATIENCE
        while not (match := re.search(pattern, self._said)):
            ready = select.select([self._terminal], [], [], max(0.0, end - monotonic()))[0]
            if not ready:
                raise AssertionError(f"never said {pattern!r}: {self._said!r}")
            self._said += os.read(self._terminal, 65536).decode("utf-8", "replace")
        self._said = self._said[match.end() :]
        return match[0]

    def end(self) -> None:
        """Hang up."""
        os.close(self._terminal)
        os.waitpid(self._process, 0)


class CompletionTests(SynchronousTestCase):
    """In bash, zsh and fish, where they are."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        (self.folder / "some-file.yaml").touch()
        self.environ = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "TERM": "dumb", "LC_ALL": "C.UTF-8",
                        "PYTHONPATH": os.pathsep.join(sys.path)}  # fmt: skip

    def program(self, name: str) -> str:
        """A shell, if this machine has it."""
        path = shutil.which(name)
        if path is None:
            raise SkipTest(f"{name} is not installed")
        return path

    def type_all(self, *command: str, before: str, shell: str) -> None:
        """Type everything; a stand-in for slime says what it was called with."""
        there = Shell([*command], self.folder, self.environ)
        self.addCleanup(there.end)
        loaded = f"{before}source <('{sys.executable}' -m slime completion {shell})"
        there.type(f"PS1='$ '; {loaded}; slime() {{ echo \"GOT[$*]\"; }}; echo IS'_'READY\n")
        there.wait_for("IS_READY")
        for typed, expected in TYPED:
            there.type(f"slime {typed}\n")
            self.assertRegex(there.wait_for(r"GOT\[[^$].*?\]"), rf"^GOT\[{expected}\]$", typed)

    def test_bash(self) -> None:
        self.type_all(self.program("bash"), "--norc", "--noprofile", "-i", before="", shell="bash")

    def test_zsh(self) -> None:
        self.type_all(self.program("zsh"), "-f", "-i", before="autoload -Uz compinit; compinit -u; ", shell="zsh")

    def test_fish(self) -> None:
        fish = self.program("fish")
        (self.folder / "slime.fish").write_text(script("fish"))
        for typed, expected in (
            ("hub dr", "drain"), ("hub run --log-format j", "json"), ("hub run --log-format=j", "--log-format=json"),
            ("hub run --access-log=c", "--access-log=combined"), ("hub run --config some", "some-file.yaml"),
            ("hub run --port 1 --seed-a", "--seed-agents"), ("agent check --health-p", "--health-path"),
            ("hub run --access-log c", "combined"), ("hub run --access-log --min-r", "--min-rate"), ("ag", "agent"),
            ("completion b", "bash"),
        ):  # fmt: skip
            asked = ["-c", f"source slime.fish; complete -C 'slime {typed}'"]
            result = subprocess.run([fish, *asked], cwd=self.folder, env=self.environ, capture_output=True, text=True,
                                    timeout=PATIENCE)  # fmt: skip
            offered = [line.split("\t")[0].strip() for line in result.stdout.splitlines()]
            self.assertEqual((offered, result.stderr), ([expected], ""), typed)

    def test_every_option(self) -> None:
        """A new setting is completed without further work, and only where it belongs."""
        for command in COMMANDS:
            place = " ".join(command.words)
            (bash,) = re.findall(rf'^ +"{place}"\) COMPREPLY=\(\$\(compgen -W "(.*?)"', script("bash"), re.M)
            names = [flag.name for flag in flags_of(command)]
            self.assertEqual([*command.choices, *names], bash.split())
            zsh = script("zsh").split(f'"{place}") _arguments', 1)[1].split(";;")[0]
            self.assertEqual(re.findall(r"'\*(--[a-z-]+)", zsh), names)
            fish = re.findall(rf"__slime_at {place}' -l ([a-z-]+)", script("fish"))
            self.assertEqual([f"--{name}" for name in fish], names)
