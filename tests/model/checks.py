"""What must hold of a real model behind slime, asked with PyPI's openai. Each check returns what it saw, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from threading import Event
from time import monotonic
from typing import Any

from tests.model.fleet import Fleet

__all__ = ["CHECKS", "FailedError"]

PROMPTS = ("The capital of France is", "Once upon a time there was a small fox", "def fibonacci(n):\n")
LENGTH = 40
FREE_WITHIN = 3.0
"""Seconds in which a model must be free when its client has left."""

PATIENCE = 60.0
LOOK = 0.02


class FailedError(Exception):
    """A check found something wrong."""


def expect(holds: bool, what: str) -> None:
    """Raise unless it holds."""
    if not holds:
        raise FailedError(what)


@dataclass(frozen=True)
class Told:
    """One streamed completion; times are monotonic seconds."""

    agent: str
    text: str
    first: float
    last: float


def asking(base: str) -> Any:
    """A client of the SDK; nothing is tried twice, and nobody waits for ever."""
    from openai import OpenAI

    return OpenAI(base_url=f"{base}/v1", api_key="none", max_retries=0, timeout=PATIENCE)


def wish(prompt: str, length: int) -> dict[str, Any]:
    """The likeliest continuation, of exactly this many tokens, from nothing remembered of earlier ones."""
    more = {"ignore_eos": True, "cache_prompt": False}
    return {"model": "any", "prompt": prompt, "max_tokens": length, "temperature": 0, "extra_body": more}


def whole(base: str, prompt: str) -> str:
    """A completion in one piece."""
    return str(asking(base).completions.create(**wish(prompt, LENGTH)).choices[0].text)


def pieces(stream: Any) -> Iterator[str]:
    """The text of a streamed completion, as it comes."""
    return (event.choices[0].text for event in stream if event.choices and event.choices[0].text)


def told(base: str, prompt: str, length: int = LENGTH) -> Told:
    """A streamed completion, read to its end."""
    raw = asking(base).completions.with_raw_response.create(**wish(prompt, length), stream=True)
    text, times = [], []
    with closing(raw.parse()) as stream:
        for piece in pieces(stream):
            text.append(piece)
            times.append(monotonic())
    expect(bool(times), "a stream brought no text")
    return Told(raw.headers.get("slime-agent-name", ""), "".join(text), times[0], times[-1])


def same_text(fleet: Fleet) -> str:
    """At temperature 0 all four ways of asking bring the same text."""
    direct = fleet.providers[0].base
    for prompt in PROMPTS:
        plain = whole(direct, prompt)
        ways = {
            "streamed directly": told(direct, prompt).text,
            "streamed through slime": told(fleet.base, prompt).text,
            "whole through slime": whole(fleet.base, prompt),
        }
        for name, text in ways.items():
            expect(text == plain, f"{name}: {text!r} is not {plain!r}")
    return f"{len(PROMPTS)} prompts, {LENGTH} tokens each: streamed and whole, through slime and directly, all equal"


def quitter(fleet: Fleet) -> str:
    """A client that leaves after three tokens frees its model, and the agent's slot."""
    with closing(asking(fleet.base).completions.create(**wish(PROMPTS[1], 1500), stream=True)) as stream:
        read = list(islice(pieces(stream), 3))
        expect(len(read) == 3, f"only {read} came")
        busy = [provider for provider in fleet.providers if provider.is_busy()]
        expect(len(busy) == 1, f"{len(busy)} models were at work, not one")
    left = monotonic()
    freed = wait_until(lambda: not busy[0].is_busy(), FREE_WITHIN, "its model still works") - left
    told_at_once(fleet, 3)
    return f"free {freed:.2f} s after its client left, and both slots can be had at once"


def wait_until(holds: Callable[[], bool], limit: float, otherwise: str) -> float:
    """When it came to hold.

    :raises FailedError: it did not within ``limit`` seconds.
    """
    pause, end = Event(), monotonic() + limit
    while not holds():
        expect(monotonic() < end, f"{otherwise} after {limit} s")
        pause.wait(LOOK)
    return monotonic()


def told_at_once(fleet: Fleet, length: int) -> list[Told]:
    """Two completions asked at the same time, neither of which would wait for a provider."""
    with ThreadPoolExecutor(2) as callers:
        asked = [callers.submit(told, fleet.base, PROMPTS[0], length) for _ in fleet.providers]
        return [future.result() for future in asked]


def two_at_once(fleet: Fleet) -> str:
    """Two providers serve two clients at the same time, and a third client, who would not wait, hears so at once."""
    with ThreadPoolExecutor(1) as side:
        asked = side.submit(told_at_once, fleet, 150)
        wait_until(lambda: all(each.is_busy() for each in fleet.providers), PATIENCE, "not both models work")
        refused(fleet)
        one, other = asked.result()
    overlap = min(one.last, other.last) - max(one.first, other.first)
    expect({one.agent, other.agent} == {"alpha", "beta"}, f"served by {one.agent} and {other.agent}")
    expect(overlap > 0, "one was served behind the other")
    expect(one.text == other.text, "they brought different texts")
    spent = max(one.last, other.last) - min(one.first, other.first)
    return f"both generated at once for {overlap:.1f} of {spent:.1f} s, the same text; a third client was told all-busy"


def refused(fleet: Fleet) -> None:
    """Ask while nobody is free."""
    from openai import APIStatusError

    try:
        whole(fleet.base, PROMPTS[0])
    except APIStatusError as error:
        expect(error.response.headers.get("slime-error") == "all-busy", f"a third was told {error}")
    else:
        raise FailedError("a third was served while two were running")


CHECKS: dict[str, Callable[[Fleet], str]] = {
    "the same text": same_text, "a client that quits": quitter, "two at once": two_at_once,
}  # fmt: skip
"""What is checked, in order."""
