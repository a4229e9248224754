"""An application: any HTTP client will do, and this is the one of the standard library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from time import monotonic

__all__ = ["Reply", "Wish", "ask"]

PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A request for words.

    :ivar label: what it is called; also its prompt.
    :ivar wait: whether to wait for a provider when none is free (``Slime-Block``).
    """

    label: str
    words: int
    stream: bool = False
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; times are monotonic seconds.

    :ivar agent: the name of the agent that brought the answer; empty if none did.
    :ivar error: the hub's own error code; empty if the answer is a provider's.
    """

    wish: Wish
    status: int
    agent: str
    error: str
    words: int
    asked: float
    first: float
    done: float


def ask(port: int, wish: Wish, hear: Callable[[str], None] = lambda word: None) -> Reply:
    """Send a wish to the hub on this port and read the answer to its end.

    :param hear: called with each word of a streamed answer as it comes.
    :raises OSError: the hub cannot be reached, or it broke off.
    :raises http.client.HTTPException: what it said is not a complete HTTP answer.
    """
    connection, asked = HTTPConnection("127.0.0.1", port, timeout=PATIENCE), monotonic()
    try:
        connection.request("POST", "/v1/chat/completions", _body(wish), _fields(wish))
        return _read(connection.getresponse(), wish, asked, hear)
    finally:
        connection.close()


def _body(wish: Wish) -> bytes:
    message = {"role": "user", "content": wish.label}
    return json.dumps({"messages": [message], "max_tokens": wish.words, "stream": wish.stream}).encode()


def _fields(wish: Wish) -> dict[str, str]:
    return {"Content-Type": "application/json", **({"Slime-Block": "1"} if wish.wait else {})}


def _read(response: HTTPResponse, wish: Wish, asked: float, hear: Callable[[str], None]) -> Reply:
    words, first = 0, 0.0
    for word in _words(response, wish.stream):
        first = first or monotonic()
        words += 1
        hear(word)
    agent, error = response.getheader("Slime-Agent-Name", ""), response.getheader("Slime-Error", "")
    return Reply(wish, response.status, agent, error, words, asked, first, monotonic())


def _words(response: HTTPResponse, stream: bool) -> Iterator[str]:
    if response.status != 200:
        response.read()
    elif stream:
        yield from _streamed(response)
    else:
        yield from json.load(response)["choices"][0]["message"]["content"].split()


def _streamed(response: HTTPResponse) -> Iterator[str]:
    for line in response:
        event = line.removeprefix(b"data: ").strip()
        if event and event != b"[DONE]" and (word := json.loads(event)["choices"][0]["delta"].get("content")):
            yield word
