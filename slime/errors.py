"""The vocabulary of failure: every error that crosses the link or reaches an application.

One row names an error once and for all: its slug (``Slime-Error`` field, log lines), its number on the
link (:mod:`slime.tunnel`), the status the hub answers with, and the sentence a person reads. The table in
``docs/errors.rst`` is built from it.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["BadMessage", "ErrorCode", "LocalProtocolError", "RemoteProtocolError"]


class ErrorCode(Enum):
    """One error: ``slug``, ``wire`` number (one byte, never reused), HTTP ``status`` and ``title``."""

    NO_ERROR = ("no-error", 0, 500, "The stream ended without an error")
    CANCELLED = ("cancelled", 1, 499, "The application left before the answer was complete")
    INTERNAL = ("internal", 2, 500, "slime failed; the log says why")
    BAD_REQUEST = ("bad-request", 3, 400, "The request is not valid HTTP/1.1")
    HEAD_TOO_LARGE = ("head-too-large", 4, 431, "The request's head is larger than this hub accepts")
    TARGET_TOO_LONG = ("target-too-long", 5, 414, "The request's target is longer than this hub accepts")
    UNSUPPORTED = ("unsupported", 6, 501, "This hub does not carry out requests of this kind")
    VERSION = ("version-not-supported", 7, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here")
    UNAUTHORIZED = ("unauthorized", 8, 401, "The credentials are missing or wrong")
    REQUEST_TIMEOUT = ("request-timeout", 9, 408, "The request did not arrive in time")
    BODY_TOO_LARGE = ("body-too-large", 10, 413, "The request's body is larger than this hub accepts")
    UPGRADE_REQUIRED = ("upgrade-required", 11, 426, "This address speaks WebSocket only")
    AGENT_LOST = ("agent-lost", 12, 502, "The agent was lost while it had the request")
    UPSTREAM_UNREACHABLE = ("upstream-unreachable", 13, 502, "The agent cannot connect to its upstream")
    UPSTREAM_BROKE = ("upstream-broke", 14, 502, "The upstream's answer was cut off or is not valid HTTP")
    NO_AGENT = ("no-agent", 15, 503, "No agent is connected")
    NO_MATCH = ("no-match", 16, 503, "No connected agent serves this scope and path")
    ALL_BUSY = ("all-busy", 17, 503, "Every agent that could serve this request is busy")
    QUEUE_FULL = ("queue-full", 18, 503, "Too many requests are waiting already")
    DRAINING = ("draining", 19, 503, "This side is shutting down and takes nothing new")
    QUEUE_TIMEOUT = ("queue-timeout", 20, 504, "No agent became free in time")
    UPSTREAM_TIMEOUT = ("upstream-timeout", 21, 504, "The upstream did not answer in time")
    UPGRADE_IDLE = ("upgrade-idle", 22, 504, "Nothing passed through the upgraded connection for too long")
    TOO_SLOW = ("too-slow", 23, 408, "The application sends or reads more slowly than this hub bears")
    TOO_MANY_CONNECTIONS = ("too-many-connections", 24, 503, "Too many connections are open")

    def __init__(self, slug: str, wire: int, status: int, title: str) -> None:
        self.slug = slug
        self.wire = wire
        self.status = status
        self.title = title

    @classmethod
    def from_wire(cls, number: int) -> ErrorCode:
        """The code with this number on the link; a number of a later version reads as ``INTERNAL``."""
        return _BY_WIRE.get(number, cls.INTERNAL)


_BY_WIRE = {code.wire: code for code in ErrorCode}


class BadMessage(Exception):
    """An HTTP message breaks the grammar or a limit.

    :ivar code: what to answer with.
    :ivar detail: what was wrong, fit to be shown to whoever sent it; holds no bytes of the message.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class LocalProtocolError(Exception):
    """Our own side tried what the protocol does not allow: a bug here, never the peer's doing."""


class RemoteProtocolError(Exception):
    """The peer broke the link's protocol; the link must be closed."""
