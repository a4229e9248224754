"""An upstream that works a while on each request, and writes down what comes."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from random import Random
from time import monotonic

from benchmarks.history.book import Book, Visit, answer_to, body_of
from benchmarks.history.wire import MEBIBYTE, Message, OddError, read_body, read_head

__all__ = ["Upstream"]

#: Shortest and longest time that a request takes, in seconds.
WORK = (0.02, 0.2)
PIECES = 5


class Upstream:
    """Listens on a port of its own; ``port`` is known after :meth:`start`."""

    def __init__(self, name: str, book: Book, chance: Random) -> None:
        self.name = name
        self.port = 0
        self._book = book
        self._chance = chance
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MEBIBYTE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end what runs."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                await self._one(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # the agent is gone, or has given the request up; or the history is over
        except (OddError, ValueError, asyncio.LimitOverrunError) as error:
            self._book.complaints.append(f"{self.name} was sent what it cannot read: {error}")
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = await read_head(reader)
        visit = Visit(head["x-key"], self.name, monotonic())
        self._book.visits.append(visit)
        self._count()
        try:
            await self._answer(head, reader, writer)
        finally:
            visit.ended = monotonic()

    def _count(self) -> None:
        running = self._book.running(self.name)
        if len(running) > self._book.slots[self.name]:
            keys = [visit.key for visit in running]
            self._book.complaints.append(f"{self.name} runs {len(keys)} requests at a time: {keys}")

    async def _answer(self, head: Message, reader: StreamReader, writer: StreamWriter) -> None:
        key, sent = head["x-key"], b""
        if head.start.startswith("POST "):
            sent = await read_body(reader, head)
        if sent != (body_of(key) if head.start.startswith("POST ") else b""):
            self._book.complaints.append(f"{self.name} got another body than {key} has")
        answer = answer_to(key)
        if self._chance.random() < 0.5:
            await self._whole(answer, reader, writer)
        else:
            await self._streamed(answer, reader, writer)

    async def _whole(self, answer: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        await self._work(reader, self._chance.uniform(*WORK))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()

    async def _streamed(self, answer: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        step, pause = len(answer) // PIECES + 1, self._chance.uniform(*WORK) / PIECES
        for start in range(0, len(answer), step):
            await self._work(reader, pause)
            piece = answer[start : start + step]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _work(self, reader: StreamReader, seconds: float) -> None:
        """Take time, unless the connection ends: then there is nobody to work for."""
        try:
            more = await asyncio.wait_for(reader.read(1), seconds)
        except TimeoutError:
            return
        if more:
            self._book.complaints.append(f"{self.name} was sent more while it worked")
        raise EOFError
