"""What the pages say is so: every option, field, error and default that they name exists, and none is left out.

The commands of the README's first five minutes are carried out, as they stand there.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from unittest import skipUnless

import yaml
from twisted.trial.unittest import SynchronousTestCase

import slime
from slime.cli import COMMANDS
from slime.demo.children import Child
from slime.errors import ErrorCode
from slime.reference import default_of
from slime.settings import AgentConfig, HubConfig, RegisterConfig, Setting, StatusConfig, settings_of
from slime.sources import with_files

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
README, NEWS, SECURITY = "README.rst", "NEWS.rst", "SECURITY.rst"
WRITTEN = (
    README, NEWS, SECURITY, "CONTRIBUTING.rst",
    *(f"docs/{name}.rst" for name in ("guide", "commands", "deployment", "monitoring", "moving-from-the-seed")),
    "docs/decisions.rst",
)  # fmt: skip
CONFIGS = {
    "slime hub run": HubConfig,
    "slime agent run": AgentConfig,
    "slime agent check": AgentConfig,
    "slime hub register": RegisterConfig,
    "twistd --nodaemon slime-hub": HubConfig,
    "twistd --nodaemon slime-agent": AgentConfig,
}
#: Seconds that a busy machine may take for a step.
PATIENCE = 60.0
#: Of other programs, or of every command.
FOREIGN = {"--help", "--version", "--once", "--nodaemon", "--reactor", "--now"}
#: Asked of whoever changes something by the admin site.
OPERATORS_FIELD = "Slime-Admin"
#: Never sent to an application: nothing was wrong, nobody is there, or the connection speaks HTTP no longer.
UNSEEN = {ErrorCode.NO_ERROR, ErrorCode.CANCELLED, ErrorCode.UPGRADE_IDLE}


def page(name: str) -> str:
    """The text of a page, by its path from the root."""
    return (ROOT / name).read_text("utf-8")


def settings() -> Iterator[Setting]:
    """Every setting of every command, each secret's file included."""
    for config in (HubConfig, AgentConfig, RegisterConfig, StatusConfig):
        yield from with_files(settings_of(config))


def spellings(rows: Iterator[Setting] | list[Setting]) -> set[str]:
    """All flags of these settings."""
    return {f"--{name}" for row in rows for name in (row.key, row.seed) if name}


def blocks(text: str) -> Iterator[str]:
    """The literal blocks, without their indentation."""
    for match in re.finditer(r"(?:::|code-block:: \w+)\n((?:\n|[ ]+.*\n)+)", text):
        lines = match[1].strip("\n").splitlines()
        indent = min(len(line) - len(line.lstrip()) for line in lines if line)
        yield "\n".join(line[indent:] for line in lines)


def table(text: str, head: str) -> list[list[str]]:
    """The rows of the simple table whose first column has this heading; each cell as one line."""
    lines = iter(text.splitlines())
    rule = next(line for line, after in _pairs(text) if line.startswith("===") and after.startswith(f"{head} "))
    spans = [(match.start(), match.end()) for match in re.finditer("=+", rule)]
    spans[-1] = (spans[-1][0], 1000)
    while next(lines) != rule or not next(lines).startswith(f"{head} "):
        pass
    next(lines)
    rows: list[list[str]] = []
    for line in lines:
        if line == rule:
            break
        cells = [line[start:end].strip() for start, end in spans]
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{cell} {more}".strip() for cell, more in zip(rows[-1], cells, strict=True)]
    return rows


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    return pairwise(text.splitlines())


def quoted(text: str) -> list[str]:
    """What stands between double backquotes."""
    return re.findall(r"``(.+?)``", text)


def known_fields() -> set[str]:
    """The ``Slime-*`` fields that the code reads or writes."""
    # Those of the earlier program's agents are no application's concern; docs/seed-agents.rst is about them.
    hub = [path for path in ROOT.glob("slime/hub/*.py") if not path.name.startswith("seed")]
    sources = [*hub, ROOT / "slime" / "http" / "forwarding.py"]
    found = {name for path in sources for name in re.findall(r'b"(slime-[a-z-]*[a-z])"', path.read_text("utf-8"), re.I)}
    return {name.title() for name in found}


class NameTests(SynchronousTestCase):
    """What is named exists, and what exists is named."""

    def test_options(self) -> None:
        """Every option that a page names is one."""
        known = spellings(list(settings())) | FOREIGN
        for name in WRITTEN:
            named = set(re.findall(r"(?<![\w-])--[a-z][A-Za-z-]*[A-Za-z]", page(name)))
            self.assertEqual(named - known, set(), name)

    def test_variables(self) -> None:
        """Every environment variable of slime's is one."""
        known = {variable for setting in settings() for variable in setting.variables}
        for name in WRITTEN:
            self.assertEqual(set(re.findall(r"\bSLIME_[A-Z_]+", page(name))) - known, set(), name)

    def test_settings_are_documented(self) -> None:
        """The table of all settings has all."""
        text = page("docs/settings.rst")
        for setting in settings():
            self.assertIn(f"\n``{setting.flag}", text)

    def test_commands(self) -> None:
        """In the examples each command has only options of its own."""
        seen = set()
        for name in WRITTEN:
            for command, options in _command_lines(page(name)):
                seen.add(command)
                known = spellings(with_files(settings_of(CONFIGS[command])))
                self.assertEqual(options - known - FOREIGN, set(), f"{name}: {command}")
        self.assertEqual(seen, set(CONFIGS))

    def test_endpoints(self) -> None:
        """The page about the admin site has exactly the endpoints that there are."""
        named = set(re.findall(r"``(GET|POST|DELETE) (/\S+)``", page("docs/monitoring.rst")))
        described = yaml.safe_load(page("slime/hub/admin/openapi.yaml"))["paths"]
        known = {(verb.upper(), path) for path, verbs in described.items() for verb in verbs}
        self.assertEqual(named, {(verb, re.sub(r"\{(\w+)\}", _placeholder, path)) for verb, path in known})

    def test_command_words(self) -> None:
        """Every command of slime's that is named in the text exists."""
        known = {" ".join(words) for words in COMMANDS} | {"--help"}
        for name in WRITTEN:
            named = re.findall(r"``slime ((?:hub |agent )?[a-z-]+)", page(name))
            self.assertEqual(set(named) - known, set(), name)

    def test_fields(self) -> None:
        """The README's tables have exactly the fields that there are, and no page names another."""
        known = known_fields()
        text = page(README)
        listed = set(re.findall(r"^``(Slime-[A-Za-z-]+)`` ", text, re.M))
        self.assertEqual(listed, known)
        for name in WRITTEN:
            named = set(re.findall(r"\bSlime-[A-Z][A-Za-z-]*[a-z]", page(name)))
            self.assertEqual(named - known - {OPERATORS_FIELD}, set(), name)

    def test_errors(self) -> None:
        """The README's table has every error that an application can see, with its status."""
        listed = {(int(row[0]), quoted(row[1])[0]) for row in table(page(README), "status")}
        self.assertEqual(listed, {(code.status, code.slug) for code in ErrorCode if code not in UNSEEN})

    def test_errors_in_passing(self) -> None:
        """Where a page says a status and a code in one breath, they belong together."""
        known = {(str(code.status), code.slug) for code in ErrorCode}
        for name in WRITTEN:
            named = set(re.findall(r"\b([45]\d\d)\s+(?:has\s+)?``([a-z-]+)``", page(name)))
            self.assertEqual(named - known, set(), name)

    def test_all_errors_are_documented(self) -> None:
        """The page of errors has all."""
        text = page("docs/errors.rst")
        for code in ErrorCode:
            self.assertIn(f"``{code.slug}``\n     - {code.wire}\n", text)

    def test_defaults(self) -> None:
        """The defaults in the table of limits are the settings' own."""
        known = {setting.flag: default_of(setting) for setting in settings()}
        for flag, default, _ in table(page(SECURITY), "setting"):
            said = "0" if default == "none" else default
            self.assertEqual(said, known[quoted(flag)[0]], flag)

    def test_links(self) -> None:
        """What the README links to is there, and so is every page that the documentation names."""
        for target in re.findall(r"<([\w/.-]+\.(?:rst|py))>`_", page(README)):
            self.assertTrue((ROOT / target).exists(), target)
        for name in WRITTEN:
            for target in re.findall(r"``((?:docs|tests|slime)/[\w/.-]+)``", page(name)):
                self.assertTrue((ROOT / target).exists(), f"{name}: {target}")

    def test_news(self) -> None:
        """The news begin with the version that this is."""
        release = slime.__version__.partition(".dev")[0]
        first = next(line for line in page(NEWS).splitlines()[2:] if line and line[0].isdigit())
        self.assertEqual(first.split()[0], release)


def _placeholder(match: re.Match[str]) -> str:
    """``token_id`` of the description is ``TOKEN-ID`` in text."""
    return match[1].upper().replace("_", "-")


def _command_lines(text: str) -> Iterator[tuple[str, set[str]]]:
    """Every command of slime's in the examples, and the options that it is given."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            command = next((one for one in CONFIGS if re.search(rf"(?:^|[=/ ]){one} ", f"{line} ")), None)
            if command is not None:
                given = f"{line} ".split(f"{command} ", 1)[1]
                yield command, {word.partition("=")[0] for word in shlex.split(given) if word.startswith("--")}


def section(text: str, title: str) -> str:
    """What stands under a heading."""
    rest = text.split(f"\n{title}\n{'-' * len(title)}\n", 1)[1]
    return re.split(r"\n[^\n]+\n---+\n", rest)[0]


@skipUnless(shutil.which("curl") and (PROGRAMS / "slime").exists(), "needs slime installed, and curl")
class FirstMinutesTests(SynchronousTestCase):
    """A stranger does what the README says."""

    def setUp(self) -> None:
        place = Path(self.mktemp())
        place.mkdir()
        self.place = place.absolute()
        self.environ = {
            "HOME": str(self.place),
            "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]]),
            "SLIME_HOST": "127.0.0.1",
            "SLIME_ADMIN": "off",
            "SLIME_PORT": "0",
        }
        self.ports: dict[str, str] = {}
        self.commands = list(blocks(section(page(README), "Five minutes")))

    def block(self, beginning: str) -> str:
        """The example that has this in it, with the ports that the system chose in place of the usual ones."""
        text = next(block for block in self.commands if beginning in block)
        for usual, chosen in self.ports.items():
            text = re.sub(rf"\b{usual}\b", chosen, text)
        return text

    def shell(self, commands: str, last: bool = False) -> Child:
        """A shell in the stranger's directory; the last of its commands takes its place."""
        script = f"cd {shlex.quote(str(self.place))}; {'exec ' if last else ''}{commands}"
        child = Child(commands.split()[0], ["sh", "-c", script], self.environ)
        self.addCleanup(child.end)
        return child

    def ask(self, beginning: str) -> list[str]:
        """What a curl command prints, but for its progress."""
        child = self.shell(self.block(beginning).replace("curl ", "curl -sS "))
        self.assertEqual(child.wait(PATIENCE), 0, child.lines)
        return child.lines

    def test_five_minutes(self) -> None:
        """Hub, token, toy and agent are started; a list and a stream come through."""
        made = self.shell(self.block("umask 077"))
        self.assertEqual(made.wait(PATIENCE), 0, made.lines)
        hub = self.shell(self.block("slime hub run"), last=True)
        self.ports["8080"] = hub.wait_for(r"listening on .*port=(\d+)", PATIENCE)[1]
        self.ports["8000"] = "0"
        toy = self.shell(self.block("slime.demo.upstream"), last=True)
        self.ports["8000"] = toy.wait_for(r'"port": (\d+)', PATIENCE)[1]
        self.shell(self.block("slime agent run"), last=True)
        hub.wait_for("agent desk joined with 1 slots", PATIENCE)
        self.assertIn('"toy"', self.ask("v1/models")[0])
        words = self.ask("-N")
        self.assertEqual(sum('"content"' in line for line in words), 20)
        self.assertIn("data: [DONE]", words)
