"""Patterns of the operators LIKE and ILIKE."""

from __future__ import annotations


def containing(text: str) -> str:
    """Return the pattern of the texts that contain a text. `%`, `_` and the backslash are plain characters in it."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
