"""The manual pages: current, complete, and what the programs that show them can read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from slime.commands import COMMANDS
from slime.manual import EXAMPLE, main, pages, roff
from slime.reference import rows_of
from slime.sources import ALL_SETTINGS, read_file

MAN = Path(__file__).parent.parent / "man"


class ManualTests(SynchronousTestCase):
    """Pages that nobody writes by hand."""

    def test_current(self) -> None:
        """What is in the folder is what the tables say; ``make man`` writes it."""
        self.assertEqual({path.name: path.read_text("utf-8") for path in MAN.iterdir()}, pages())
        place = Path(self.mktemp())
        main(str(place))
        self.assertEqual({path.name for path in place.iterdir()}, set(pages()))

    def test_complete(self) -> None:
        """Every command, every option and every setting has its place."""
        found = pages()
        for command in COMMANDS:
            self.assertIn(rf"\fB{roff(' '.join([*command.words, command.operand]).strip())}\fR", found["slime.1"])
            for setting in rows_of(command):
                page = found["-".join(["slime", *command.words]) + ".1"]
                self.assertRegex(page, rf"(?m)^\\fB{re.escape(roff(setting.flag))}( |=|\\fR)")
        for setting in ALL_SETTINGS:
            self.assertIn(rf"\fB{roff(setting.key)}\fR: ", found["slime.yaml.5"])

    def test_example(self) -> None:
        """The file that is shown can be read."""
        path = Path(self.mktemp())
        path.write_text("\n".join(EXAMPLE))
        self.assertEqual(len(read_file(path, ALL_SETTINGS)), len(EXAMPLE))

    def test_letter_for_letter(self) -> None:
        """Nothing in a text is a command of roff's."""
        for text, expected in (
            (".PP", r"\&.PP"), ("--a-b", r"\-\-a\-b"), ("'x' `y`", r"\(aqx\(aq \(gay\(ga"), (r"\n", r"\en"),
            ("~/.slime.yaml", r"\(ti/.slime.yaml"),
        ):  # fmt: skip
            self.assertEqual(roff(text), expected)

    def complaints(self, program: str, *arguments: str) -> str:
        """What a program has to say of all pages."""
        found = shutil.which(program)
        if found is None:
            raise SkipTest(f"{program} is not installed")
        paths = [str(path) for path in sorted(MAN.iterdir())]
        result = subprocess.run([found, *arguments, *paths], capture_output=True, text=True, timeout=60,
                                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})  # fmt: skip
        return result.stderr + (result.stdout if program == "mandoc" else "")

    def test_mandoc(self) -> None:
        self.assertEqual(self.complaints("mandoc", "-T", "lint", "-W", "warning"), "")

    def test_man(self) -> None:
        self.assertEqual(self.complaints("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"), "")
