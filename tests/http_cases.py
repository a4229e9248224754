"""Helpers of the HTTP tests: tables of named cases, and conversations with a parser written as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from slime.errors import BadMessage, ErrorCode
from slime.http.head import Fields, RequestHead, ResponseHead
from slime.http.parser import Data, EndOfMessage, RequestParser, ResponseParser, Signal

CaseT = TypeVar("CaseT", bound=type)


def each_case(table: Mapping[str, Any]) -> Callable[[CaseT], CaseT]:
    """Give a test class one test for each row of ``table``, which calls its ``check`` with the row."""

    def decorate(cls: CaseT) -> CaseT:
        for name, row in table.items():
            arguments = row if isinstance(row, tuple) else (row,)

            def test(self: Any, arguments: tuple[Any, ...] = arguments) -> None:
                self.check(*arguments)

            setattr(cls, f"test_{name}", test)
        return cls

    return decorate


@dataclass
class Message:
    """A message as whoever reads it sees it, however it was cut into events."""

    head: RequestHead | ResponseHead
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    complete: bool = False


@dataclass
class Reading:
    """What came of a stream of bytes: messages, why it was refused if it was, and what was left over."""

    messages: list[Message]
    refused: ErrorCode | None
    rest: bytes = b""


def read_requests(pieces: Iterable[bytes], parser: RequestParser | None = None) -> Reading:
    """Feed ``pieces`` one by one, going on to the next request as soon as one is complete."""
    parser = parser or RequestParser()
    messages: list[Message] = []
    try:
        for piece in pieces:
            parser.feed(piece)
            while (event := parser.next_event()) is not Signal.NEED_DATA:
                parser.start_next() if event is Signal.PAUSED else add(messages, event)
    except BadMessage as error:
        return Reading(messages, error.code)
    return Reading(messages, None, parser.detach())


def read_response(
    pieces: Iterable[bytes], method: bytes = b"GET", eof: bool = True, upgrade: bool = False
) -> Reading:
    """Feed ``pieces`` one by one to the reader of a single response, and then the connection's end."""
    parser = ResponseParser()
    parser.start(method, upgrade)
    messages: list[Message] = []
    try:
        for piece in pieces:
            parser.feed(piece)
            take_all(parser, messages)
        if eof:
            parser.feed_eof()
            take_all(parser, messages)
    except BadMessage as error:
        return Reading(messages, error.code)
    return Reading(messages, None, parser.detach())


def take_all(parser: ResponseParser, messages: list[Message]) -> None:
    while not isinstance(event := parser.next_event(), Signal):
        add(messages, event)


def add(messages: list[Message], event: Any) -> None:
    if isinstance(event, Data):
        if not event.data:
            raise AssertionError("an event without bytes")
        messages[-1].body += event.data
    elif isinstance(event, EndOfMessage):
        messages[-1].trailers, messages[-1].complete = event.trailers, True
    else:
        messages.append(Message(event))


def bytewise(stream: bytes) -> list[bytes]:
    """``stream`` one byte at a time."""
    return [stream[at : at + 1] for at in range(len(stream))]


def cut(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    """``stream`` cut at the given places, which may lie behind its end."""
    places = sorted({0, len(stream), *(at for at in cuts if at < len(stream))})
    return [stream[begin:end] for begin, end in pairwise(places)]
