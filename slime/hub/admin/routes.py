"""Which path of the admin site is answered by what."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slime.hub.admin.actions import Actions
from slime.hub.admin.events import Feed
from slime.hub.admin.guard import Guard
from slime.hub.admin.metrics import Metrics
from slime.hub.admin.replies import Reply, as_json, as_text, problem
from slime.hub.admin.view import View

if TYPE_CHECKING:
    from slime.hub.admin.site import AdminRequest

__all__ = ["Call", "Parts", "Route", "Routes", "load_page"]

MAX_LIMIT = 1000
USUAL_LIMIT = 100

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What answers are made of."""

    view: View
    actions: Actions
    metrics: Metrics
    feed: Feed


@dataclass(frozen=True, slots=True)
class Call:
    """One request, taken apart.

    :ivar names: the parts of the path that a route leaves open.
    """

    request: AdminRequest
    names: Mapping[str, str]

    @property
    def key(self) -> str:
        """The agent's key that the path names."""
        return f"{self.names['token_id']}/{self.names['agent_id']}"

    @property
    def limit(self) -> int:
        """How many entries are asked for.

        :raises Refused: that is not a number, or too great a one.
        """
        text = self.request.query("limit", str(USUAL_LIMIT))
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
            raise problem(400, f"limit is a number from 1 to {MAX_LIMIT}")
        return int(text)

    def members(self, *known: str) -> dict[str, str]:
        """The body, which has to be a JSON object of texts.

        :raises Refused: it is not.
        """
        if self.request.field("content-type") != "application/json":
            raise problem(415, "the body has to be application/json")
        try:
            read = json.loads(self.request.body)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
            raise problem(400, "the body has to be a JSON object whose members are texts")
        if set(read) - set(known):
            raise problem(400, f"the body may have these members: {', '.join(known)}")
        return read


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked for.

    :ivar path: its segments; one in braces stands for any, but an empty one.
    :ivar answer: carries it out; ``None`` when it has taken the request over.
    :ivar guarded: whether the guard is asked.
    """

    verb: str
    path: Sequence[str]
    answer: Callable[[Call], Reply | None]
    guarded: bool = True

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """What the braces stand for in this path, if it is this route's."""
        if len(segments) != len(self.path):
            return None
        names: dict[str, str] = {}
        for wanted, segment in zip(self.path, segments, strict=True):
            if wanted[:1] == "{" and segment:
                names[wanted[1:-1]] = segment
            elif wanted != segment:
                return None
        return names


class Routes:
    """Finds the route for a request, asks the guard, and has it answered."""

    def __init__(self, parts: Parts, guard: Guard) -> None:
        self._guard = guard
        self.routes = [
            *(Route("GET", path, _file(reply), guarded=False) for path, reply in load_page().items()),
            *_routes(parts),
        ]

    def answer(self, request: AdminRequest, segments: Sequence[str]) -> Reply | None:
        """The answer; ``None`` when somebody has taken the request over.

        :raises Refused: there is none.
        """
        found = [(route, names) for route in self.routes if (names := route.match(segments)) is not None]
        if not found:
            raise problem(404, "there is nothing here")
        verb = "GET" if request.verb == "HEAD" else request.verb
        for route, names in found:
            if route.verb == verb:
                if route.guarded:
                    self._guard.admit(request)
                return route.answer(Call(request, names))
        verbs = ", ".join(dict.fromkeys(route.verb for route, _ in found))
        raise problem(405, f"here is {verbs} only", ("Allow", verbs))


def _routes(parts: Parts) -> list[Route]:
    """Everything but the page."""
    view, actions = parts.view, parts.actions
    agent = ("api", "v1", "agents", "{token_id}", "{agent_id}")
    return [
        Route("GET", ["healthz"], lambda call: as_text("ok\n"), guarded=False),
        Route("GET", ["readyz"], lambda call: _ready(view), guarded=False),
        Route("GET", ["metrics"], lambda call: parts.metrics.reply(call.request.field("accept") or "")),
        _data("status", lambda call: view.status()),
        _data("agents", lambda call: {"now": view.now(), "agents": view.agents()}),
        _data("exchanges", lambda call: view.exchanges(call.limit)),
        _data("queue", lambda call: view.queue(call.limit)),
        _data("history", lambda call: view.history()),
        _data("journal", lambda call: view.journal()),
        _data("revocations", lambda call: {"token_ids": list(actions.revocations)}),
        Route("GET", ["api", "v1", "events"], lambda call: parts.feed.watch(call.request)),
        Route("POST", [*agent, "drain"], lambda call: _done(actions.drain(call.key))),
        Route("POST", [*agent, "undrain"], lambda call: _done(actions.undrain(call.key))),
        Route("POST", [*agent, "disconnect"], lambda call: _done(actions.disconnect(call.key))),
        Route("POST", ["api", "v1", "revocations"], lambda call: _revoke(call, actions)),
        Route(
            "DELETE", ["api", "v1", "revocations", "{token_id}"],
            lambda call: _done(actions.restore(call.names["token_id"])),
        ),
    ]  # fmt: skip


def _data(name: str, answer: Callable[[Call], Any]) -> Route:
    return Route("GET", ["api", "v1", name], lambda call: as_json(answer(call)))


def _done(message: str) -> Reply:
    return as_json({"done": message})


def _ready(view: View) -> Reply:
    """Ready without agents too: they come through the same door as applications, which must not be shut before."""
    state = view.status()["state"]
    return as_text(f"{state}\n", 200 if state == "running" else 503)


def _revoke(call: Call, actions: Actions) -> Reply:
    members = call.members("token_id", "token")
    if len(members) != 1:
        raise problem(400, "either token_id or token is needed")
    if "token" in members:
        return _done(actions.revoke_text(members["token"]))
    return _done(actions.revoke(members["token_id"]))


def load_page() -> dict[tuple[str, ...], Reply]:
    """What a browser gets, by path."""
    folder = Path(__file__).parent
    files: dict[tuple[str, ...], Path] = {
        ("",): folder / "page" / "index.html",
        ("api", "v1", "openapi.yaml"): folder / "openapi.yaml",
    }
    for suffix in _TYPES:
        files.update({("page", file.name): file for file in (folder / "page").glob(f"*{suffix}")})
    return {path: _loaded(file) for path, file in files.items()}


def _loaded(file: Path) -> Reply:
    body = file.read_bytes()
    tag = hashlib.sha256(body).hexdigest()[:24]
    return Reply(200, _TYPES[file.suffix], body, (("ETag", f'"{tag}"'), ("Cache-Control", "no-cache")))


def _file(reply: Reply) -> Callable[[Call], Reply]:
    """The file, or the word that the browser has it already."""
    tag = reply.fields[0][1]
    unchanged = Reply(304, reply.content_type, b"", reply.fields)
    return lambda call: unchanged if call.request.field("if-none-match") == tag else reply
