"""A short history of faults, and the oracle that judges histories."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.history.book import Book, Call, End, Fault, Visit
from benchmarks.history.oracle import violations
from benchmarks.history.run import Plan, take


class HistoryTests(SynchronousTestCase):
    """Whole programs, killed and stopped and cut off while they work."""

    timeout = 90

    def test_nothing_lost(self) -> None:
        """Each kind of fault once: zero violations, and most of the faults met running requests."""
        result = take(Plan(faults=7, pause=1.5, seed=2))
        self.assertEqual(result.violations, [], result)
        self.assertGreaterEqual(sum(fault.hit > 0 for fault in result.book.faults), 3, result)


class OracleTests(SynchronousTestCase):
    """The oracle sees what it is there for. One fault, from 100 to 101; requests long before it and long after."""

    def setUp(self) -> None:
        self.book = Book({"a": 1}, faults=[Fault("agent killed", 100.0, 101.0)], began=0.0)
        self.visit("peace", 120.0)

    def visit(self, key: str, began: float) -> None:
        """The upstream sees a request."""
        self.book.visits.append(Visit(key, "a", began, began + 0.1))

    def call(self, sent: float, end: End = End.OK, repeatable: bool = False, started: str = "", key: str = "c") -> None:
        """A caller's request, which takes a second."""
        self.book.calls.append(Call(key, repeatable, sent, sent + 1, end, "", started))

    def judge(self, *words: str) -> None:
        """One violation for each word, which is in it."""
        found = violations(self.book)
        self.assertEqual(len(found), len(words), found)
        for word, sentence in zip(words, found, strict=True):
            self.assertIn(word, sentence)

    def test_good(self) -> None:
        """A right answer, and an error that a fault explains."""
        self.visit("c", 10.5)
        self.call(10.0)
        self.call(100.5, End.ERROR, key="d")
        self.judge()

    def test_unexplained_error(self) -> None:
        """An error long before or after any fault."""
        self.call(50.0, End.ERROR)
        self.call(110.0, End.CUT)
        self.judge("no fault", "no fault")

    def test_wrong_answer(self) -> None:
        """Whatever the faults."""
        self.visit("c", 100.5)
        self.call(100.5, End.WRONG)
        self.judge("wrong")

    def test_ran_twice(self) -> None:
        """Only who allowed it may run twice."""
        for began in (10.1, 10.5):
            self.visit("c", began)
        self.call(10.0, repeatable=True)
        self.judge()
        self.book.calls[0].repeatable = False
        self.judge("ran 2 times")

    def test_wrong_word_on_the_beginning(self) -> None:
        """``Slime-Started: no`` of a request that an upstream saw."""
        self.visit("c", 100.1)
        self.call(100.0, End.ERROR, started="no")
        self.judge("had begun")

    def test_answer_from_nowhere(self) -> None:
        """A right answer that no upstream gave."""
        self.call(10.0)
        self.judge("no upstream saw it")

    def test_idle_upstream(self) -> None:
        """An upstream that gets nothing after the last fault."""
        self.book.slots["b"] = 1
        self.judge("b has nothing to do")

    def test_order(self) -> None:
        """A request that begins long before one that was asked before it."""
        self.visit("c", 115.0)
        self.visit("d", 112.0)
        self.call(110.0)
        self.call(111.0, key="d")
        self.judge("before an earlier one")
