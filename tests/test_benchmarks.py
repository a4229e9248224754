"""The benchmark suite itself: that its figures say what they should. Says nothing of speed."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from http.client import HTTPConnection
from io import StringIO
from pathlib import Path
from random import Random
from subprocess import run
from threading import Thread
from xml.etree import ElementTree

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

import benchmarks.__main__
from benchmarks.__main__ import main
from benchmarks.arrivals import Arrival, ideal, percentile, poisson, steady
from benchmarks.canned import canned
from benchmarks.distance import busy
from benchmarks.figures import Figure, at_least, at_most, page, records, show, table
from benchmarks.fleet import fleet_of
from benchmarks.load import LOADS, PERCENTILES, measure_name, part_name
from benchmarks.openloop import OddAnswerError, Sent, send
from benchmarks.plan import Plan, take_turns
from benchmarks.plot import draw
from benchmarks.provider import Visit, provider, visits
from benchmarks.relay import Lane
from benchmarks.servers import BODY
from benchmarks.streams import Delays, Unchunker
from benchmarks.wrk import WrongAnswersError

ROOT = Path(__file__).parent.parent


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


class ArrivalTests(SynchronousTestCase):
    """Open loops: when requests are due, and the queue that is held against."""

    def test_poisson(self) -> None:
        """As many as the rate says, in order, and the same ones again from the same chance."""
        arrivals = poisson(100.0, 50.0, 0.01, Random(1))
        self.assertTrue(4750 < len(arrivals) < 5250, len(arrivals))
        self.assertEqual(arrivals, sorted(arrivals, key=lambda arrival: arrival.due))
        self.assertLess(arrivals[-1].due, 50.0)
        self.assertEqual(arrivals, poisson(100.0, 50.0, 0.01, Random(1)))

    def test_steady(self) -> None:
        self.assertEqual([arrival.due for arrival in steady(4.0, 1.0, 0.1)], [0.0, 0.25, 0.5, 0.75])

    def test_ideal(self) -> None:
        """Two slots: the third waits for the first, the fourth for the second."""
        arrivals = [Arrival(due, 1.0) for due in (0.0, 0.25, 0.5, 0.75, 9.0)]
        self.assertEqual(ideal(arrivals, 2), [1.0, 1.0, 1.5, 1.5, 1.0])

    def test_percentile(self) -> None:
        self.assertEqual([percentile(range(1000), percent) for percent in (50, 99, 99.9, 100)], [500, 990, 999, 999])


class ScriptedServer:
    """Answers one request, and is gone."""

    def __init__(self, answer: bytes) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._answer = answer
        self._served = Thread(target=self._serve)
        self._served.start()

    def _serve(self) -> None:
        connection, _ = self._door.accept()
        with self._door, connection:
            while (data := connection.recv(65536)) and not data.endswith(b"\r\n\r\n"):
                pass
            connection.sendall(self._answer)

    def over(self) -> None:
        self._served.join()


class OpenLoopTests(SynchronousTestCase):
    """Sending when it is due, and judging what comes back."""

    def ask(self, answer: bytes) -> Sent:
        """Two requests, 50 ms apart."""
        server = ScriptedServer(answer)
        self.addCleanup(server.over)
        return send(server.port, steady(20.0, 0.1, 0.0))

    def test_wrong(self) -> None:
        """Another's answer, an error, or the connection's end: whatever speed was measured means nothing."""
        for answer in (b"HTTP/1.1 200 OK\r\n\r\ndone 7", b"HTTP/1.1 503 Busy\r\n\r\n", b""):
            self.assertRaises(OddAnswerError, self.ask, answer)

    def test_provider(self) -> None:
        """The provider works as long as it is asked to, and says when."""
        with provider(2.0) as port:
            sent = send(port, steady(20.0, 0.1, 0.01))
            seen = visits(port)
            self.assertEqual(([visit.word for visit in seen], visits(port)), (["0", "1"], []))
        self.assertTrue(all(visit.ended - visit.began >= 0.02 for visit in seen))
        self.assertTrue(all(latency >= 0.02 for latency in sent.latencies))

    def test_busy(self) -> None:
        """The share of time in which a provider works, between its first request and its last."""
        self.assertEqual(busy([Visit("a", 10.0, 11.0), Visit("b", 11.0, 12.0), Visit("c", 13.0, 14.0)]), 0.75)


class PlotTests(SynchronousTestCase):
    """The picture."""

    def test_draw(self) -> None:
        """Both axes are labelled, every curve has its name, and it is well-formed."""
        figures = [Figure(part_name(load), subject, measure_name(percent), [load * percent / 100])
                   for load in LOADS for subject in ("slime", "HAProxy") for percent in PERCENTILES]
        picture = ElementTree.fromstring(draw(records(figures)))
        words = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
        for word in ("added latency, ms", "load, % of what the providers can do", "slime p99.9", "HAProxy p50", "110"):
            self.assertIn(word, words)
        curves = list(picture.iter("{http://www.w3.org/2000/svg}polyline"))
        self.assertEqual(len(curves), 2 * len(PERCENTILES))


class CannedTests(SynchronousTestCase):
    """Agents that answer by themselves."""

    def test_answers(self) -> None:
        """They are linked, and the hub's applications are answered by them, also after some that have left."""
        with fleet_of() as hub, canned(hub.process, 3):
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", hub.port)) as hasty:
                    hasty.sendall(b"GET /small HTTP/1.1\r\nHost: h\r\n\r\n")
            connection = HTTPConnection("127.0.0.1", hub.port, timeout=10)
            self.addCleanup(connection.close)
            for _ in range(4):
                connection.request("GET", "/small", headers={"Slime-Block": "1"})
                self.assertEqual(connection.getresponse().read(), BODY.encode())


class SmokeTests(SynchronousTestCase):
    """The command, with parts that need no other maker's program. CI tries all of them out (``make smoke``)."""

    timeout = 120

    def run_main(self, *arguments: str) -> tuple[int, str]:
        """Its status, and what it printed."""
        said = StringIO()
        with redirect_stdout(said), redirect_stderr(StringIO()):
            return main([*arguments]), said.getvalue()

    def test_parts(self) -> None:
        """They run, briefly, and their figures are printed and kept, whether they reach their goals or not."""
        file = Path(self.mktemp())
        status, said = self.run_main("--smoke", "first", "unequal", "--json", str(file))
        self.assertEqual(status, 0)
        for words in ("first event later by, ms", "mean wait, ms, 60% load"):
            self.assertIn(words, said)
        self.assertEqual(len(json.loads(file.read_text())["figures"]), 4)

    def test_broken_part(self) -> None:
        """One that breaks down is told of, and the others go on."""

        def broken(plan: Plan) -> Iterator[Figure]:
            raise WrongAnswersError(plan.folder.name)

        self.patch(benchmarks.__main__, "PARTS", {"bad": broken, "good": lambda plan: [Figure("g", "s", "m", [1.0])]})
        self.patch(benchmarks.__main__, "PROGRAMS", ())
        status, said = self.run_main()
        self.assertEqual(status, 1)
        self.assertIn("bad came to no end", said)
        self.assertIn("g     s        m", said)

    def test_missing_program(self) -> None:
        """Said before anything is measured."""
        self.patch(benchmarks.__main__, "PROGRAMS", ("no-such-program",))
        self.assertEqual(self.assertRaises(SystemExit, self.run_main, "slots").code, 2)

    def test_picture_of_nothing(self) -> None:
        self.assertEqual(self.assertRaises(SystemExit, self.run_main, "first", "--plot", "x.svg").code, 2)

    def test_unknown_part(self) -> None:
        """A part that there is not is a mistake."""
        with redirect_stderr(StringIO()):
            self.assertEqual(self.assertRaises(SystemExit, main, ["nonsense"]).code, 2)


class AloneTests(SynchronousTestCase):
    """The agent's own code, measured in another process, whose reactor takes the turns."""

    def test_kinds(self) -> None:
        """Every kind of work goes through the agent, and has its line."""
        command = [sys.executable, "-m", "benchmarks.alone", "--units", "32", "--rounds", "1"]
        lines = run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        self.assertEqual([line.partition(":")[0] for line in lines], ["small", "unlike", "events", "up", "down"])
