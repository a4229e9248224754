"""The drawing of the demonstration."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from slime.demo.timeline import Span, draw


class DrawTests(SynchronousTestCase):
    """Lines for a terminal."""

    def test_nothing(self) -> None:
        """Nothing happened, nothing is drawn."""
        self.assertEqual(draw([]), [])

    def test_rows(self) -> None:
        """A row for each name in the order in which they come, bars as long as what they stand for."""
        spans = [Span("b", "1", 10.0, 10.5), Span("b", "2", 10.5, 11.0), Span("aa", "3", 10.25, 10.75)]
        self.assertEqual(draw(spans, width=20), [
            "    0 s       0.5 s     1 s",
            "b   |1========|2========",
            "aa       |3========",
        ])

    def test_short(self) -> None:
        """What is too short for its label is still there."""
        self.assertEqual(draw([Span("a", "label", 0.0, 0.0), Span("a", "z", 0.5, 1.0)], width=10)[1], "a  |    |z===")

    def test_instant(self) -> None:
        """A show of no length at all can be drawn."""
        self.assertEqual(draw([Span("a", "x", 5.0, 5.0)], width=10)[1], "a  |")

    def test_long(self) -> None:
        """Marks have room for their numbers, however long it took."""
        scale, _ = draw([Span("a", "x", 0.0, 47.0)], width=40)
        self.assertEqual(scale.split(), ["0", "s", "10", "s", "20", "s", "30", "s", "40", "s"])
