"""The tests themselves: all of them are run, and what has to be covered whole exists."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.test_layering import MODULES, ROOT
from tests.whole import WHOLE, patterns


class SuiteTests(SynchronousTestCase):
    """What ``make test`` does."""

    def test_all_are_run(self) -> None:
        """Each package of tests has its place in the Makefile; what trial would not look at has, too."""
        makefile = (ROOT / "Makefile").read_text("utf-8")
        for path in ROOT.glob("tests/*/test_*.py"):
            self.assertRegex(makefile, rf"\btests\.{path.parent.name}\b")
        for path in ROOT.glob("tests/*/check_*.py"):
            self.assertRegex(makefile, rf"\btests\.{path.parent.name}\.{path.stem}\b")

    def test_whole(self) -> None:
        """A name that nothing has would be covered whole without a word."""
        self.assertEqual(set(WHOLE) - set(MODULES), set())
        named = re.findall(r"[\w/]+\.py", patterns())
        self.assertEqual(len(named), len(WHOLE))
