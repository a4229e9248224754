"""Files that settings name: read whole, and never without end."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from slime.files import LARGEST, content_of
from tests.test_cli import Case

ENDLESS = "/dev/zero: it is larger than 1 MiB, so another file must be meant"


class ContentTests(SynchronousTestCase):
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
        """Of both sides, their keys and their authorities."""
        agent = "agent check --hub https://localhost:1 --token t --upstream https://localhost:1 "
        for line, setting in (
            ("hub run --secret x --listen ssl:0:privateKey=", "listen: "),
            ("hub run --secret x --listen ssl:0:privateKey=/dev/null:certKey=", "listen: "),
            ("hub run --secret x --admin ssl:0:interface=127.0.0.1:privateKey=/dev/null:extraCertChain=", "admin: "),
            ("hub run --secret x --agent-ca=", "agent-ca: "),
            (agent + "--ca=", "ca: "),
            (agent + "--client-cert=", "client-cert: "),
            (agent + "--upstream-client-cert=", "upstream-client-cert: "),
        ):
            complaint = self.refused(*f"{line}/dev/zero".split())
            self.assertTrue(complaint.partition(": ")[2].startswith(setting), complaint)
            self.assertIn(f"cannot read {ENDLESS}", complaint)

    def test_kept_by_the_programs_themselves(self) -> None:
        """What a hub has revoked is in a file that may be longer, but not endless."""
        folder = self.home / "state"
        folder.mkdir()
        (folder / "revoked").symlink_to("/dev/zero")
        complaint = self.refused("hub", "run", "--secret", "x", "--state-dir", str(folder))
        self.assertIn(f"state-dir: cannot read {folder / 'revoked'}", complaint)
        self.assertIn("larger than 64 MiB", complaint)
