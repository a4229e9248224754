"""An agent's id: its own, and the same after a restart."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from slime.agent.identity import given_ids, kept_ids


class GivenTests(SynchronousTestCase):
    def test_one(self) -> None:
        self.assertEqual(given_ids("gpu", 1), ["gpu"])

    def test_several(self) -> None:
        self.assertEqual(given_ids("gpu", 3), ["gpu-1", "gpu-2", "gpu-3"])


class KeptTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "deep" / "state"

    def test_same_after_restart(self) -> None:
        first = kept_ids(self.folder, ["http://a", "http://b"])
        self.assertEqual(kept_ids(self.folder, ["http://b", "http://a"]), first[::-1])

    def test_each_upstream_has_its_own(self) -> None:
        """Even one that is mentioned twice: hubs would have the two evict each other for ever."""
        ids = kept_ids(self.folder, ["http://a", "http://a", "http://b"])
        self.assertEqual(len(set(ids)), 3)
        self.assertEqual(kept_ids(self.folder, ["http://a"]), ids[:1])

    def test_names_of_files_tell_nothing(self) -> None:
        kept_ids(self.folder, ["http://secret.example"])
        (name,) = os.listdir(self.folder)
        self.assertNotIn("secret", name)

    def test_garbage_is_replaced(self) -> None:
        (before,) = kept_ids(self.folder, ["http://a"])
        (file,) = self.folder.iterdir()
        for garbage in ("", "two words\n", "é"):
            file.write_text(garbage, "utf-8")
            (after,) = kept_ids(self.folder, ["http://a"])
            self.assertNotEqual(after, before)
            self.assertEqual(kept_ids(self.folder, ["http://a"]), [after])

    def test_folder_that_cannot_be_written(self) -> None:
        self.folder.parent.mkdir(parents=True)
        self.folder.write_text("a file")
        with capturedLogs() as events:
            ids = kept_ids(self.folder, ["http://a", "http://b"])
        self.assertEqual((len(set(ids)), len(events)), (2, 2))
