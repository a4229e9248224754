"""Upgraded connections: raw bytes both ways between an application and an upstream (RFC 9110 section 7.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone

from slime.errors import BadMessage, ErrorCode, RemoteProtocolError
from slime.http.forwarding import client_response_fields
from slime.http.head import ResponseHead
from slime.http.upgrade import Upgrade, switching_fields
from slime.hub.answers import Trouble
from slime.hub.exchange import QUEUED_HIGH, Exchange, Stage
from slime.hub.heads import read_head

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from slime.hub.exchange import ExchangeKeeper, Wishes
    from slime.hub.request import StreamedRequest
    from slime.tunnel.frames import Head

__all__ = ["Passage"]


class Passage(Exchange):
    """An exchange whose application asks to switch protocols.

    The upstream may answer as to any request, and then this is like any exchange. When it switches (101), the
    application's connection and the stream become a passage for bytes: each side ends its half when it is done,
    and may go on listening; when both have, the passage has ended well. If either is cut off, so is the other; the
    application when it has all that the upstream said before.

    From the switch on the channel tells this what it otherwise tells nobody: see :class:`~slime.hub.switch.Successor`.
    """

    upgrade: Upgrade

    def __init__(
        self,
        request: StreamedRequest,
        keeper: ExchangeKeeper,
        request_id: bytes,
        wishes: Wishes,
        upgrade: Upgrade,
    ) -> None:
        super().__init__(request, keeper, request_id, wishes)
        self.upgrade = upgrade
        self._application_ended = self._upstream_ended = False
        self._moved = True
        self._still_since = 0.0

    # -- from the link --------------------------------------------------------------------------------------------

    def response_head(self, frame: Head) -> None:
        """The upstream answered, or switched protocols; checked again here, because the agent is not trusted.

        :raises RemoteProtocolError: the head is not what an agent may send.
        """
        if not frame.upgrade:
            super().response_head(frame)
            return
        head = self._validated_switch(frame)
        if not self.over:
            self._switch(head)

    def _validated_switch(self, frame: Head) -> ResponseHead:
        head = read_head(frame.head)
        if head.status != 101:
            raise RemoteProtocolError(f"a response head with status {head.status} does not switch protocols")
        try:
            self.upgrade.check(head)
        except BadMessage as error:
            raise RemoteProtocolError(f"101: {error.detail}") from None
        fields = [*client_response_fields(head), *self._added(), *switching_fields(head)]
        return ResponseHead(b"1.1", head.status, head.reason, fields)

    def _switch(self, head: ResponseHead) -> None:
        self.switched = True
        self.status = head.status
        self.stage = Stage.ANSWERING
        self._kept = None
        self._keeper.answering(self)
        early = self.request.switch(head, self)
        if early:
            self.dataReceived(early)

    def response_data(self, data: bytes) -> None:
        """Bytes from the upstream."""
        self._moved = True
        super().response_data(data)

    def upstream_ended(self) -> None:
        """The upstream has said all it had to say; the stream lasts until the application has as well."""
        if not self.over:
            self._moved = self._upstream_ended = True
            self.request.end_half()

    def stream_reset(self, code: ErrorCode, detail: str) -> None:
        """The agent gave the stream up; if the upstream had ended its half, all it had to say has arrived."""
        if not self._upstream_ended or self.over:
            super().stream_reset(code, detail)
            return
        self.link = None
        self.request.answer_end([])
        self._finish("ok" if code is ErrorCode.NO_ERROR else ErrorCode.UPSTREAM_BROKE.slug)

    # -- from the application's connection ------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the application."""
        link = self.link
        if self.over or link is None:
            return
        self._moved = True
        self.bytes_in += len(data)
        if link.send_body(self._stream_id, data) > QUEUED_HIGH:
            self.request.pause_body()

    def readConnectionLost(self) -> None:
        """The application has said all it had to say."""
        link = self.link
        if not self.over and link is not None:
            self._moved = self._application_ended = True
            link.end_body(self._stream_id, [])

    def connectionLost(self, reason: Failure) -> None:
        """The application's connection is gone; :meth:`left` follows.

        TLS knows no half-closed connections: its orderly end is the end of what the application had to say, which
        has a short while to arrive.
        """
        link = self.link
        if self.over or link is None or self._application_ended or reason.check(ConnectionDone) is None:
            return
        link.end_body(self._stream_id, [])
        site = self.request.site
        site.reactor.callLater(site.limits.linger_timeout, link.reset, self._stream_id, ErrorCode.CANCELLED)
        self._finish("ok" if self._upstream_ended else "left")

    def check(self, now: float) -> None:
        """Called once a second: is the passage still of use to anybody?"""
        limit = self._policy.upgrade_idle
        if self._moved:
            self._moved, self._still_since = False, now
        elif 0 < limit <= now - self._still_since:
            self.fail(Trouble(ErrorCode.UPGRADE_IDLE))
