"""What ``slime demo`` does and says."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import Any, TextIO

from slime.demo.application import Reply, Wish, ask
from slime.demo.fleet import AgentProcess, HubProcess, ToyProcess
from slime.demo.timeline import Span, draw

__all__ = ["Show", "Stage"]

NAMES = ("alpha", "beta")
RATE = 24.0
WORDS = 10

SPACING = 0.03
"""Seconds between two requests that are sent one after the other, enough to tell their order."""


class Stage:
    """The processes, and what the toy upstreams say of themselves.

    :ivar hub: the hub.
    """

    def __init__(self, cleanup: ExitStack) -> None:
        """Start everything; ``cleanup`` ends it."""
        self._events: list[dict[str, Any]] = []
        self.hub = HubProcess(secrets.token_hex(16), "--grace", "1s", admin="tcp:0:interface=127.0.0.1")
        cleanup.callback(self.hub.child.end)
        for name in NAMES:
            toy = ToyProcess(name, RATE, self._hear)
            cleanup.callback(toy.child.end)
            self._join(name, toy, cleanup)

    def _join(self, name: str, toy: ToyProcess, cleanup: ExitStack) -> None:
        upstream = ("--upstream", f"127.0.0.1:{toy.port}", "--grace", "1s")
        agent = AgentProcess(name, f"127.0.0.1:{self.hub.port}", self.hub.token(name), *upstream)
        cleanup.callback(agent.child.end)
        self.hub.wait_for_agent(name)

    def _hear(self, line: str) -> None:
        if line.startswith("{"):
            self._events.append(json.loads(line))

    def spans(self) -> list[Span]:
        """What each upstream ran, and when."""
        begins = {event["prompt"]: event for event in self._events if event["event"] == "begin"}
        ends = [event for event in self._events if event["event"] in ("end", "cut")]
        return sorted(
            (Span(end["upstream"], end["prompt"], begins[end["prompt"]]["at"], end["at"]) for end in ends),
            key=lambda span: (span.row, span.begin),
        )

    def count(self, kind: str) -> int:
        """How many events of a kind there were."""
        return sum(event["event"] == kind for event in self._events)


class Show:
    """Sends requests, tells what became of them, and draws when they ran."""

    def __init__(self, stage: Stage, out: TextIO) -> None:
        self._stage, self._out, self._port = stage, out, stage.hub.port
        self._replies: list[Reply] = []

    def say(self, text: str = "") -> None:
        """Show a line."""
        self._out.write(text + "\n")
        self._out.flush()

    def play(self) -> bool:
        """The whole of it; true if everything went as it should."""
        self.say(f"\nA hub at http://127.0.0.1:{self._port}; behind it the agents {' and '.join(NAMES)},")
        self.say("each with one slot and, where only the agent can reach it, a toy text generator.\n")
        with ThreadPoolExecutor(max_workers=8) as callers:
            self._crowd(callers)
        self._stream()
        return self._sum_up()

    def _crowd(self, callers: ThreadPoolExecutor) -> None:
        """Two that run, one that will not wait, four that will."""
        running = self._send(callers, [Wish(label, WORDS) for label in "AB"])
        refused = self._send(callers, [Wish("C", WORDS)])
        waiting = self._send(callers, [Wish(label, WORDS, wait=True) for label in "DEFG"])
        self._tell("A and B at once: a free provider for each", running)
        self._tell("C right after them: nobody is free, and it asked for no wait", refused)
        self._tell("D E F G with 'Slime-Block: 1': they wait, first come first served", waiting)

    def _send(self, callers: ThreadPoolExecutor, wishes: Sequence[Wish]) -> list[Future[Reply]]:
        pause, sent = Event(), []
        for wish in wishes:
            sent.append(callers.submit(ask, self._port, wish))
            pause.wait(SPACING)
        return sent

    def _tell(self, title: str, asked: Sequence[Future[Reply]]) -> None:
        self.say(title)
        for future in asked:
            reply = future.result()
            self._replies.append(reply)
            self.say(f"    {reply.wish.label}  {reply.status} {_outcome(reply)}")

    def _stream(self) -> None:
        self.say("\nH streamed, as the words come:")
        self._out.write("    ")
        reply = ask(self._port, Wish("H", WORDS, stream=True, wait=True), self._word)
        self._replies.append(reply)
        self.say(f"\n    H  {reply.status} {_outcome(reply)}, the first after {_ms(reply.first - reply.asked)}")

    def _word(self, word: str) -> None:
        self._out.write(word)
        self._out.flush()

    def _sum_up(self) -> bool:
        self.say("\nWhat the providers ran, and when:\n")
        for line in draw(self._stage.spans()):
            self.say("    " + line)
        overlaps = self._stage.count("overlap")
        self.say(f"\nRequests that found their provider busy: {overlaps}.")
        return not overlaps and [reply.status for reply in self._replies] == [200, 200, 503, 200, 200, 200, 200, 200]

    def stay(self) -> None:
        """Print what one can try, and wait until the hub ends (or the user interrupts)."""
        page = self._stage.hub.child.wait_for(r"the admin site is at (\S+)")[1]
        self.say(TRY.format(port=self._port, page=page))
        self._stage.hub.child.wait(timeout=None)


def _outcome(reply: Reply) -> str:
    after = _ms(reply.done - reply.asked)
    if reply.error:
        return f"{reply.error} after {after}"
    return f"by {reply.agent}: {reply.words} words in {after}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"


TRY = """
It stays up. Look at it in a browser: {page}

In another terminal:

    curl http://127.0.0.1:{port}/v1/models
    curl -N http://127.0.0.1:{port}/v1/chat/completions -H 'Slime-Block: 1' \\
        -d '{{"messages": [{{"role": "user", "content": "hello"}}], "max_tokens": 40, "stream": true}}'
    for n in 1 2 3 4; do curl -s -H 'Slime-Block: 1' http://127.0.0.1:{port}/v1/chat/completions \\
        -d '{{"messages": [{{"content": "'$n'"}}]}}' & done; wait

Ctrl-C ends everything.
"""
