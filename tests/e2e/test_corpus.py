"""Raw HTTP at the public port: our own table of cases, and the shared corpus where it stands beside the source."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import free_port
from slime.demo.children import Child
from tests.e2e.harness import Application, SharedFleetTestCase, SlimeTestCase
from tests.e2e.messages import BrokenError
from tests.e2e.raw_cases import ANSWERS, CUT, PASSED, REFUSED, Answered, Cut, Passed, Refused
from tests.e2e.raw_hostile import MORE_CUT, MORE_PASSED, MORE_REFUSED
from tests.e2e.raw_upstreams import MORE_ANSWERS

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "run_raw.py"

AT_ONCE = 3.0
"""Seconds in which the hub must end a connection; it may go on reading for a while (``--linger-timeout``)."""


def each(cases: Sequence[Any], more: Sequence[Any]) -> Callable[[type], type]:
    """Give a class a test for each case of two tables; the class says how, in its method ``check``."""
    named = {f"test_{case.name}": case for case in cases} | {f"test_more_{case.name}": case for case in more}
    if len(named) < len(cases) + len(more):
        raise ValueError("two cases have the same name")

    def with_tests(to: type) -> type:
        for name, case in named.items():
            setattr(to, name, lambda self, case=case: self.check(case))
        return to
    return with_tests


class RawTestCase(SharedFleetTestCase):
    """Sends raw bytes. That nothing arrived is proved by the request that follows every test and arrives first."""

    def say(self, data: bytes) -> Application:
        """Send bytes on a new connection; the hub may stop to listen before the end."""
        application = self.application(self.shared)
        try:
            application.send(data)
        except OSError:
            return application
        return application


@each(REFUSED, MORE_REFUSED)
class RefusedTests(RawTestCase):
    """Refused, with nothing of it passed on."""

    def check(self, case: Refused) -> None:
        """The answer, and the end of the connection."""
        application = self.say(case.sent)
        answer = application.response(b"HEAD" if case.sent.startswith(b"HEAD ") else b"GET")
        self.assertIn(answer.status, case.statuses)
        self.assertTrue(answer.one(b"slime-error"))
        self.assertTrue(application.closed_within(AT_ONCE), "the connection goes on")
        self.assertEqual(application.rest, b"")


@each(CUT, MORE_CUT)
class CutTests(RawTestCase):
    """The head is passed on, the end never is."""

    def check(self, case: Cut) -> None:
        """The application gets 400, and whatever reached the upstream is broken off."""
        application = self.say(case.sent)
        self.assertIn(application.response().status, (400, 431))
        self.assertTrue(application.closed_within(AT_ONCE), "the connection goes on")

    def tearDown(self) -> None:
        """The upstream may have seen a beginning, before the request that follows."""
        after = self.ask(b"GET /afterwards", b"Slime-Block: 1")
        served = self.provider.next()
        while served.request.target != b"/afterwards":
            with self.assertRaises(BrokenError):
                served.body(served.request)
            served = self.provider.next()
        served.answer(b"free")
        self.assertEqual(after.response().body, b"free")
        after.close()  # trial does what addCleanup asks for before tearDown
        super().tearDown()


@each(PASSED, MORE_PASSED)
class PassedTests(RawTestCase):
    """Passed on as it is meant."""

    def check(self, case: Passed) -> None:
        """Every request arrives, in order, and every answer comes back."""
        application = self.say(case.sent)
        requests = [self.provider.serve(b"ok").request for _ in case.arrives]
        self.assertEqual([application.response().status for _ in case.statuses], list(case.statuses))
        arrived = tuple((request.method, request.target, request.body) for request in requests)
        self.assertEqual(arrived, case.arrives)
        first = [name.lower() + b":" + value for name, value in requests[0].fields]
        self.assertEqual([line for line in case.has if line not in first], [])
        self.assertEqual([line for line in first if line.partition(b":")[0] in case.lacks], [])


@each(ANSWERS, MORE_ANSWERS)
class AnswersTests(RawTestCase):
    """What upstreams say."""

    def check(self, case: Answered) -> None:
        """A broken answer is never passed on as a good one, and never reaches another request."""
        asked = self.ask(case.method + b" /x")
        served = self.provider.next()
        served.send(case.raw)
        if case.closes:
            served.close()
        else:
            self.provider.again(served)
        if case.status is None:
            self.assertRaises(BrokenError, asked.response)
            return
        answer = asked.response(case.method)
        self.assertEqual(answer.status, case.status)
        self.assertEqual(bool(answer.all(b"slime-error")), case.status == 502)
        if case.body is not None:
            self.assertEqual(answer.body, case.body)


class CorpusTests(SlimeTestCase):
    """The shared corpus; where it is not at hand, the tables above are what there is."""

    def test_shared_corpus(self) -> None:
        """No case fails, nor does one that should hold and need not."""
        if not CORPUS.exists():
            self.assertGreater(len(REFUSED) + len(CUT) + len(PASSED) + len(ANSWERS), 150)
            return
        port, hub = free_port(), self.hub()
        self.agent(hub, f"127.0.0.1:{port}")
        runner = Child("corpus", [sys.executable, str(CORPUS), "--proxy", f"127.0.0.1:{hub.port}",
                                  "--upstream-port", str(port), "--header", "Slime-Block: 1"])
        self.addCleanup(runner.end)
        self.assertEqual(runner.wait(300), 0, "\n".join(runner.lines))
        self.assertEqual([line for line in runner.lines if line.startswith(("FAIL", "WARN"))], [])
