"""The view, once a second, to everybody who watches (server-sent events, as the HTML standard has them).

A watcher first gets everything (event ``snapshot``), then what has changed (``update``): the agents that are new or
different, the keys of those that are gone, and what is short anyway. It is made once for all watchers, and only
while there are some. One that does not read gets nothing until it does, and then everything anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from slime.hub.admin.replies import problem
from slime.hub.admin.view import View

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

__all__ = ["Feed"]

INTERVAL = 1.0
MAX_WATCHERS = 64
#: Exchanges in each event; the page shows no more.
SHOWN = 50
#: Milliseconds after which a watcher that lost us comes back.
RETRY = 2000

Data = dict[str, Any]


@implementer(IPushProducer)
class _Watcher:
    """One connection.

    :ivar behind: it has not got everything that was sent.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.behind = True
        self._paused = False
        request.registerProducer(self, True)

    def tell(self, snapshot: bytes, update: bytes) -> None:
        """Send what it needs, if it reads."""
        if self._paused:
            self.behind = True
            return
        event, self.behind = snapshot if self.behind else update, False
        self.request.write(event)

    def end(self) -> None:
        """The hub stops."""
        self.request.unregisterProducer()
        self.request.finish()

    def pauseProducing(self) -> None:
        """It does not read."""
        self._paused = True

    def resumeProducing(self) -> None:
        """It does."""
        self._paused = False

    def stopProducing(self) -> None:
        """It is gone, which :meth:`Feed.watch` hears as well."""
        self._paused = True


class Feed:
    """Everybody who watches."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, view: View) -> None:
        self._view = view
        self._watchers: dict[Request, _Watcher] = {}
        self._known: dict[str, str] = {}
        self._last_point = 0.0
        # One step in each turn of the reactor, however quick it was: exchanges come first.
        self._steps = Cooperator(lambda: lambda: True, partial(clock.callLater, 0))
        self._call = LoopingCall(self._look)
        self._call.clock = clock

    def __len__(self) -> int:
        return len(self._watchers)

    def watch(self, request: Request) -> None:
        """Begin an endless answer.

        :raises Refused: there are too many.
        """
        if len(self) >= MAX_WATCHERS:
            raise problem(503, f"{MAX_WATCHERS} watch already", ("Retry-After", "10"))
        request.setHeader("Content-Type", "text/event-stream; charset=utf-8")
        request.setHeader("X-Accel-Buffering", "no")  # nginx would keep events to itself
        if request.method == b"HEAD":
            request.finish()
            return
        request.write(b"retry: %d\n\n" % RETRY)
        watcher = self._watchers[request] = _Watcher(request)
        request.notifyFinish().addBoth(self._gone, request)
        if self._call.running:
            watcher.tell(self._snapshot(), b"")
        else:
            self._call.start(INTERVAL).addErrback(self._failed)

    def close(self) -> None:
        """End all answers."""
        for watcher in list(self._watchers.values()):
            watcher.end()

    def _gone(self, result: object, request: Request) -> None:
        del self._watchers[request]
        if not self._watchers and self._call.running:
            self._call.stop()

    def _failed(self, failure: Failure) -> None:
        self._log.failure("the view cannot be made; whoever watches has to ask again", failure)
        self.close()

    def _look(self) -> Deferred[Any]:
        return self._steps.cooperate(self._sweep()).whenDone()

    def _sweep(self) -> Iterator[None]:
        """Look at some of the agents in each turn of the reactor, as there may be very many; then tell everybody."""
        agents: dict[str, str] = {}
        for piece in self._view.agents_piecewise():
            agents.update((agent["key"], _json(agent)) for agent in piece)
            yield
        self._tell(agents)

    def _tell(self, agents: dict[str, str]) -> None:
        """Every watcher gets the same; the new ones, and those that were behind, get it whole."""
        known, self._known = self._known, agents
        changed = [text for key, text in agents.items() if known.get(key) != text]
        gone = [key for key in known if key not in agents]
        update = _event("update", {**self._short(), "gone": gone, "points": self._new_points()}, changed)
        behind = any(watcher.behind for watcher in self._watchers.values())
        snapshot = self._snapshot() if behind else b""
        for watcher in list(self._watchers.values()):
            watcher.tell(snapshot, update)

    def _snapshot(self) -> bytes:
        points = self._view.history()["points"]
        return _event("snapshot", {**self._short(), "points": points}, self._known.values())

    def _short(self) -> Data:
        return {
            "status": self._view.status(),
            "exchanges": self._view.exchanges(SHOWN),
            "queue": self._view.queue(SHOWN),
            "journal": self._view.journal()["happenings"],
        }

    def _new_points(self) -> Data:
        points = self._view.points_since(self._last_point)
        self._last_point = points["at"][-1] if points["at"] else self._last_point
        return points


def _json(data: Data) -> str:
    return json.dumps(data, separators=(",", ":"))


def _event(name: str, data: Data, agents: Iterable[str]) -> bytes:
    """JSON has no line break in it, so one line of data is enough."""
    return f'event: {name}\ndata: {_json(data)[:-1]},"agents":[{",".join(agents)}]}}\n\n'.encode("ascii")
