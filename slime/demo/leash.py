"""Run a program so that it ends when whoever started it ends, however that happened.

::

    python -m slime.demo.leash MODULE ARGUMENT...
    python -m slime.demo.leash MODULE:FUNCTION ARGUMENT...

The first form runs the module as ``python -m`` does, the second calls the function as a console command does.
The parent keeps the other end of this process's standard input open and writes nothing. When it closes (the
kernel closes it even for a parent killed outright), the program gets SIGTERM, and SIGKILL some seconds later.
"""

from __future__ import annotations

import importlib
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
    """Run the program that the first of ``arguments`` names, with the rest as its own arguments."""
    Thread(target=_end_with_parent, name="leash", daemon=True).start()
    sys.argv[1:] = arguments[1:]
    module, _, function = arguments[0].partition(":")
    if function:
        getattr(importlib.import_module(module), function)()
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    while os.read(0, 512):
        pass  # nobody writes here: only the end of file means something
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
