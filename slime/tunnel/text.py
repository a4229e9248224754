"""Texts that people read: what they may hold on the wire, the same for every version of Unicode."""

from __future__ import annotations

import re

__all__ = ["is_printable", "make_printable"]

# Control characters, separators of lines and paragraphs, and surrogates, which no UTF-8 can hold.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def is_printable(text: str) -> bool:
    """Whether a text may stand in a frame."""
    return _UNPRINTABLE.search(text) is None


def make_printable(text: str) -> str:
    """The text with a question mark for each character that may not."""
    return _UNPRINTABLE.sub("?", text)
