"""Where state is kept."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from slime.state import state_dir


class StateDirTests(SynchronousTestCase):
    def test_given(self) -> None:
        self.assertEqual(state_dir(Path("somewhere")), Path("somewhere"))

    def test_home(self) -> None:
        self.patch(os, "environ", {**os.environ, "HOME": "/home/ada"})
        self.assertEqual(state_dir(None), Path("/home/ada/.local/state/slime"))

    def test_homeless(self) -> None:
        """A directory called ``~`` in whatever directory the process was started is nobody's wish."""
        self.patch(os.path, "expanduser", str)
        self.assertIn("--state-dir", str(self.assertRaises(ValueError, state_dir, None)))
