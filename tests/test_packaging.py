"""What is built and installed elsewhere has everything in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from slime.manual import pages
from tests.test_layering import MODULES

ROOT = Path(__file__).parent.parent
SOURCES = ("slime", "twisted", "man", "README.rst", "LICENSE", "setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in")


class PackagingTests(SynchronousTestCase):
    """Built from a copy of the sources, installed into environments of their own."""

    def setUp(self) -> None:
        self.place = Path(self.mktemp()).absolute()
        self.sources = self.place / "sources"
        self.sources.mkdir(parents=True)
        leave = shutil.ignore_patterns("__pycache__", "dropin.cache")
        for name in SOURCES:
            origin = ROOT / name
            if origin.is_dir():
                shutil.copytree(origin, self.sources / name, ignore=leave)
            elif origin.exists():
                shutil.copy(origin, self.sources / name)

    def run_program(self, *command: str | Path) -> str:
        """Run a program to its end; what it says."""
        home = {"HOME": str(self.place), "PATH": os.environ["PATH"]}
        environ = {**home, **{name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_"))}}
        result = subprocess.run(command, cwd=self.place, env=environ, capture_output=True, text=True, timeout=300)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def environment(self, *install: str | Path) -> Path:
        """A fresh environment with something installed; its programs.

        What slime depends on comes from the environment of the tests, which has the exact versions, by way of a path
        file: this is about what *we* install.
        """
        place = self.place / "environment"
        venv.create(place, clear=True, with_pip=False)
        (site,) = place.glob("lib/python*/site-packages")
        ours = [path for path in sys.path if path.endswith("site-packages")]
        (site / "dependencies.pth").write_text("\n".join(ours))
        self.run_program(
            place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--ignore-installed", *install,
        )  # fmt: skip
        return place / "bin"

    def check(self, programs: Path) -> None:
        """Both services and the command are there, and come from what was installed."""
        listed = self.run_program(programs / "python", "-c", TWISTD, "--help")
        for name in ("slime-hub", "slime-agent"):
            self.assertIn(f"    {name} ", listed)
            self.assertIn("What it needs:", self.run_program(programs / "python", "-c", TWISTD, name, "--help"))
        self.assertIn("slime ", self.run_program(programs / "slime", "version"))
        where = self.run_program(programs / "python", "-c", "import slime; print(slime.__file__)")
        self.assertTrue(Path(where).is_relative_to(self.place), where)

    def test_wheel(self) -> None:
        """A wheel has every module, the plugins, the mark of typed packages and the licence, and runs."""
        self.run_program(
            sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
            "--wheel-dir", self.place, self.sources,
        )  # fmt: skip
        (wheel,) = self.place.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            held = set(archive.namelist())
        packages = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("slime/**/*.py")}
        self.assertEqual({*packages, "slime/py.typed", "twisted/plugins/slime_plugins.py"} - held, set())
        self.assertEqual(len(packages), len(MODULES))
        self.assertNotIn("twisted/plugins/__init__.py", held)
        self.assertTrue(any(name.endswith("/LICENSE") for name in held))
        programs = self.environment(wheel)
        self.check(programs)
        manual = programs.parent / "share" / "man"
        self.assertEqual({path.name for path in manual.glob("man[15]/*.[15]")}, set(pages()))

    def test_editable(self) -> None:
        """An editable installation runs from its sources."""
        self.check(self.environment("-e", self.sources))


TWISTD = "from twisted.scripts.twistd import run; run()"
