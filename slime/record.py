"""What frames, heads and their like are: records that type checkers hold frozen, and that are cheap to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Needs no run-time part."""
        return lambda decorator: decorator


__all__ = ["Fields", "record"]

#: Names and values as they stand in a message, in order.
Fields = list[tuple[bytes, bytes]]

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def record(cls: type[_T]) -> type[_T]:
    """A dataclass with slots, compared by value, that nobody may change.

    The type checker enforces the last; ``frozen=True`` would do it at run time and triples the cost of making
    one, and an exchange makes a dozen.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
