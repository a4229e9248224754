"""The admin site as twisted.web knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from twisted.logger import Logger
from twisted.protocols.policies import ThrottlingFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from slime.hub.admin.replies import Refused, Reply, problem
from slime.hub.admin.routes import Routes

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocolFactory, IReactorTime

__all__ = ["AdminRequest", "AdminResource", "admin_factory"]

MAX_CONNECTIONS = 256
MAX_BODY = 16 * 1024
#: Seconds without a byte after which a connection that asks for nothing is closed.
IDLE = 60

#: Nothing but what comes from here, nothing inline, in nobody's frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
FIELDS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Authorization",
    "X-Content-Type-Options": "nosniff",
}


class AdminRequest(Request):
    """One request; what is long is not meant for this site.

    :ivar body: what came with it.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.body = b""

    def handleContentChunk(self, data: bytes) -> None:
        """Some of the body. Twisted would keep any amount of it in a file."""
        self.body += data
        if len(self.body) > MAX_BODY:
            cast(Any, self.transport).abortConnection()

    def gotLength(self, length: int | None) -> None:
        """The head is read. What Twisted makes of ``content`` here is not used, so it stays small."""
        super().gotLength(0)

    @property
    def verb(self) -> str:
        """The method."""
        return self.method.decode("latin-1")

    def field(self, name: str) -> str | None:
        """The value of a field of the head; ``None`` unless there is exactly one."""
        values = self.requestHeaders.getRawHeaders(name) or []
        return values[0] if len(values) == 1 else None

    def query(self, name: str, default: str) -> str:
        """The last value that the query has for a name."""
        values: list[bytes] = (self.args or {}).get(name.encode("ascii"), [])
        return values[-1].decode("latin-1") if values else default


class AdminResource(Resource):
    """The whole site: one resource, as its paths are a table in :mod:`slime.hub.admin.routes`."""

    isLeaf = True
    _log = Logger()

    def __init__(self, routes: Routes) -> None:
        super().__init__()
        self._routes = routes

    def render(self, request: Request) -> Any:
        """Answer any method."""
        asked = cast(AdminRequest, request)
        for name, value in FIELDS.items():
            asked.setHeader(name, value)
        reply = self._answer(asked)
        return NOT_DONE_YET if reply is None else _written(asked, reply)

    def _answer(self, request: AdminRequest) -> Reply | None:
        try:
            segments = [unquote(part) for part in request.path.decode("latin-1")[1:].split("/")]
            return self._routes.answer(request, segments)
        except Refused as refused:
            return refused.reply
        except Exception:
            self._log.failure("the admin site has no answer to {path}", path=request.path)
            return problem(500, "slime failed; the log says why").reply


def _written(request: AdminRequest, reply: Reply) -> bytes:
    request.setResponseCode(reply.status)
    request.setHeader("Content-Type", reply.content_type)
    for name, value in reply.fields:
        request.setHeader(name, value)
    if request.verb == "HEAD":
        request.setHeader("Content-Length", str(len(reply.body)))
        return b""
    return reply.body


class _QuietSite(Site):
    """Without Twisted's own log of requests, which knows neither our format nor what is secret."""

    noisy = False

    def log(self, request: Any) -> None:
        """Nothing."""


def admin_factory(reactor: IReactorTime, routes: Routes) -> ThrottlingFactory:
    """What listens: the site, for so many connections at a time."""
    site = _QuietSite(AdminResource(routes), requestFactory=AdminRequest, timeout=IDLE, reactor=reactor)
    factory = ThrottlingFactory(cast("IProtocolFactory", site), maxConnectionCount=MAX_CONNECTIONS)
    factory.noisy = False
    return factory
