"""Run a module so that it ends when whoever started it ends, however that happened.

::

    python -m slime.demo.leash MODULE ARGUMENT...

The parent keeps the other end of this process's standard input open and writes nothing. When it closes (the
kernel closes it even for a parent killed outright), the module gets SIGTERM, and SIGKILL some seconds later.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from threading import Thread
from time import sleep

__all__ = ["PATIENCE", "main"]

PATIENCE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


def main(arguments: list[str]) -> None:
    """Run the module that ``arguments`` names as ``__main__``, with the rest as its own arguments."""
    Thread(target=_end_with_parent, name="leash", daemon=True).start()
    sys.argv[1:] = arguments[1:]
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    while os.read(0, 512):
        pass  # nobody writes here: only the end of file means something
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
