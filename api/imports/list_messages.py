"""What lists of rows say about rows that are not stored: a sentence for people, a code and details for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# Every sentence by its code, with the names of its details.
SENTENCES: Mapping[str, str] = {
    "duplicates_cut": "Only {stored:,} of {counted:,} duplicate rows are stored. The others were only counted.",
    "duplicates_not_stored": "The duplicate rows are stored at the end of the import, and for a limited time.",
    "rejects_cut": ("Only the first {stored:,} of {counted:,} rejected rows are stored. The others were only counted."),
    "rejects_gone": "The rejected rows are no longer stored, because the import ended long ago.",
    "rejects_not_yet_stored": "The rejected rows are stored once the whole file has been read.",
}


class ListMessage(NamedTuple):
    """What a list says, as its JSON has it; everything is None if no row is missing."""

    message: str | None = None
    message_code: str | None = None
    message_details: dict[str, Any] | None = None


def list_message(code: str, **details: int) -> ListMessage:
    """Return what a list says; `code` is one of `SENTENCES`."""
    return ListMessage(SENTENCES[code].format(**details), code, details)
