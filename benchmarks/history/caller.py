"""A caller that asks, checks the answer, and asks again."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from random import Random
from time import monotonic

from benchmarks.history.book import Book, Call, End, answer_to, body_of
from benchmarks.history.wire import MEBIBYTE, Message, OddError, read_body, read_head

__all__ = ["Caller"]

#: Seconds after which a caller that hears nothing says so.
PATIENCE = 30.0

#: Seconds before the next attempt after one that failed, and the most they grow to while nobody listens.
PAUSE, LONGEST_PAUSE = 0.05, 0.8

CLEAN_ERRORS = {"502", "503", "504"}


class Caller:
    """Asks one thing at a time, mostly by the connection that it has.

    :param waits: whether it asks to be kept waiting while everybody is busy.
    """

    def __init__(self, name: str, port: int, book: Book, chance: Random, waits: bool = True) -> None:
        self._waits = waits
        self._name = name
        self._port = port
        self._book = book
        self._chance = chance
        self._connection: tuple[StreamReader, StreamWriter] | None = None
        self._call: Call | None = None
        self._leaving = self._resting = False
        self._pause = PAUSE

    async def ask(self) -> None:
        """Ask one thing after another until told to rest."""
        number = 0
        while not self._resting:
            number += 1
            await self._ask(f"{self._name}.{number}")
        self._close()

    def rest(self) -> None:
        """Ask nothing more."""
        self._resting = True

    @property
    def waits(self) -> bool:
        """Whether it has asked and waits for an answer."""
        return self._call is not None and self._connection is not None

    def leave(self) -> None:
        """Go away in the middle of whatever is asked."""
        if self._connection is not None:
            self._leaving = True
            self._connection[1].transport.abort()

    async def _ask(self, key: str) -> None:
        post = self._chance.random() < 0.7
        retry = self._chance.random() < 0.3
        call = Call(key, retry or not post, monotonic())
        self._call, self._leaving = call, False
        self._book.calls.append(call)
        try:
            call.end = await asyncio.wait_for(self._exchange(call, self._request(key, post, retry)), PATIENCE)
        except ConnectionRefusedError:
            call.end = End.DOWN
        except (OSError, EOFError) as error:
            call.end, call.detail = End.CUT, repr(error)
        except (OddError, TimeoutError, ValueError) as error:
            call.end, call.detail = End.WRONG, repr(error)
        await self._asked(call)

    async def _asked(self, call: Call) -> None:
        call.ended = monotonic()
        self._call = None
        if self._leaving and call.end is not End.OK:
            call.end = End.LEFT
        self._pause = min(LONGEST_PAUSE, 2 * self._pause) if call.end is End.DOWN else PAUSE
        if call.end is not End.OK:
            self._close()
            await asyncio.sleep(self._pause)

    def _request(self, key: str, post: bool, retry: bool) -> bytes:
        lines = ["POST /work HTTP/1.1" if post else "GET /work HTTP/1.1", "Host: hub.example", f"X-Key: {key}"]
        lines += ["Slime-Block: 1", "Slime-Timeout: 20"] if self._waits else []
        body = body_of(key) if post else b""
        lines += ["Slime-Retry: 1"] if retry else []
        lines += [f"Content-Length: {len(body)}"] if post else []
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _exchange(self, call: Call, request: bytes) -> End:
        reader, writer = await self._connected()
        writer.write(request)
        head = await read_head(reader)
        body = await read_body(reader, head)
        if head["connection"] == "close" or self._chance.random() < 0.1:
            self._close()
        return self._judged(call, head, body)

    def _judged(self, call: Call, head: Message, body: bytes) -> End:
        status, code = head.start.split(" ")[1], head["slime-error"]
        if status == "200" and not code and head["slime-agent-id"]:
            right = body == answer_to(call.key)
            call.detail = "" if right else f"{len(body)} bytes that are not its answer"
            return End.OK if right else End.WRONG
        call.detail, call.started = f"{status} {code} {body[:200]!r}", head["slime-started"]
        return End.ERROR if status in CLEAN_ERRORS and code else End.WRONG

    async def _connected(self) -> tuple[StreamReader, StreamWriter]:
        if self._connection is None or self._connection[0].at_eof():
            self._close()
            self._connection = await asyncio.open_connection("127.0.0.1", self._port, limit=MEBIBYTE)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None
