"""Trace ids (W3C Trace Context)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from slime.http.trace import identified, in_brackets, trace_id, trace_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GOOD = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class TraceTests(SynchronousTestCase):
    """What is a trace's id, and what is not."""

    def test_values(self) -> None:
        """By the grammar of section 3.2.2; section 3.2.4 on versions to come."""
        for value, expected in (
            (GOOD, TRACE),
            (GOOD[:-2] + b"00", TRACE),
            (b"cc" + GOOD[2:], TRACE),
            (b"cc" + GOOD[2:] + b"-what-the-future-holds", TRACE),
            (GOOD + b"-more", ""),
            (b"cc" + GOOD[2:] + b".more", ""),
            (b"ff" + GOOD[2:], ""),
            (GOOD.upper(), ""),
            (GOOD[:-1], ""),
            (b"00-" + b"0" * 32 + GOOD[35:], ""),
            (GOOD[:36] + b"0" * 16 + b"-01", ""),
            (b"", ""),
            (b'00-" onload="', ""),
        ):
            self.assertEqual(trace_id(value), expected, value)

    def test_fields(self) -> None:
        """A name in any case; a field that is there twice says nothing."""
        self.assertEqual(trace_of([(b"Host", b"h"), (b"TraceParent", GOOD)]), TRACE)
        self.assertEqual(trace_of([(b"traceparent", GOOD), (b"traceparent", GOOD)]), "")
        self.assertEqual(trace_of([]), "")

    def test_identified(self) -> None:
        """For the log."""
        self.assertEqual(identified(b"a-1", [(b"traceparent", GOOD)]), f"request a-1, trace {TRACE}")
        self.assertEqual(identified(b"", []), "request -")

    def test_in_brackets(self) -> None:
        """An agent's own requests have no name."""
        named = [(b"Slime-Request-Id", b"a-1"), (b"traceparent", GOOD)]
        self.assertEqual(in_brackets(named), f" (request a-1, trace {TRACE})")
        self.assertEqual(in_brackets(named[1:]), "")
