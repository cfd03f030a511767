"""Names of uploaded files, as they are stored and shown."""

from __future__ import annotations

import re
import unicodedata

# Control characters, separators of lines, Unicode's Default_Ignorable_Code_Point, and the characters of interlinear
# annotations. They hide text, reorder it on the screen, or control a terminal.
INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\u2028\u2029"
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ufff9-\ufffb\ufffe\uffff"
)
VISIBLE = f"[^\x20-\x7e{INVISIBLE}]"
VARIATION_SELECTOR = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
# Writing systems and emoji need some of these characters: joiners (Persian, Hindi, families), variation selectors
# (Japanese names, hearts, keycaps), and the tags of a flag (England). They stand between or after visible characters
# that are not ASCII, or, in a keycap, between an ASCII character and U+20E3.
NEEDED = "|".join(
    (
        f"(?:(?<={VISIBLE})|(?<={VISIBLE}{VARIATION_SELECTOR}))[\u200c\u200d](?={VISIBLE})",
        f"(?<={VISIBLE}){VARIATION_SELECTOR}",
        f"{VARIATION_SELECTOR}(?=\u20e3)",
        "(?<=\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f",
    )
)
CLEANED_RE = re.compile(f"({NEEDED})|[{INVISIBLE}]")


TEXT_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
COMPRESSION_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
ARCHIVE_SUFFIX = ".zip"
# The names of files that can be imported. The content of a file decides what it is.
ACCEPTED_SUFFIXES = (
    *TEXT_SUFFIXES,
    *WORKBOOK_SUFFIXES,
    ARCHIVE_SUFFIX,
    *(text + compression for text in TEXT_SUFFIXES for compression in COMPRESSION_SUFFIXES),
)
ACCEPTED_NAMES = (
    "Its name must end in .csv, .tsv, .tab or .txt (also followed by .gz, .bz2, .xz or .zst), .xlsx, .xlsm, .xlsb,"
    " .xls, .ods or .zip."
)


def clean_filename(name: str) -> str:
    """Return a name without invisible characters, except for those that its script or an emoji needs, in NFC."""
    return unicodedata.normalize("NFC", CLEANED_RE.sub(lambda match: match[1] or "", name))
