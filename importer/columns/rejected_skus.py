"""The SKUs of rejected rows: an import must not remove a product because the row of this product was rejected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from importer.columns.formula_guard import remove_guard
from importer.columns.reject_file import COPY_ESCAPES, UNSPLITTABLE_CODES, split_rejects
from importer.columns.values import repair_values
from importer.files.dialect import Dialect
from importer.files.rows import Reject
from importer.files.spreadsheet_errors import ERRORS
from models import SKU_MAX_CHARACTERS

WRONG_WIDTH_CODE = "wrong_field_count"
# The entry of a row that has no readable SKU. No product has an empty SKU.
UNREADABLE = ""
# Stands for a character that a text cannot have.
REPLACEMENT = "\ufffd"
ESCAPED_RE = re.compile(r"[\\\t\n\r]")


def read_skus(rejects: Sequence[Reject], dialect: Dialect, *, sku_index: int, guarded: bool) -> Iterator[str]:
    """Yield the SKUs that rejected rows may have: one or more for each row, or `UNREADABLE`, or both if in doubt.

    `sku_index` is the index of the SKU column. In a row with a wrong number of cells the SKU may be in any of them, so
    each cell counts. It does no harm if a cell that is not a SKU is among them.
    """
    for reject, cells in zip(rejects, split_rejects(rejects, dialect), strict=True):
        if reject.code in UNSPLITTABLE_CODES:
            # The row may contain the beginnings of others, if a quote has no end.
            cells = re.split(rf"[{re.escape(dialect.delimiter)}\r\n]", reject.row)
            cells = [cell.strip().strip(dialect.quote or None) for cell in cells]
        elif reject.code != WRONG_WIDTH_CODE:
            cells = cells[sku_index : sku_index + 1]
        repaired, _ = repair_values({"sku": remove_guard(cells) if guarded else cells}, guarded=guarded)
        readable = [sku for sku in repaired["sku"] if sku and len(sku) <= SKU_MAX_CHARACTERS]
        yield from readable
        if not readable or _is_doubtful(reject, readable, sku_index):
            yield UNREADABLE


def _is_doubtful(reject: Reject, skus: Sequence[str], sku_index: int) -> bool:
    """Return whether the SKU of a rejected row may be another one than `skus`: it is cut off, damaged or an error."""
    if reject.code == "row_too_long":
        # Only the start of the row is known.
        return sku_index > 0
    if reject.code == "invalid_encoding" and not all(map(str.isascii, skus)):
        return True
    return not ERRORS.isdisjoint(skus) or any(REPLACEMENT in sku for sku in skus)


def encode_skus(skus: Iterator[str]) -> bytes:
    """Return SKUs in the text format of COPY, one in each row."""
    return "".join(f"{ESCAPED_RE.sub(lambda match: COPY_ESCAPES[match[0]], sku)}\n" for sku in skus).encode()
