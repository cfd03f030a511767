"""The declaration of a setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """What `config.Settings` declares about one environment variable.

    `parse` converts the text of the variable into the value. It raises `ValueError` with a text that completes the
    sentence "NAME …, not 'value'".
    """

    default: str
    help: str
    parse: Callable[[str], Any] = str
