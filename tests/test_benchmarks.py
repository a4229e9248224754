"""The benchmark suite itself: that its figures say what they should. Says nothing of speed."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.__main__ import main
from benchmarks.figures import Figure, at_least, at_most, page, records, show, table
from benchmarks.plan import take_turns
from benchmarks.relay import Lane
from benchmarks.streams import Delays, Unchunker


class FigureTests(SynchronousTestCase):
    """Figures, ratios, goals."""

    figures = (
        Figure("part", "reference", "answers/s", [100.0, 300.0, 200.0]),
        Figure("part", "slime", "answers/s", [40.0, 20.0, 30.0], "reference", at_least(0.1)),
        Figure("part", "slime", "latency, ms", [1.5], goal=at_most(1.0)),
        Figure("part", "slime", "other", [0.0], "nobody"),
    )

    def test_records(self) -> None:
        """Medians count; a goal is held against the ratio where there is one, else against the median."""
        found = [(record["median"], record["ratio"], record["met"]) for record in records(self.figures)]
        self.assertEqual(found, [(200.0, None, None), (30.0, 0.15, True), (1.5, None, False), (0.0, None, None)])

    def test_table(self) -> None:
        """A line a figure, under headings."""
        heading, _, slime, short, _ = table(self.figures).splitlines()
        self.assertEqual(heading.split(), ["part", "subject", "measure", "median", "range", "ratio", "goal"])
        self.assertEqual(slime.split(), "part slime answers/s 30 20 .. 40 0.150 >= 0.1 met".split())
        self.assertTrue(short.endswith("<= 1  SHORT"))

    def test_page(self) -> None:
        """A list for the documentation, with the machine in front."""
        lines = page(self.figures, {"cores": "2"}).splitlines()
        self.assertEqual((lines[0], lines[2]), (":cores: 2", ".. list-table::"))
        self.assertEqual(sum(line.startswith("   * - ") for line in lines), 5)

    def test_show(self) -> None:
        """As many digits as mean something."""
        shown = [show(value) for value in (0, 0.01234, 1.0, 12.34, 1234.5)]
        self.assertEqual(shown, ["0", "0.0123", "1", "12.3", "1,234"])

    def test_turns(self) -> None:
        """Each round takes every subject once."""
        log: list[str] = []
        results = take_turns(2, {"a": lambda: log.append("a"), "b": lambda: log.append("b")})
        self.assertEqual((log, results), (["a", "b", "a", "b"], {"a": [None, None], "b": [None, None]}))


class StreamTests(SynchronousTestCase):
    """Reading streams."""

    def test_pieces(self) -> None:
        """Chunks come out whole, however they came in."""
        reader, body = Unchunker(), b""
        for byte in b"3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n":
            body += reader.feed(bytes([byte]))
        self.assertEqual((body, reader.ended), (b"abcde", True))

    def test_percentile(self) -> None:
        """The share of events that were no later."""
        delays = Delays([float(number) for number in range(100)])
        self.assertEqual([delays.percentile(percent) for percent in (0, 50, 99, 100)], [0.0, 50.0, 99.0, 99.0])


class LaneTests(SynchronousTestCase):
    """Distance."""

    def test_delay(self) -> None:
        """Everything comes later by the same time, in order, the end too."""
        clock, exit_ = Clock(), StringTransport()
        lane = Lane(clock, 0.5)
        lane.exit = exit_
        lane.put(b"a")
        clock.advance(0.25)
        lane.put(b"b")
        lane.put(b"")
        clock.advance(0.25)
        self.assertEqual((exit_.value(), exit_.disconnecting), (b"a", False))
        clock.advance(0.25)
        self.assertEqual((exit_.value(), exit_.disconnecting), (b"ab", True))


class SmokeTests(SynchronousTestCase):
    """The command."""

    def test_one_part(self) -> None:
        """A part runs, briefly, and its figures are printed and kept; no other program is needed for it."""
        file, said = Path(self.mktemp()), StringIO()
        with redirect_stdout(said), redirect_stderr(StringIO()):
            status = main(["--smoke", "first", "--json", str(file)])
        self.assertIn(status, (0, 1))
        self.assertIn("first event later by, ms", said.getvalue())
        self.assertEqual(len(json.loads(file.read_text())["figures"]), 2)

    def test_unknown_part(self) -> None:
        """A part that there is not is a mistake."""
        with redirect_stderr(StringIO()):
            self.assertEqual(self.assertRaises(SystemExit, main, ["nonsense"]).code, 2)
