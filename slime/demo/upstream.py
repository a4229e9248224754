"""A toy text generator: what stands behind an agent in ``slime demo``.

::

    python -m slime.demo.upstream --name alpha --rate 20

It speaks as much of the OpenAI API as a client needs (``GET /v1/models``, and ``POST /v1/chat/completions``,
whole or streamed as server-sent events) and, like most model servers on one GPU, cannot run two requests at
once: a second one gets a 503 and is counted as an *overlap*. Behind a hub there must never be one. What
happens is told on standard output, one JSON object a line.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic
from typing import Any

from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.python.usage import Options, UsageError
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

__all__ = ["Ask", "Stage", "ToyOptions", "main", "toy_site", "words"]

_TEXT = """
a slime mould has no brain and no nerves and yet it finds the shortest way through a maze to its food .
it sends out thin arms and keeps the arms that find something and lets the others go .
the food is far away and the mould is here so it grows a road and the road carries what it needs .
no cell is the master of the others and every cell knows what its neighbours know .
it remembers where it has been by the trail that it leaves and it never takes the same way twice for nothing .
when the food is gone it draws its arms back and waits and when there is food again it wakes .
"""

_FOLLOWERS: dict[str, list[str]] = {}
for _word, _next in pairwise([*_TEXT.split(), "a"]):
    _FOLLOWERS.setdefault(_word, []).append(_next)

USUAL_WORDS, MOST_WORDS = 16, 10_000


def words(prompt: str) -> Iterator[str]:
    """The words that follow ``prompt``: without end, and always the same ones for the same prompt."""
    chance = random.Random(prompt)  # noqa: S311 (nothing secret)
    word = "."
    while True:
        word = chance.choice(_FOLLOWERS[word])
        yield word


@dataclass(frozen=True, slots=True)
class Ask:
    """What one caller wants: the last message's text, how many words, and whether word by word."""

    prompt: str
    words: int
    stream: bool

    @classmethod
    def read(cls, body: bytes) -> Ask:
        """Read the JSON body of a chat completion request.

        :raises ValueError: it is not one; the message says why.
        """
        asked = json.loads(body)
        try:
            prompt, count = asked["messages"][-1]["content"], int(asked.get("max_tokens") or USUAL_WORDS)
        except (AttributeError, IndexError, KeyError, TypeError):
            raise ValueError("expected an object with 'messages', a list of objects with 'content'") from None
        if not 0 < count <= MOST_WORDS:
            raise ValueError(f"max_tokens must be between 1 and {MOST_WORDS}")
        return cls(str(prompt), count, bool(asked.get("stream")))


@dataclass
class Stage:
    """The one place where a request can run, and what has happened on it.

    :ivar name: the upstream's name, in answers and reports.
    :ivar rate: words a second.
    :ivar tell: gets each event: ``upstream``, ``event`` (begin, end, cut, overlap), ``at`` (monotonic
        seconds) and ``prompt``.
    """

    name: str
    rate: float
    clock: IReactorTime
    tell: Callable[[dict[str, Any]], None] = lambda event: None
    running: Talk | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"begin": 0, "end": 0, "cut": 0, "overlap": 0})

    def note(self, event: str, ask: Ask) -> None:
        """Count an event and report it."""
        self.counts[event] += 1
        self.tell({"upstream": self.name, "event": event, "at": monotonic(), "prompt": ask.prompt})

    def enter(self, talk: Talk) -> None:
        """A request begins to run; nobody else may until it leaves."""
        self.running = talk
        self.note("begin", talk.ask)

    def leave(self, event: str, talk: Talk) -> None:
        """The request is over, in the way that ``event`` says."""
        self.running = None
        self.note(event, talk.ask)


class Talk:
    """One request while it runs: a word a tick, until enough are said or nobody listens any more."""

    def __init__(self, stage: Stage, ask: Ask, request: Request) -> None:
        self.ask = ask
        self._stage, self._request = stage, request
        self._source, self._said = words(ask.prompt), list[str]()
        self._ticks = LoopingCall(self._say)
        self._ticks.clock = stage.clock

    def start(self) -> None:
        """Take the stage and begin."""
        self._stage.enter(self)
        self._request.notifyFinish().addErrback(self._cut)
        kind = b"text/event-stream" if self.ask.stream else b"application/json"
        self._request.setHeader(b"Content-Type", kind)
        self._ticks.start(1 / self._stage.rate, now=False)

    def _say(self) -> None:
        self._said.append(next(self._source))
        if self.ask.stream:
            self._write(_chunk(self._stage.name, {"content": self._said[-1] + " "}, None))
        if len(self._said) == self.ask.words:
            self._finish()

    def _finish(self) -> None:
        self._ticks.stop()
        if self.ask.stream:
            self._write(_chunk(self._stage.name, {}, "stop"))
            self._request.write(b"data: [DONE]\n\n")
        else:
            self._request.write(json.dumps(_completion(self._stage.name, self._said)).encode())
        # The stage is free before the caller can know it: whoever comes next finds it so.
        self._stage.leave("end", self)
        self._request.finish()

    def _write(self, event: dict[str, Any]) -> None:
        self._request.write(b"data: %s\n\n" % json.dumps(event).encode())

    def _cut(self, reason: Failure) -> None:
        reason.trap(ConnectionDone, ConnectionLost)
        self._ticks.stop()
        self._stage.leave("cut", self)


def _chunk(model: str, delta: dict[str, str], reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"object": "chat.completion.chunk", **_common(model), "choices": [choice]}


def _completion(model: str, said: list[str]) -> dict[str, Any]:
    message = {"role": "assistant", "content": " ".join(said)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": len(said), "total_tokens": len(said) + 1}
    return {"object": "chat.completion", **_common(model), "choices": [choice], "usage": usage}


def _common(model: str) -> dict[str, Any]:
    return {"id": "toy", "created": 0, "model": model}


class _Chat(Resource):
    isLeaf = True

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def render_POST(self, request: Request) -> bytes | int:
        try:
            ask = Ask.read(_body(request))
        except ValueError as error:
            return _refuse(request, 400, str(error))
        if self._stage.running is not None:
            self._stage.note("overlap", ask)
            return _refuse(request, 503, "one request at a time")
        Talk(self._stage, ask, request).start()
        return NOT_DONE_YET


def _body(request: Request) -> bytes:
    return request.content.read() if request.content is not None else b""


def _refuse(request: Request, status: int, message: str) -> bytes:
    request.setResponseCode(status)
    return _answer(request, {"error": {"message": message, "type": "invalid_request_error"}})


def _answer(request: Request, value: object) -> bytes:
    request.setHeader(b"Content-Type", b"application/json")
    return json.dumps(value).encode()


class _Fact(Resource):
    """A GET that answers with what a function says."""

    isLeaf = True

    def __init__(self, say: Callable[[], object]) -> None:
        super().__init__()
        self._say = say

    def render_GET(self, request: Request) -> bytes:
        return _answer(request, self._say())


def toy_site(stage: Stage) -> Site:
    """The toy's web site; everything that runs, runs on ``stage``."""
    root, api = Resource(), Resource()
    root.putChild(b"v1", api)
    root.putChild(b"stats", _Fact(lambda: stage.counts))
    models = {"object": "list", "data": [{"id": stage.name, "object": "model"}]}
    api.putChild(b"models", _Fact(lambda: models))
    chat = Resource()
    api.putChild(b"chat", chat)
    chat.putChild(b"completions", _Chat(stage))
    return Site(root)


def number(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    """What reads a number within bounds from the command line."""

    def read(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise ValueError(f"give one from {low} to {high}")
        return value

    return read


class ToyOptions(Options):
    """The command line."""

    optParameters = [
        ["name", "n", "toy", "Name in answers and reports"],
        ["port", "p", 0, "TCP port on the loopback interface; 0: the system's choice", number(int, 0, 65535)],
        ["rate", "r", 20.0, "Words a second", number(float, 0.01, 1000.0)],
    ]


def main(arguments: list[str]) -> None:
    """Serve until ended. The first line on standard output has the event ``ready`` and the ``port``."""
    options = ToyOptions()
    try:
        options.parseOptions(arguments)
    except UsageError as error:
        sys.exit(f"slime.demo.upstream: {error}")
    from twisted.internet import reactor

    _serve(reactor, options)


def _serve(reactor: Any, options: ToyOptions) -> None:
    stage = Stage(options["name"], options["rate"], reactor, _tell)
    try:
        port = reactor.listenTCP(options["port"], toy_site(stage), interface="127.0.0.1")
    except CannotListenError as error:
        sys.exit(f"slime.demo.upstream: {error}; choose another port with --port")
    _tell({"upstream": stage.name, "event": "ready", "port": port.getHost().port})
    reactor.run()


def _tell(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
