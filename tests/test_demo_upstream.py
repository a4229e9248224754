"""The toy text generator of the demonstration."""

from __future__ import annotations

import json
import socket
from itertools import islice
from typing import Any

from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from slime.demo.upstream import MOST_WORDS, Ask, Stage, main, toy_site, words

URL = "http://toy/v1/chat/completions"


def asking(**more: object) -> bytes:
    """The body of a chat completion request."""
    return json.dumps({"messages": [{"role": "user", "content": "hello"}], **more}).encode()


class WordsTests(SynchronousTestCase):
    """What it says."""

    def test_same_prompt_same_words(self) -> None:
        """Answers can be compared: they depend on the prompt and on nothing else."""
        self.assertEqual(list(islice(words("a"), 50)), list(islice(words("a"), 50)))
        self.assertNotEqual(list(islice(words("a"), 50)), list(islice(words("b"), 50)))


class CommandLineTests(SynchronousTestCase):
    """What is not to be had ends it with one line."""

    def test_numbers(self) -> None:
        """Numbers have bounds."""
        for arguments, reason in (
            (["--port", "abc"], "invalid literal"),
            (["--port", "65536"], "give one from 0 to 65535"),
            (["--rate", "0"], "give one from 0.01 to 1000.0"),
        ):
            self.assertIn(reason, str(self.assertRaises(SystemExit, main, arguments).code))

    def test_port_taken(self) -> None:
        """The port may be somebody else's."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            ending = self.assertRaises(SystemExit, main, ["--port", str(taken.getsockname()[1])])
        self.assertIn("Address already in use", str(ending.code))
        self.assertIn("--port", str(ending.code))


class AskTests(SynchronousTestCase):
    """Reading a request."""

    def test_whole(self) -> None:
        """The last message counts."""
        body = b'{"messages": [{"content": "x"}, {"content": "y"}], "max_tokens": 3, "stream": true}'
        self.assertEqual(Ask.read(body), Ask("y", 3, True))

    def test_defaults(self) -> None:
        """Neither a length nor streaming need be asked for."""
        self.assertEqual(Ask.read(asking(max_tokens=None)), Ask("hello", 16, False))

    def test_refused(self) -> None:
        """Anything else is a ValueError."""
        for body in (b"", b"[]", b"{}", b'{"messages": []}', b'{"messages": ["x"]}', asking(max_tokens="x"),
                     asking(max_tokens=-1), asking(max_tokens=MOST_WORDS + 1)):
            with self.assertRaises(ValueError, msg=body):
                Ask.read(body)


class Leaver(Protocol):
    """Hangs up as soon as an answer's body begins."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class ToyTests(SynchronousTestCase):
    """The web site, in memory."""

    def setUp(self) -> None:
        self.clock, self.told = Clock(), list[dict[str, Any]]()
        self.stage = Stage("toy", 10.0, self.clock, self.told.append)
        self.treq: Any = StubTreq(toy_site(self.stage).resource)

    def events(self) -> list[str]:
        """What was told so far."""
        return [event["event"] for event in self.told]

    def pass_time(self, ticks: int) -> None:
        """Let it say that many words, and deliver them."""
        for _ in range(ticks):
            self.clock.advance(0.1)
            self.treq.flush()

    def ask(self, **more: object) -> tuple[Any, list[bytes], Deferred[None]]:
        """Ask for words: the response, what came of it so far, and its end."""
        response = self.successResultOf(self.treq.post(URL, data=asking(**more)))
        came: list[bytes] = []
        return response, came, self.treq.collect(response, came.append)

    def test_whole(self) -> None:
        """An answer that is not streamed comes as one JSON object, after all its words' time."""
        asked = self.treq.post(URL, data=asking(max_tokens=3))
        self.pass_time(2)
        self.assertNoResult(asked)
        self.pass_time(1)
        answer = self.successResultOf(self.treq.json_content(self.successResultOf(asked)))
        self.assertEqual(answer["choices"][0]["message"]["content"].split(), list(islice(words("hello"), 3)))
        self.assertEqual(self.events(), ["begin", "end"])

    def test_streamed(self) -> None:
        """A streamed answer comes word by word, and says when it is complete."""
        asked = self.treq.post(URL, data=asking(max_tokens=2, stream=True))
        self.pass_time(1)
        response = self.successResultOf(asked)
        came: list[bytes] = []
        done = self.treq.collect(response, came.append)
        first, = (json.loads(part[6:]) for part in came)
        self.assertEqual(first["choices"][0]["delta"]["content"].strip(), next(words("hello")))
        self.assertNoResult(done)
        self.pass_time(1)
        self.successResultOf(done)
        self.assertTrue(b"".join(came).endswith(b"data: [DONE]\n\n"))

    def test_overlap(self) -> None:
        """A second request at the same time is refused, and counted."""
        self.treq.post(URL, data=asking())
        second = self.successResultOf(self.treq.post(URL, data=asking()))
        self.assertEqual((second.code, self.events()), (503, ["begin", "overlap"]))

    def test_cut(self) -> None:
        """When its caller leaves it stops, and is free for the next."""
        asked = self.treq.post(URL, data=asking(stream=True), unbuffered=True)
        self.pass_time(1)
        self.successResultOf(asked).deliverBody(Leaver())
        self.treq.flush()
        self.assertEqual((self.events(), self.stage.running, self.clock.calls), (["begin", "cut"], None, []))

    def test_facts(self) -> None:
        """Its models and its counts can be asked for."""
        self.stage.counts["overlap"] = 7
        self.assertEqual(self.fact("http://toy/stats")["overlap"], 7)
        self.assertEqual(self.fact("http://toy/v1/models")["data"][0]["id"], "toy")

    def fact(self, url: str) -> Any:
        """What a GET says."""
        return self.successResultOf(self.treq.json_content(self.successResultOf(self.treq.get(url))))

    def test_refused(self) -> None:
        """What it cannot read is refused in OpenAI's form, and does not take the stage."""
        response = self.successResultOf(self.treq.post(URL, data=b"{}"))
        self.assertEqual(response.code, 400)
        self.assertIn("messages", self.successResultOf(self.treq.json_content(response))["error"]["message"])
        self.assertEqual(self.events(), [])
