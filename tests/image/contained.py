"""Programs of the image, contained as far as that is possible without a container engine."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from slime.demo.children import Child
from tests.image.build import Stage

__all__ = ["Container"]

#: Its root read-only, its /proc its own, one folder to write into, and no privileges: then the program itself.
ENTER = """
mount --make-rprivate /
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1$3"
shift 3
exec chroot "$@"
"""


class Container:
    """One program of the image, running as its first process.

    :param volume: what is mounted, for it to write, where the image works.
    """

    def __init__(self, name: str, stage: Stage, volume: Path, words: list[str], environ: dict[str, str]) -> None:
        user, group = stage.user.split(":")
        self._stage = stage
        self._drop = [
            "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--bounding-set=-all",
            "--inh-caps=-all", "--no-new-privs",
        ]  # fmt: skip
        variables = [f"{key}={value}" for key, value in {**stage.environ, **environ}.items()]
        program = ["env", "--ignore-environment", f"--chdir={stage.cwd}", *variables, *words]
        place = str(stage.place)
        self.child = Child(name, [
            "unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "sh", "-euc", ENTER, "sh",
            place, str(volume), stage.cwd, place, *self._drop, *program,
        ])  # fmt: skip

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another program in the same container."""
        first = self._first()
        variables = [f"{key}={value}" for key, value in self._stage.environ.items()]
        return subprocess.run(
            ["nsenter", f"--target={first}", "--mount", "--pid", "chroot", str(self._stage.place), *self._drop,
             "env", "--ignore-environment", *variables, *words],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip

    def end(self) -> None:
        """SIGTERM for the first process, as an engine sends it; the rest goes with it."""
        if self.child.status is None:
            os.kill(self._first(), signal.SIGTERM)
        self.child.result(60)

    def _first(self) -> int:
        """The container's first process, as this machine numbers it."""
        return int(Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()[0])
