"""The texts of the page: the catalogues of static/locales, each in two parts.

The page loads the first part before it shows anything, and the other one after its first screen. Texts that no page in
the language shows are in neither part.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

DEFAULT_LANGUAGE = "en"
# The first words of the keys that the modules of the first screen use: the product list, the sign-in, and the
# documentation of the API.
FIRST_GROUPS = frozenset({"access", "common", "core", "docs", "page", "products"})
# Texts that replace sentences of the API. Those are in English, so a page in English needs none (`apiText` in
# static/js/core/i18n.js). Every screen may show an error.
FIRST_API_GROUPS = frozenset({"error", "field"})
API_GROUPS = FIRST_API_GROUPS | {"event", "failure", "fix", "log", "notice", "reject", "sample"}

Texts = Mapping[str, str]


class Parts(NamedTuple):
    """The texts that the page loads first, and the others."""

    first: Texts
    other: Texts


def split_texts(language: str, texts: Texts) -> Parts:
    """Split the catalogue of a language (RFC 5646) into its parts."""
    left_out = API_GROUPS if language == DEFAULT_LANGUAGE else frozenset()
    first_groups = FIRST_GROUPS | FIRST_API_GROUPS
    shown = {key: text for key, text in texts.items() if group_of(key) not in left_out}
    return Parts(
        {key: text for key, text in shown.items() if group_of(key) in first_groups},
        {key: text for key, text in shown.items() if group_of(key) not in first_groups},
    )


def group_of(key: str) -> str:
    """Return the first word of a key."""
    return key.partition(".")[0]


def as_json(texts: Texts) -> bytes:
    """Return texts as the page loads them."""
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
