"""What an operator can tell a hub."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from twisted.logger import Logger

from slime.hub.admin.replies import problem
from slime.hub.observe import Observer
from slime.hub.revocations import Revocations
from slime.seed.tokens import verify_seed
from slime.tokens import AgentClaims, Malformed, TokenError, verify

if TYPE_CHECKING:
    from slime.hub.links import HubLink
    from slime.hub.pool import AgentPool

__all__ = ["Actions"]


class Actions:
    """Each method does one thing and says what it did; what it cannot do it raises as :exc:`.Refused`.

    :param secret: the hub's, to read tokens with.
    """

    _log = Logger()

    def __init__(self, pool: AgentPool, observer: Observer, revocations: Revocations, secret: bytes) -> None:
        self._pool = pool
        self._observer = observer
        self.revocations = revocations
        self._secret = secret

    def drain(self, key: str) -> str:
        """The agent gets nothing new, now and when it links anew; what runs there runs on."""
        link = self._link(key)
        self._pool.drain_agent(key)
        return self._done("drained", link)

    def undrain(self, key: str) -> str:
        """The agent may work again."""
        link = self._find(key)
        if not self._pool.undrain_agent(key):
            raise problem(404, "there is no such agent")
        return self._done("undrained", link, key)

    def disconnect(self, key: str) -> str:
        """End the agent's link, and what runs there with it; the agent may link anew."""
        link = self._link(key)
        message = self._done("disconnected", link)
        link.end("the hub's operator has disconnected it")
        return message

    def revoke(self, token_id: str) -> str:
        """Accept this token no more, for ever; end the links of who came with it."""
        try:
            self.revocations.add(token_id)
        except ValueError as error:
            raise problem(400, str(error)) from None
        except OSError as error:
            self._expel(token_id)
            raise self._not_kept("the token is void until the hub ends, and then not", error) from None
        ended = self._expel(token_id)
        return self._done("revoked", None, token_id, f"{token_id}, and ended {ended} link{'' if ended == 1 else 's'}")

    def revoke_text(self, token: str) -> str:
        """As :meth:`revoke`, for the text of a token."""
        try:
            return self.revoke(self._claims(token).token_id)
        except TokenError as error:
            raise problem(400, f"this is no token of this hub that needs to be revoked: it is {error.reason}") from None

    def _claims(self, token: str) -> AgentClaims:
        try:
            return verify(self._secret, token, time.time())
        except Malformed:
            return verify_seed(self._secret, token, time.time())

    def restore(self, token_id: str) -> str:
        """Accept a revoked token again."""
        try:
            known = self.revocations.remove(token_id)
        except OSError as error:
            raise self._not_kept("the token stays void", error) from None
        if not known:
            raise problem(404, "there is no such revocation")
        return self._done("restored", None, token_id, token_id)

    def _not_kept(self, meaning: str, error: OSError) -> Exception:
        reason = error.strerror or str(error)
        self._log.error("cannot write {path}: {reason}", path=self.revocations.path, reason=reason)
        return problem(500, f"the file of revoked tokens cannot be written ({reason}): {meaning}")

    def _expel(self, token_id: str) -> int:
        links = [link for link in self._links() if link.claims.token_id == token_id]
        for link in links:
            link.expel()
        return len(links)

    def _links(self) -> list[HubLink]:
        return cast("list[HubLink]", self._pool.links)

    def _find(self, key: str) -> HubLink | None:
        return next((link for link in self._links() if link.key == key), None)

    def _link(self, key: str) -> HubLink:
        link = self._find(key)
        if link is None:
            raise problem(404, "there is no such agent")
        return link

    def _done(self, what: str, link: HubLink | None, whom: str = "", detail: str = "") -> str:
        whom = link.key if link is not None else whom
        self._observer.happened(what, link, detail)
        self._log.info("by order of the operator: {what} {whom}", what=what, whom=whom)
        return f"{what} {detail or (link.agent_name if link is not None else whom)}"
