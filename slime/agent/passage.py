"""Requests that ask to switch protocols, and what follows when the upstream does."""

from __future__ import annotations

from typing import cast

from slime.agent.heads import parsed
from slime.agent.upstream.call import UpstreamCall
from slime.agent.worker import Worker, WorkerLink, Workshop
from slime.errors import BadMessage, ErrorCode
from slime.http.fields import Fields
from slime.http.forwarding import agent_response_fields, rewrite_for_upstream
from slime.http.head import RequestHead, ResponseHead, serialise_response_head
from slime.http.upgrade import Upgrade, switching_fields, wanted_upgrade
from slime.tunnel import End, Head, Open

__all__ = ["PassageWorker"]


class PassageWorker(Worker):
    """A worker for a stream that was opened for an upgrade.

    The upstream may answer as to any request. When it switches protocols (101), bytes go both ways until both
    sides have said that they are done; whoever is done first goes on listening. The slot is in use until then, or until
    the upstream is gone.
    """

    __slots__ = ("_hub_ended", "_switched", "_upgrade", "_upstream_ended")

    _upgrade: Upgrade

    def __init__(self, shop: Workshop, link: WorkerLink, frame: Open) -> None:
        super().__init__(shop, link, frame)
        self._switched = self._hub_ended = self._upstream_ended = False

    # What the hub says.

    def body_ended(self, frame: End) -> None:
        """The application has said all it had to say."""
        self._hub_ended = True
        if self._call is not None:
            self._call.end()
        if self._upstream_ended:
            self._depart()

    # What the workshop says.

    def _rewritten(self, text: bytes) -> RequestHead:
        head = parsed(text, self._shop.bounds.head)
        upgrade = wanted_upgrade(head, 0)
        if upgrade is None:
            raise BadMessage(ErrorCode.BAD_REQUEST, "the request does not ask to switch protocols as it has to")
        self._upgrade = upgrade
        return rewrite_for_upstream(head, self._shop.client.target.address, upgrade)

    # What the call says.

    def head(self, head: ResponseHead, length: int | None) -> None:
        """The upstream answers, or switches protocols."""
        if head.status != 101:
            super().head(head, length)
            return
        try:
            self._upgrade.check(head)
        except BadMessage as error:
            self._refuse_switch(error)
            return
        self._switched = True
        self._shop.answered(101, self._began)
        fields = [*agent_response_fields(head, self._method), *switching_fields(head)]
        block = serialise_response_head(ResponseHead(head.version, head.status, head.reason, fields))
        self._link.send(Head(self._stream_id, block, None, upgrade=True))

    def _refuse_switch(self, error: BadMessage) -> None:
        cast(UpstreamCall, self._call).abort()
        self.failed(error.code, error.detail)

    def end(self, trailers: Fields) -> None:
        """The upstream has said all it had to say; after a 101 it may go on listening."""
        if not self._switched:
            super().end(trailers)
            return
        self._upstream_ended = True
        self._link.send(End(self._stream_id))
        if self._hub_ended:
            self._depart()

    def failed(self, code: ErrorCode, detail: str) -> None:
        """There is no answer, or no passage any more; if the code is ``NO_ERROR``, it was closed in good order.

        The slot is free at once: what the upstream said goes on its way without it, and what the application still says
        goes nowhere.
        """
        self.resume_request()
        if code is ErrorCode.NO_ERROR:
            self._fail(code, detail)
        else:
            super().failed(code, detail)

    def _depart(self) -> None:
        """Both sides are done."""
        self._leave()
        self._shop.done()
