"""Files that settings name: read whole, and never without end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from slime import files
from slime.files import LARGEST, content_of, lasting_content_of
from slime.sources import load_hub
from tests.certificates import Authority
from tests.test_cli import Case

LARGE = "it is larger than 1 MiB, so another file must be meant"
ENDLESS = f"/dev/zero: {LARGE}"
SILENT = "it is a pipe or a device, and nothing comes out of it: start what writes to it, or name another file"
UNENDED = "it is a pipe or a device, and its end does not come: what writes to it has to close it"
PASSING = "it is a pipe or a device, and this has to be a file, because it is read more than once"


class Pipes(SynchronousTestCase):
    """Tests with pipes that have names."""

    def pipe(self) -> Path:
        """One that nobody writes to."""
        path = Path(self.mktemp())
        os.mkfifo(path)
        return path

    def fed(self, text: str) -> Path:
        """One that somebody writes this to, once."""
        path = self.pipe()
        writer = subprocess.Popen(["sh", "-c", 'printf %s "$1" > "$2"', "sh", text, str(path)])
        self.addCleanup(writer.wait)
        self.addCleanup(writer.kill)
        return path


class ContentTests(Pipes):
    def test_size(self) -> None:
        """As much as there may be is read, and a byte more is refused."""
        path = Path(self.mktemp())
        path.write_bytes(b"x" * LARGEST)
        self.assertEqual(content_of(path), b"x" * LARGEST)
        with path.open("ab") as file:
            file.write(b"x")
        self.assertRaises(OSError, content_of, path)

    def test_pipe(self) -> None:
        """It comes in pieces; a secret may come by one that a shell has made."""
        end, start = os.pipe()
        self.addCleanup(os.close, end)
        with os.fdopen(start, "wb", 0) as pipe:
            pipe.write(b"x" * 1000)
            pipe.write(b"y")
        self.assertEqual(content_of(Path(f"/dev/fd/{end}")), b"x" * 1000 + b"y")

    def test_named_pipe(self) -> None:
        """Whoever writes to it may come late."""
        self.assertEqual(content_of(self.fed("secret")), b"secret")
        self.assertEqual(content_of(self.fed("")), b"")

    def refusal(self, path: Path) -> OSError:
        """Why nothing is read, once all patience is at its end."""
        self.patch(files, "PATIENCE", 0.0)
        error: OSError = self.assertRaises(OSError, content_of, path)
        self.assertEqual(error.filename, str(path))
        return error

    def test_nobody_writes(self) -> None:
        self.assertEqual(self.refusal(self.pipe()).strerror, SILENT)

    def test_without_end(self) -> None:
        """Whoever writes may forget to close it."""
        path = self.pipe()
        with open(os.open(path, os.O_RDWR), "wb", buffering=0) as writer:
            self.assertEqual(self.refusal(path).strerror, SILENT)
            writer.write(b"x")
            self.assertEqual(self.refusal(path).strerror, UNENDED)

    def test_slow_disk(self) -> None:
        """Files of the usual kind are waited for in any case, and folders are none."""
        self.patch(files, "PATIENCE", 0.0)
        path = Path(self.mktemp())
        path.write_bytes(b"x")
        self.assertEqual((content_of(path), lasting_content_of(path)), (b"x", b"x"))
        for read in (content_of, lasting_content_of):
            error = self.assertRaises(IsADirectoryError, read, path.parent)
            self.assertEqual(error.filename, str(path.parent))

    def test_read_more_than_once(self) -> None:
        """What is read from a pipe is gone."""
        error = self.assertRaises(OSError, lasting_content_of, path := self.pipe())
        self.assertEqual((error.strerror, error.filename), (PASSING, str(path)))


class PipeTests(Case, Pipes):
    """Each setting that names a file, with a pipe that has a name."""

    def test_secrets(self) -> None:
        """Of every command; and the file with the settings themselves."""
        self.patch(files, "PATIENCE", 0.0)
        path = self.pipe()
        for line, setting in (
            ("hub run --secret-file", f"secret: --secret-file names {path}"),
            ("hub register --name n --secret-file", f"secret: --secret-file names {path}"),
            ("hub status --admin-token-file", f"admin-token: --admin-token-file names {path}"),
            ("agent check --token-file", f"token: --token-file names {path}"),
            ("agent run --config", f"config: cannot read {path}"),
        ):
            command = " ".join(line.split()[:2])
            self.assertEqual(self.refused(*line.split(), str(path)), f"slime {command}: {setting}: {SILENT}")

    def test_read_once(self) -> None:
        """What somebody writes there once is all there is."""
        config = load_hub(["--secret-file", str(self.fed("s")), "--app-password-file", str(self.fed("p"))], {})
        self.assertEqual((config.secret, config.app_password), (b"s", b"p"))

    def test_certificates(self) -> None:
        """They are read more than once, some of them by others."""
        path = self.pipe()
        certificate, key = Authority().issued.write(self.home / "tls", "a")
        agent = "agent run --hub https://localhost:1 --token t --upstream https://localhost:1"
        hub = "hub run --secret x"
        for line in (
            f"{hub} --listen ssl:0:privateKey={path}",
            f"{hub} --listen ssl:0:privateKey={key}:certKey={path}",
            f"{hub} --admin ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}:extraCertChain={path}",
            f"{hub} --agent-ca {path}",
            f"{agent} --ca {path}",
            f"{agent} --client-cert {path}",
            f"{agent} --upstream-client-cert {certificate} --upstream-client-key {path}",
        ):
            self.assertIn(f"cannot read {path}: {PASSING}", self.refused(*line.split()))

    def test_kept_by_the_programs_themselves(self) -> None:
        """What a hub has revoked has to last, too."""
        folder = self.home / "state"
        folder.mkdir()
        os.mkfifo(folder / "revoked")
        complaint = self.refused("hub", "run", "--secret", "x", "--state-dir", str(folder))
        self.assertIn(f"state-dir: cannot read {folder / 'revoked'}", complaint)
        self.assertIn(PASSING, complaint)


class EndlessTests(Case):
    """Each setting that names a file, with one that has no end."""

    def test_secrets(self) -> None:
        """Of every command; and the file with the settings themselves."""
        for line, setting in (
            ("hub run --secret-file", "secret: --secret-file names"),
            ("hub run --secret x --app-password-file", "app-password: --app-password-file names"),
            ("hub register --name n --secret-file", "secret: --secret-file names"),
            ("hub status --admin-token-file", "admin-token: --admin-token-file names"),
            ("agent check --token-file", "token: --token-file names"),
            ("agent run --config", "config: cannot read"),
        ):
            command = " ".join(line.split()[:2])
            self.assertEqual(self.refused(*line.split(), "/dev/zero"), f"slime {command}: {setting} {ENDLESS}")

    def test_certificates(self) -> None:
        """Of both sides, their keys and their authorities; as these have to be files, one that is too large."""
        path = self.home / "image"
        path.touch()
        os.truncate(path, LARGEST + 1)
        certificate, key = Authority().issued.write(self.home / "tls", "a")
        pair = f"privateKey={key}:certKey={certificate}"
        agent = "agent check --hub https://localhost:1 --token t --upstream https://localhost:1 "
        for line, setting in (
            ("hub run --secret x --listen ssl:0:privateKey=", "listen: "),
            (f"hub run --secret x --listen ssl:0:privateKey={key}:certKey=", "listen: "),
            (f"hub run --secret x --admin ssl:0:interface=127.0.0.1:{pair}:extraCertChain=", "admin: "),
            ("hub run --secret x --agent-ca=", "agent-ca: "),
            (agent + "--ca=", "ca: "),
            (agent + "--client-cert=", "client-cert: "),
            (agent + "--upstream-client-cert=", "upstream-client-cert: "),
        ):
            complaint = self.refused(*f"{line}{path}".split())
            self.assertTrue(complaint.partition(": ")[2].startswith(setting), complaint)
            self.assertIn(f"cannot read {path}: {LARGE}", complaint)

    def test_kept_by_the_programs_themselves(self) -> None:
        """What a hub has revoked is in a file that may be longer, but not without end."""
        folder = self.home / "state"
        folder.mkdir()
        (folder / "revoked").touch()
        os.truncate(folder / "revoked", 64 * LARGEST + 1)
        complaint = self.refused("hub", "run", "--secret", "x", "--state-dir", str(folder))
        self.assertIn(f"state-dir: cannot read {folder / 'revoked'}", complaint)
        self.assertIn("larger than 64 MiB", complaint)
