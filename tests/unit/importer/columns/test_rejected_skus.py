"""The SKUs of rejected rows, which protect their products from an import that removes missing ones."""

from __future__ import annotations

import pytest

from importer.columns.rejected_skus import encode_skus, read_skus
from importer.files.dialect import Dialect
from importer.files.rows import Reject


def read(code: str, row: str, *, guarded: bool = False, dialect: Dialect | None = None) -> list[str]:
    """Return the SKUs of a row of a file whose second of three columns has the SKU."""
    rejects = [Reject(2, code, "It is wrong.", row)]
    return list(read_skus(rejects, dialect or Dialect(), sku_index=1, guarded=guarded))


@pytest.mark.parametrize(
    ("code", "row", "skus"),
    [
        ("invalid_active", "Lamp, A-1 ,maybe", ["A-1"]),
        ("invalid_active", 'Lamp,"=""001""",maybe', ["001"]),
        ("invalid_active", "Lamp,A\u200b-1,maybe", ["A-1"]),
        ("name_too_long", 'n,"A,1",yes', ["A,1"]),
        ("missing_sku", "Lamp,,yes", [""]),
        ("sku_too_long", f"Lamp,{'s' * 256},yes", [""]),
        ("wrong_field_count", "Lamp,A-1", ["Lamp", "A-1"]),
        ("wrong_field_count", "Lamp,A-1,yes,x", ["Lamp", "A-1", "yes", "x"]),
        ("bad_quoting", '"Lamp" x,"A-1",yes', ['Lamp" x', "A-1", "yes"]),
        ("bad_quoting", '"Lamp,A-1,yes\nSofa,A-2,no', ["Lamp", "A-1", "yes", "Sofa", "A-2", "no"]),
    ],
)
def test_the_sku_of_a_rejected_row_is_its_sku_cell_or_any_cell_if_that_is_uncertain(
    code: str, row: str, skus: list[str]
) -> None:
    assert read(code, row) == skus


def test_a_guard_is_removed_and_a_file_without_quotes_is_split() -> None:
    assert read("invalid_active", "Lamp,'=A-1,maybe", guarded=True) == ["=A-1"]
    assert read("bad_quoting", "Lamp;A-1", dialect=Dialect(";", "")) == ["Lamp", "A-1"]


def test_skus_are_escaped_for_copy() -> None:
    assert encode_skus(iter(["a\tb", "c\\d", "e\nf", ""])) == b"a\\tb\nc\\\\d\ne\\nf\n\n"
