"""Invalid rows become rejects with a reason, and the others reach COPY with the values of the product fields."""

from __future__ import annotations

import pytest

from importer.columns.validation import ACTIVE_WORDS, RowValidator
from importer.files.cells import Row
from importer.files.dialect import Dialect
from importer.files.rows import Reject, RowChunk

FIELDS = ["sku", "name", None, "active"]


def validate(rows: list[Row], dialect: Dialect | None = None) -> tuple[str, int, list[Reject]]:
    """Validate rows that start at line 2; return the text for COPY, the number of valid rows, and the rejects."""
    text = "".join(",".join(row) + "\n" for row in rows)
    chunk = RowChunk(rows, 2, text)
    payload, valid_rows = RowValidator(FIELDS, dialect or Dialect()).encode_rows(chunk)
    return payload.decode(), valid_rows, chunk.rejects


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        (["", "n", "x", "1"], "missing_sku", "The row has no SKU."),
        ([" \t", "n", "x", "1"], "missing_sku", "The row has no SKU."),
        (["s"], "wrong_field_count", "The row has 1 field where the header has 4 fields."),
        (["", "x"], "wrong_field_count", "The row has 2 fields where the header has 4 fields."),
        (["x"] * 1234, "wrong_field_count", "The row has 1,234 fields where the header has 4 fields."),
        (
            ["s" * 256, "n", "x", "1"],
            "sku_too_long",
            f"sku: `{'s' * 39}…` has 256 characters; at most 255 are allowed.",
        ),
        (
            ["s", "n" * 1501, "x", "1"],
            "name_too_long",
            f"name: `{'n' * 39}…` has 1,501 characters; at most 500 are allowed.",
        ),
        (
            ["s", "n", "x", "maybe"],
            "invalid_active",
            "active: `maybe` is not yes or no. Write true, false, yes, no, 1 or 0.",
        ),
        (
            ["s\udce9", "n", "x", "1"],
            "invalid_encoding",
            "sku: `sé` has bytes that are not text in the encoding of the file.",
        ),
        (
            ["s", "\udce9", "x", "1"],
            "invalid_encoding",
            "name: `é` has bytes that are not text in the encoding of the file.",
        ),
    ],
)
def test_an_invalid_row_is_rejected_with_a_reason_and_others_are_not(row: Row, code: str, message: str) -> None:
    good = ["a", "b", "c", "yes"]
    payload, valid_rows, rejects = validate([good, row, good])
    assert (payload, valid_rows) == ('"a","b","t"\n' * 2, 2)
    assert [(reject.line, reject.code, reject.message) for reject in rejects] == [(3, code, message)]
    assert rejects[0].row == ",".join(row).replace("\udce9", "é")
    assert validate([row])[:2] == ("", 0)


def test_values_of_the_greatest_length_are_valid_beside_longer_ones() -> None:
    longest, too_long = ["s" * 255, "n" * 500, "", ""], ["t" * 256, "n" * 501, "", ""]
    payload, valid_rows, rejects = validate([longest, too_long, longest])
    assert (payload.count("s" * 255), valid_rows) == (2, 2)
    assert [(reject.line, reject.code) for reject in rejects] == [(3, "sku_too_long")]


def test_a_reject_keeps_the_spaces_at_its_ends() -> None:
    assert validate([[" ", " n", "x", "1 "]])[2][0].row == " , n,x,1 "


def test_the_guard_of_formulas_is_removed_from_guarded_files_only() -> None:
    rows = [["'=a", "''+b", "'-c", "yes"], ["'x", "'", "", ""]]
    text = "".join(",".join(row) + "\n" for row in rows)
    for guarded, expected in ((True, ["=a", "'+b", "'x", "'"]), (False, ["'=a", "''+b", "'x", "'"])):
        payload, _ = RowValidator(FIELDS, Dialect(), guarded=guarded).encode_rows(RowChunk(rows, 2, text))
        values = [cell.strip('"') for line in payload.decode().splitlines() for cell in line.split(",")[:2]]
        assert values == expected


def test_a_row_has_the_reason_that_is_most_useful() -> None:
    too_long = ["s" * 256, "n" * 501, "x", "maybe"]
    rows = [
        ["", "n" * 501, "x", "maybe"],
        too_long,
        ["s", "n" * 501, "x", "maybe"],
        ["\udce9" * 256, "\udce9", "", "?"],
    ]
    codes = [reject.code for reject in validate(rows)[2]]
    assert codes == ["missing_sku", "sku_too_long", "name_too_long", "invalid_encoding"]
    assert validate(rows)[2][3].message.startswith("sku: `é")


def test_blank_rows_are_neither_valid_nor_rejected() -> None:
    assert validate([[], [""], [" "], ["a", "b", "c", ""], []]) == ('"a","b",""\n', 1, [])
    assert validate([["", "", "", ""], ["", " "], [""] * 99, ["a", "b", "c", ""]]) == ('"a","b",""\n', 1, [])
    # Content in a column that is left out counts.
    assert [reject.line for reject in validate([["", "\t", "", " "], ["", "", "c", ""]])[2]] == [3]
    assert validate([]) == ("", 0, [])
    assert validate([[]]) == ("", 0, [])


def test_undecodable_bytes_in_a_column_that_is_left_out_are_harmless() -> None:
    assert validate([["a", "b", "\udce9", "no"]]) == ('"a","b","f"\n', 1, [])


@pytest.mark.parametrize(("quote", "copy_quote"), [('"', '"'), ("'", "'"), ("", "\x01")])
def test_values_are_quoted_for_copy(quote: str, copy_quote: str) -> None:
    dialect = Dialect(";", quote)
    payload, _, _ = validate([[f" a{copy_quote} ", f" {copy_quote};\n", "x", " YES "], ["b", "c", "x", ""]], dialect)
    expected = '"a""";" "";\n";"t"\n"b";"c";""\n'
    assert payload == expected.replace('"', copy_quote)


def test_the_fast_path_needs_a_product_field_in_every_column() -> None:
    assert RowValidator(FIELDS, Dialect()).layout is None
    layout = RowValidator(["name", "sku", "description"], Dialect("\t", "")).layout
    assert layout is not None
    assert (layout.width, layout.sku, layout.name, layout.active) == (3, 1, 0, None)
    assert (layout.sku_max, layout.name_max, layout.delimiter, layout.quote) == (255, 500, "\t", "\x01")


def test_every_word_for_active_is_true_or_false_and_in_lower_case() -> None:
    assert set(ACTIVE_WORDS.values()) == {"t", "f", ""}
    assert all(word == word.strip().lower() for word in ACTIVE_WORDS)
    assert ACTIVE_WORDS["published"] == ACTIVE_WORDS["ja"] == "t"
    assert ACTIVE_WORDS["draft"] == ACTIVE_WORDS["nein"] == "f"
