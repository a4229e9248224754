"""The units: what systemd thinks of them, and whether slime has what they ask for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from slime.settings import AgentConfig, HubConfig, settings_of
from slime.sources import load_agent, load_hub

UNITS = Path(__file__).parent.parent / "systemd"
PROGRAM = "/opt/slime/bin/slime"

#: What `systemd-analyze security` calls medium begins at 3.
WORST_EXPOSURE = 3.0


def directives(unit: str, name: str) -> list[str]:
    """The values of a directive, in order."""
    return re.findall(rf"^{name}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)


class UnitTests(SynchronousTestCase):
    """The units as systemd sees them."""

    def analyze(self, *arguments: str) -> str:
        """Run systemd-analyze; what it says."""
        program = shutil.which("systemd-analyze")
        if program is None:
            raise SkipTest("systemd-analyze is not installed")
        environ = {**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_EMOJI": "0"}
        result = subprocess.run([program, *arguments], capture_output=True, text=True, env=environ, timeout=60)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def copies(self) -> list[str]:
        """The units, with a program in them that is there."""
        place = Path(self.mktemp()).absolute()
        place.mkdir()
        for path in UNITS.iterdir():
            (place / path.name).write_text(path.read_text().replace(PROGRAM, "/bin/true"))
        return [str(path) for path in place.iterdir()]

    def test_verify(self) -> None:
        """systemd understands every word."""
        units = self.copies()
        self.assertEqual(len(units), 3)
        self.assertEqual(self.analyze("verify", "--man=no", *units), "")

    def test_security(self) -> None:
        """Little is left to whoever takes a process over."""
        for unit in UNITS.glob("*.service"):
            said = self.analyze("security", "--offline=true", str(unit))
            found = re.search(r"exposure level for \S+: ([\d.]+)", said)
            assert found is not None, said
            self.assertLess(float(found[1]), WORST_EXPOSURE, unit.name)


class CommandTests(SynchronousTestCase):
    """The units as slime sees them."""

    def test_hub(self) -> None:
        """The hub's command line and credentials are settings, and the endpoint is one of Twisted's."""
        (command,) = directives("slime-hub.service", "ExecStart")
        program, *words = command.split()
        self.assertEqual((program, words[:2]), (PROGRAM, ["hub", "run"]))
        config = load_hub(words[2:], {"CREDENTIALS_DIRECTORY": self.credentials("slime-hub.service", HubConfig)})
        self.assertEqual((config.secret, config.app_password), (b"content", b"content"))
        (endpoint,) = config.listen
        (name,) = directives("slime-hub.socket", "FileDescriptorName")
        self.assertEqual(endpoint, f"systemd:domain=INET:name={name}")
        # The unit's socket is not here, so the endpoint that names it is made only as far as the name.
        self.assertRaises(KeyError, serverFromString, MemoryReactor(), endpoint)

    def test_agent(self) -> None:
        """So is the agent's."""
        (command,) = directives("slime-agent@.service", "ExecStart")
        self.assertEqual(command.split(), [PROGRAM, "agent", "run"])
        comments = (UNITS / "slime-agent@.service").read_text()
        environ = dict(re.findall(r"(SLIME_[A-Z]+)=(\S+?)[ .]*$", comments.split("[Unit]")[0].replace(" and", "\n"),
                                  re.MULTILINE))  # fmt: skip
        environ["CREDENTIALS_DIRECTORY"] = self.credentials("slime-agent@.service", AgentConfig)
        self.assertEqual(load_agent([], environ, str).token, "content")

    def credentials(self, unit: str, config: type) -> str:
        """A directory with the unit's credentials, each of them a secret among the settings."""
        place = Path(self.mktemp()).absolute()
        place.mkdir()
        secrets = {setting.key for setting in settings_of(config) if setting.secret}
        for value in directives(unit, "LoadCredential"):
            name = value.partition(":")[0]
            self.assertIn(name, secrets)
            (place / name).write_text("content\n")
        return str(place)

    def test_time_to_stop(self) -> None:
        """systemd waits longer than a process takes to end."""
        for unit, config in (("slime-hub.service", HubConfig), ("slime-agent@.service", AgentConfig)):
            (stop,) = directives(unit, "TimeoutStopSec")
            self.assertGreater(float(stop.removesuffix("s")), config.grace + 10)

    def test_no_write_execute(self) -> None:
        """What TLS cannot live with is not in a unit; see the comment there."""
        for unit in UNITS.glob("*.service"):
            self.assertEqual(directives(unit.name, "MemoryDenyWriteExecute"), [])
