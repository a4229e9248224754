"""Asks a hub's admin site, for commands: one question at a time, and an answer or a sentence that says why not."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from slime.settings import AdminConfig

__all__ = ["AdminClient", "AdminError"]

#: Seconds to wait for an answer: the site does little for one.
TIMEOUT = 10.0


class AdminError(Exception):
    """The site cannot be reached, or does not do what it was asked to. The message is one line."""


class _UnixConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """Called with the first request."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


class AdminClient:
    """A hub's admin site.

    :ivar address: where it is.
    """

    def __init__(self, config: AdminConfig) -> None:
        self.address = config.admin
        self._token = config.admin_token

    def get(self, path: str) -> Any:
        """What the API has at a path.

        :raises AdminError: it could not be had.
        """
        return self._ask("GET", path)

    def act(self, path: str, **members: str) -> str:
        """Tell the hub something; what it did.

        :raises AdminError: it did not.
        """
        return str(self._ask("POST", path, members)["done"])

    def act_on_agent(self, key: str, action: str) -> str:
        """The same, for an agent.

        :raises AdminError: it did not.
        """
        token_id, _, agent_id = key.rpartition("/")
        return self.act(f"agents/{quote(token_id, safe='')}/{quote(agent_id, safe='')}/{action}")

    def _ask(self, verb: str, path: str, members: dict[str, str] | None = None) -> Any:
        connection = self._connection()
        try:
            status, body = self._exchange(connection, verb, path, members)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise AdminError(
                f"cannot reach the admin site at {self.address}: {reason}; is the hub running? "
                "(--admin says where its admin site is)"
            ) from None
        finally:
            connection.close()
        return self._understood(status, body)

    def _connection(self) -> HTTPConnection:
        if self.address.startswith("unix:"):
            return _UnixConnection(self.address.removeprefix("unix:"))
        url = urlsplit(self.address)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        return kind(url.netloc, timeout=TIMEOUT)

    def _exchange(
        self, connection: HTTPConnection, verb: str, path: str, members: dict[str, str] | None
    ) -> tuple[int, bytes]:
        fields = {"Slime-Admin": "1", "Connection": "close"}
        if self._token is not None:
            fields["Authorization"] = f"Bearer {self._token.decode('latin-1')}"
        if members:
            fields["Content-Type"] = "application/json"
        connection.request(verb, f"/api/v1/{path}", json.dumps(members) if members else None, fields)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _understood(self, status: int, body: bytes) -> Any:
        if status == 401:
            wanted = "another token" if self._token is not None else "a token"
            raise AdminError(f"the admin site at {self.address} wants {wanted} (--admin-token-file FILE)")
        try:
            data = json.loads(body)
        except ValueError:
            raise AdminError(f"what is at {self.address} is no hub's admin site (--admin says where it is)") from None
        if status != 200:
            raise AdminError(data.get("detail", f"the admin site answers {status}"))
        return data
