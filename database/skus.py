"""The spelling of SKUs: what the API, the catalogue and imports remove from a SKU before PostgreSQL compares it."""

from __future__ import annotations

import re
import unicodedata

# Characters that show nothing: the soft hyphen, zero-width spaces and joiners, directional marks, the word joiner,
# invisible operators, and the byte order mark. Variation selectors stay, because they can change a glyph.
INVISIBLE_CHARACTERS = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
INVISIBLE = re.compile(f"[{INVISIBLE_CHARACTERS}]+")


def clean_sku(sku: str) -> str:
    """Return a SKU without invisible characters and surrounding spaces, in the normal form NFC."""
    # Nearly all SKUs are ASCII.
    return sku.strip() if sku.isascii() else clean_part(sku).strip()


def clean_part(text: str) -> str:
    """Return a part of a SKU, such as a text to search for, without invisible characters and in the normal form NFC."""
    return unicodedata.normalize("NFC", INVISIBLE.sub("", text))


def are_clean(text: str) -> bool:
    """Return whether a text, such as many SKUs that are joined, has no invisible characters and is in NFC."""
    return text.isascii() or (unicodedata.is_normalized("NFC", text) and not INVISIBLE.search(text))
