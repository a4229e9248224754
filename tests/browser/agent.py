"""``slime agent run`` on a machine that it was told of: pictures want some variety."""

from __future__ import annotations

import json
import os

from slime.agent import service
from slime.cli import main as slime

__all__ = ["main"]


def main() -> None:
    """Run the command with the hardware that ``SCENE_HARDWARE`` says."""
    service.hardware = lambda macs: json.loads(os.environ["SCENE_HARDWARE"])
    slime()
