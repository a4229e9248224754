"""Inputs for which a property did not hold, each with the target that found it, by the name of what was wrong."""

from __future__ import annotations

__all__ = ["FOUND"]

FOUND: dict[str, tuple[str, bytes]] = {
    # What a hop adds must not take a head over the limit of the next one.
    "fields_added_on_the_way": (
        "requests", b"    GET /x HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 198 + b"\r\n",
    ),
}
