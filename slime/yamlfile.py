"""The file with settings, as YAML: its keys and values, and nothing of what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from slime.files import content_of

__all__ = ["pairs_in"]

_NULLS = frozenset({"~", "null", "Null", "NULL"})


def pairs_in(path: Path) -> list[tuple[str, Any]]:
    """Keys and values in their order; a mapping would forget the first of two that are the same.

    :raises ValueError: it cannot be read, or is no mapping in YAML; with a sentence.
    """
    try:
        return _pairs(content_of(path).decode("utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot read {path}: it is not UTF-8 text") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path} is not YAML{_place(error)}; write lines like port: 8080") from None
    except ValueError:
        raise ValueError(f"{path} does not hold settings; write lines like port: 8080") from None


class _Loader(yaml.BaseLoader):
    """Leaves every scalar as the text it is: 0123 stays four digits, and `no` stays a word."""

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        """Null says nothing, however it is written; between quotes it is a word."""
        text: str = super().construct_scalar(node)
        return "" if node.style is None and text in _NULLS else text


def _pairs(text: str) -> list[tuple[str, Any]]:
    """What a YAML document says, if it is a mapping of words.

    :raises yaml.YAMLError: it is no YAML document.
    :raises ValueError: it is something else.
    """
    loader = _Loader(text)
    root = loader.get_single_node()
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return []
    if not isinstance(root, yaml.MappingNode) or not all(isinstance(key, yaml.ScalarNode) for key, _ in root.value):
        raise ValueError("not a mapping of words")
    return [(key.value, loader.construct_object(value, deep=True)) for key, value in root.value]


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
