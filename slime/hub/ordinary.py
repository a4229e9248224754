"""What ordinary resources of twisted.web need: their request's whole body before they start, and their producers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from slime.errors import BadMessage, ErrorCode
from slime.http.head import Fields, ResponseHead
from slime.hub.answers import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted.internet.task import Cooperator

    from slime.hub.request import StreamedRequest

__all__ = ["Buffering", "Pump"]

BUFFERED_BODY_LIMIT = 1024 * 1024
CONTINUE = ResponseHead(b"1.1", 100, b"Continue", [])


class Buffering:
    """Collects the body of a request for an ordinary resource, then lets Twisted process it."""

    def __init__(self, request: StreamedRequest) -> None:
        self._request = request
        self._room = BUFFERED_BODY_LIMIT
        request.gotLength(request.body_length)
        if request.expectant:
            request.answer_interim(CONTINUE)
            request.resume_body()

    def body_received(self, data: bytes) -> None:
        """Some of the body; beyond the limit the request is refused."""
        self._room -= len(data)
        if self._room < 0:
            self.body_failed(BadMessage(ErrorCode.BODY_TOO_LARGE, "this resource takes no body of that size"))
        else:
            self._request.handleContentChunk(data)

    def body_finished(self, trailers: Fields) -> None:
        """The body is complete: the resource's turn."""
        request = self._request
        request.requestReceived(request.head.method, request.head.target, b"HTTP/" + request.head.version)

    def body_failed(self, error: BadMessage) -> None:
        """The body will never be complete."""
        self._request.fail(Trouble(error.code, error.detail))

    def left(self) -> None:
        """The request tells the resource by Twisted's own ways."""

    def drained(self) -> None:
        """The request tells its producer."""


@implementer(IPushProducer)
class Pump:
    """Makes a push producer of a pull producer, for as long as it is the request's producer."""

    def __init__(self, request: StreamedRequest, producer: IPullProducer, cooperator: Cooperator) -> None:
        self._request = request
        self._producer = producer
        self._paused = False
        self._task = cooperator.cooperate(self._run())
        self._task.whenDone().addErrback(self._failed)

    def _run(self) -> Iterator[None]:
        while self._request.producer is self._producer:
            self._producer.resumeProducing()
            yield None

    def _failed(self, failure: Failure) -> None:
        """The producer raised: what it has produced must not look complete."""
        self._request.producer_failed(failure)

    def pauseProducing(self) -> None:
        """The application reads more slowly than the producer produces."""
        if not self._paused:
            self._paused = True
            self._task.pause()

    def resumeProducing(self) -> None:
        """The application has read everything."""
        if self._paused:
            self._paused = False
            self._task.resume()

    def stopProducing(self) -> None:
        """The application is gone."""
        cast(Any, self._producer).stopProducing()
