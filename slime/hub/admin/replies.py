"""Answers of the admin site, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

__all__ = ["Refused", "Reply", "as_json", "as_text", "problem"]

JSON = "application/json"
PROBLEM = "application/problem+json"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer.

    :ivar fields: further fields of its head.
    """

    status: int
    content_type: str
    body: bytes
    fields: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """The request cannot be carried out.

    :ivar reply: what to answer.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def as_json(data: Any, status: int = 200) -> Reply:
    """An answer of JSON."""
    return Reply(status, JSON, json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n")


def as_text(text: str, status: int = 200) -> Reply:
    """An answer of plain text."""
    return Reply(status, TEXT, text.encode("utf-8"))


def problem(status: int, detail: str, *fields: tuple[str, str]) -> Refused:
    """A refusal as RFC 9457 has it."""
    document = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Refused(Reply(status, PROBLEM, json.dumps(document).encode("ascii") + b"\n", fields))
