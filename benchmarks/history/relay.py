"""A relay between an agent and its hub that can lose everything on its way, as a broken line does."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

__all__ = ["Relay"]


class Relay:
    """Passes bytes on to ``target`` until told to swallow them."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._lines: set[Line] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def swallow(self) -> None:
        """From now on, nothing passes on the connections that there are, and no end says so."""
        for line in self._lines:
            line.dead = True

    def stop(self) -> None:
        """End everything."""
        self._server.close()
        for line in set(self._lines):
            line.end()

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        line = Line((reader, writer), onward)
        self._lines.add(line)
        await line.run()
        self._lines.discard(line)


class Line:
    """One connection through the relay."""

    def __init__(self, near: tuple[StreamReader, StreamWriter], far: tuple[StreamReader, StreamWriter]) -> None:
        self._near, self._far = near, far
        self.dead = False

    async def run(self) -> None:
        """Pass bytes on until either end is over; what one end learns, the other does not if the line is dead."""
        await asyncio.gather(self._pass(self._near[0], self._far[1]), self._pass(self._far[0], self._near[1]))
        self.end()

    def end(self) -> None:
        """Close both ends."""
        self._near[1].transport.abort()
        self._far[1].transport.abort()

    async def _pass(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                if not self.dead:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass  # a connection that is lost is over
        if not self.dead:
            writer.transport.abort()
