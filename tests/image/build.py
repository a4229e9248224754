"""Carries out ``docker/Dockerfile`` in a folder that debootstrap has filled, with ``chroot``, as root."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["ROOT", "Image", "Stage", "run"]

ROOT = Path(__file__).parents[2]
SUITE = "bookworm"
#: What the base image has besides Debian's smallest system. Its Python is a later one than Debian's.
BASE = "ca-certificates,python3,python3-venv"
#: How pip is set up on this machine: wherever it gets packages from, it does so in the folder.
PIP_CONFIG = ("/etc/pip.conf", "/etc/resolv.conf", "/etc/hosts")


def run(*command: str | Path, env: dict[str, str] | None = None, output: bool = False) -> str:
    """Run a program that must succeed; what it says, if that is wanted."""
    done = subprocess.run(command, env=env, check=True, text=True, stdout=subprocess.PIPE if output else sys.stderr)
    return done.stdout or ""


def instructions() -> Iterator[tuple[str, str]]:
    """The Dockerfile's instructions, each with what follows it."""
    text = re.sub(r"^#.*\n", "", (ROOT / "docker" / "Dockerfile").read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line:
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


class Stage:
    """A root directory on its way to an image.

    :ivar environ: the variables that it has set.
    :ivar user: who its programs run as.
    """

    def __init__(self, place: Path, base: Path) -> None:
        run("cp", "--archive", base, place)
        self.place = place
        self.cwd = "/"
        self.user = "0:0"
        self.environ = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}

    def inside(self, path: str) -> Path:
        """Where something of the stage's is in this machine's files."""
        return self.place / os.path.join(self.cwd, path).lstrip("/")

    def workdir(self, rest: str) -> None:
        """WORKDIR."""
        self.cwd = rest
        self.inside(".").mkdir(parents=True, exist_ok=True)

    def env(self, rest: str) -> None:
        """ENV: values may name variables that are there already."""
        for word in shlex.split(rest):
            name, _, value = word.partition("=")
            self.environ[name] = re.sub(r"\$(\w+)", lambda match: self.environ[match[1]], value)

    def run(self, rest: str) -> None:
        """RUN, with this machine's ways to its packages."""
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        script = f"cd {shlex.quote(self.cwd)} && {rest}"
        run("chroot", self.place, "/bin/sh", "-euc", script, env={**pip, **self.environ, "HOME": "/root"})

    def copy(self, words: Sequence[str], origin: Path) -> None:
        """COPY; folders give their content."""
        *sources, target = words
        place = self.inside(target)
        if target.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        for source in sources:
            found = origin / source.lstrip("/")
            if found.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "dropin.cache") if origin == ROOT else None
                shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True, ignore=ignore)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)


class Image:
    """What the Dockerfile makes.

    :param place: a folder for everything; as large as the system, three times.
    :ivar stage: the last one, which is the image.
    :ivar said: what the other instructions say, by their names.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.base = place / "base"
        self.stages: list[Stage] = []
        self.said: dict[str, str] = {}
        self._make_base()
        for word, rest in instructions():
            sys.stderr.write(f"--- {word} {rest}\n")
            self._carry_out(word, rest)

    @property
    def stage(self) -> Stage:
        """The one that is being made, and in the end the image."""
        return self.stages[-1]

    def _make_base(self) -> None:
        run("debootstrap", "--variant=minbase", f"--include={BASE}", SUITE, self.base)
        (self.base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        certificates = os.environ.get("PIP_CERT", "")
        for name in filter(os.path.exists, (*PIP_CONFIG, certificates)):
            copy = self.base / name.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, copy)

    def _carry_out(self, word: str, rest: str) -> None:
        if word == "FROM":
            self.stages.append(Stage(self.place / f"stage{len(self.stages)}", self.base))
        elif word == "RUN":
            self.stage.run(rest)
        elif word == "WORKDIR":
            self.stage.workdir(rest)
        elif word == "ENV":
            self.stage.env(rest)
        elif word == "COPY":
            words = shlex.split(rest)
            built = words[0] == "--from=build"
            self.stage.copy(words[built:], self.stages[0].place if built else ROOT)
        elif word == "USER":
            self.stage.user = rest
        else:
            self.said[word] = rest
