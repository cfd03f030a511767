"""Imports without a queue: the rules for files, from file to table."""

from __future__ import annotations

import csv
import gzip
import io
import random
import unicodedata
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import config
from importer.pipeline.runner import ImportRunner
from models import NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS
from support.database import execute
from support.jobs import create_runner, read_products, read_rejects, run_import
from support.paths import SAMPLE

COUNTS = ("created_count", "updated_count", "unchanged_count", "duplicate_count", "rejected_count")


def read_counts(job: dict[str, Any]) -> tuple[int, ...]:
    """Return created, updated, unchanged, duplicate and rejected counts, which must add up to the total."""
    assert (job["status"], job["progress"], job["error_message"]) == ("completed", 100, None)
    assert sum(job[name] for name in COUNTS) == job["processed_records"] == job["total_records"]
    return tuple(job[name] for name in COUNTS)


def encode_csv(rows: list[list[str]]) -> str:
    """Return a table as CSV."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def read_row_versions(url: str) -> list[tuple[Any, ...]]:
    """Return the physical version of each product, which every write changes."""
    return execute(url, "SELECT id, xmin::text, ctid::text, updated_at FROM products ORDER BY id")


def test_a_second_import_of_the_sample_changes_nothing(runner: ImportRunner) -> None:
    assert read_counts(run_import(runner, SAMPLE.read_bytes())) == (1998, 0, 0, 2, 0)
    before = read_products(runner.database_url), read_row_versions(runner.database_url)
    assert read_counts(run_import(runner, SAMPLE.read_bytes())) == (0, 0, 1998, 2, 0)
    assert (read_products(runner.database_url), read_row_versions(runner.database_url)) == before


def test_only_changed_rows_are_written(runner: ImportRunner) -> None:
    run_import(runner, "sku,name\na,1\nb,2\nc,3\n")
    before = read_row_versions(runner.database_url)
    assert read_counts(run_import(runner, "sku,name\nA,1\nB,changed\nC,3\n")) == (0, 1, 2, 0, 0)
    after = read_row_versions(runner.database_url)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]
    assert after[1][3] > before[1][3]
    assert [row[0] for row in read_products(runner.database_url)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "header",
    ["sku,name,description,active", "Active,DESCRIPTION,Name,SKU", " name , sku ,active,description", "x,SKU\t,name,"],
)
def test_columns_are_found_in_any_order_and_case(runner: ImportRunner, header: str) -> None:
    names = [name.strip(" \t").lower() for name in header.split(",")]
    values = {"sku": "s", "name": "n", "description": "d", "active": "false"}
    assert read_counts(run_import(runner, encode_csv([header.split(","), [values.get(name, "-") for name in names]])))
    expected = ("s", "n", "d", False) if "active" in names else ("s", "n", "", True)
    assert read_products(runner.database_url) == [expected]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_byte_order_mark_and_gzip_make_no_difference(
    runner: ImportRunner, line_end: bytes, mark: bytes, packed: bool
) -> None:
    lines = [b"sku,name,description", b'a,"two\nlines","say ""hi"""', b'b,"c\r\nd",', "é,ü,\U0001f642".encode()]
    content = mark + line_end.join(lines)
    assert read_counts(run_import(runner, gzip.compress(content) if packed else content)) == (3, 0, 0, 0, 0)
    assert read_products(runner.database_url) == [
        ("a", "two\nlines", 'say "hi"', True),
        ("b", "c\r\nd", "", True),
        ("é", "ü", "\U0001f642", True),
    ]


def test_the_last_row_of_a_sku_wins_regardless_of_case_and_spaces(runner: ImportRunner) -> None:
    assert read_counts(run_import(runner, "sku,name\nab,first\nx,y\n AB ,second\n\tAb\u00a0,third\n")) == (
        2,
        0,
        0,
        2,
        0,
    )
    assert read_products(runner.database_url) == [("Ab", "third", "", True), ("x", "y", "", True)]
    # The product keeps the spelling that it was created with.
    assert read_counts(run_import(runner, "sku,name\nAB,fourth\naB,fifth\n")) == (0, 1, 0, 1, 0)
    assert read_products(runner.database_url)[0] == ("Ab", "fifth", "", True)


def test_a_later_duplicate_that_is_rejected_does_not_win(runner: ImportRunner) -> None:
    job = run_import(runner, f"sku,name\na,good\na,{'x' * 501}\n")
    assert read_counts(job) == (1, 0, 0, 0, 1)
    assert read_products(runner.database_url) == [("a", "good", "", True)]


def test_fields_without_a_column_stay_unchanged(runner: ImportRunner) -> None:
    run_import(runner, "sku,name,description,active\na,A,about a,no\n")
    assert read_counts(run_import(runner, "sku,name\na,B\nb,new\n")) == (1, 1, 0, 0, 0)
    assert read_counts(run_import(runner, "description,sku\nother,a\n")) == (0, 1, 0, 0, 0)
    assert read_counts(run_import(runner, "active,sku\nyes,a\n")) == (0, 1, 0, 0, 0)
    assert read_products(runner.database_url) == [("a", "B", "other", True), ("b", "new", "", True)]


def test_a_file_with_only_skus_creates_products_and_changes_none(runner: ImportRunner) -> None:
    run_import(runner, "sku,name,description,active\na,A,about a,no\n")
    before = read_row_versions(runner.database_url)
    assert read_counts(run_import(runner, "sku\nA\nb\nB\n")) == (1, 0, 1, 1, 0)
    assert read_products(runner.database_url) == [("a", "A", "about a", False), ("B", "", "", True)]
    assert read_row_versions(runner.database_url)[:1] == before


def test_an_empty_cell_clears_a_text(runner: ImportRunner) -> None:
    run_import(runner, "sku,name,description\na,A,about a\n")
    assert read_counts(run_import(runner, 'sku,name,description\na,,""\n')) == (0, 1, 0, 0, 0)
    assert read_products(runner.database_url) == [("a", "", "", True)]


@pytest.mark.parametrize("surrounding", ["{}", " {} ", "{}\t"])
def test_active_accepts_many_words_and_an_empty_cell_changes_nothing(runner: ImportRunner, surrounding: str) -> None:
    words = {
        True: ["true", "TRUE", "t", "Yes", "y", "on", "1", "active"],
        False: ["false", "False", "f", "NO", "n", "off", "0", "inactive"],
    }
    rows = [
        [surrounding.format(word), f"{int(value)}-{word}-{number}"]
        for value in words
        for number, word in enumerate(words[value])
    ]
    job = run_import(runner, encode_csv([["active", "sku"], *rows, ["", "empty"], ["maybe", "x"], ["2", "y"]]))
    assert read_counts(job) == (17, 0, 0, 0, 2)
    assert read_rejects(runner.database_url, job) == [(19, "invalid_active"), (20, "invalid_active")]
    assert all(active == (sku[0] in "1e") for sku, _, _, active in read_products(runner.database_url))
    run_import(runner, "sku,active\nempty,no\n")
    assert read_counts(run_import(runner, "sku,active\nempty,\n1-true-0, \n")) == (0, 0, 2, 0, 0)
    assert ("empty", "", "", False) in read_products(runner.database_url)


def test_postgresql_alone_decides_which_skus_are_the_same(runner: ImportRunner) -> None:
    skus = ["İ", "i̇", "i", "I", "ß", "ẞ", "SS", "ss", "Σς", "ΣΣ", "σς", "σσ", "ǅ", "ǆ", "Ǆ", "\u212a", "k", "K", "ŉ"]
    assert sum(read_counts(run_import(runner, encode_csv([["sku"], *([sku] for sku in skus)])))[:4]) == len(skus)
    keys = execute(
        runner.database_url, "SELECT lower(s) FROM unnest(%s::text[]) WITH ORDINALITY u(s, n) ORDER BY n", (skus,)
    )
    last = {key: sku for (key,), sku in zip(keys, skus, strict=True)}
    assert sorted(row[0] for row in read_products(runner.database_url)) == sorted(last.values())
    assert len(last) < len(skus)


def test_text_with_a_meaning_for_copy_is_plain_text(runner: ImportRunner) -> None:
    strange = [
        "\x01",
        "\x02",
        "\x01\x02\x01\x01",
        "\\",
        "\\.",
        "\\N",
        "\\n",
        "\t",
        "a\tb",
        "\n\\.\n",
        "\r\n\\.\r\n",
        "NULL",
    ]
    strange += ["'", '"', '""', ";--", "\x7f", "\x1b[31m", "\u2028", "\ufeff", "\uffff", "{}", "%s"]
    rows = [[f"{number:02}{text}.", text, text] for number, text in enumerate(strange)]
    assert read_counts(run_import(runner, encode_csv([["sku", "name", "description"], *rows]))) == (
        len(rows),
        0,
        0,
        0,
        0,
    )
    # Byte order marks are removed from SKUs.
    expected = [(sku.replace("\ufeff", ""), name, text, True) for sku, name, text in rows]
    assert read_products(runner.database_url) == expected
    assert read_counts(run_import(runner, encode_csv([["sku", "name", "description"], *rows]))) == (
        0,
        0,
        len(rows),
        0,
        0,
    )


@pytest.mark.parametrize("row", ["\\.,x,y", "x,\\.,\\.", '"\\.","\\.","a\n\\.\nb"'])
def test_the_end_marker_of_copy_is_plain_text(runner: ImportRunner, row: str) -> None:
    expected = next(csv.reader(io.StringIO(row, newline="")))
    assert read_counts(run_import(runner, f"sku,name,description\n{row}\nz,1,2\n")) == (2, 0, 0, 0, 0)
    assert set(read_products(runner.database_url)) == {(*expected, True), ("z", "1", "2", True)}


def test_invalid_rows_are_rejected_with_their_first_line(runner: ImportRunner) -> None:
    job = run_import(runner, 'SKU,Name\na,"two\nlines"\n,nothing\nb\nc,see\n')
    assert read_rejects(runner.database_url, job) == [(4, "missing_sku"), (5, "wrong_field_count")]
    assert read_products(runner.database_url) == [("a", "two\nlines", "", True), ("c", "see", "", True)]
    assert read_counts(job) == (2, 0, 0, 0, 2)


def test_the_longest_values_are_imported_and_longer_ones_rejected(runner: ImportRunner) -> None:
    skus, names = ["é" * 255, "🙂" * 256, "a", "b", f" {'c' * 255} "], ["n", "n", "ü" * 500, "ü" * 501, ""]
    rows = [[sku, name] for sku, name in zip(skus, names, strict=True)]
    job = run_import(runner, encode_csv([["sku", "name"], *rows]))
    assert read_rejects(runner.database_url, job) == [(3, "sku_too_long"), (5, "name_too_long")]
    assert {row[:2] for row in read_products(runner.database_url)} == {
        ("é" * 255, "n"),
        ("a", "ü" * 500),
        ("c" * 255, ""),
    }


def test_a_rejected_row_is_kept_unchanged(runner: ImportRunner) -> None:
    job = run_import(runner, b'sku,name\n"","a ""b"""\n\xc3\xa9,\xc3\xbc\nc,\xe9\nd,"e"f\n')
    rows = execute(runner.database_url, "SELECT row FROM import_rejects WHERE job_id = %s ORDER BY line", (job["id"],))
    assert rows == [('"","a ""b"""',), ("c,é",), ('d,"e"f',)]


same_or_not = ["a", "A", " a ", "SS", "ss", "ß", "ẞ", "İ", "i̇", "Σς", "ΣΣ", "σς", "ǅ", "ǆ", "k", "\u212a"]
odd_skus = ["", " ", "x" * 255, "X" * 255, "x" * 256, "\\.", "\x01", "a\tb", "1", "2", "3", "4"]
cells = {
    "sku": st.sampled_from(same_or_not) | st.sampled_from(odd_skus),
    "name": st.sampled_from(["", "n", "N", "two\nlines", 'q"q', "\\N", "\x02", "x" * 500, "x" * 501]),
    "description": st.sampled_from(["", "d", "D", "comma, and\r\nmore", "\\"]),
    "active": st.sampled_from(["", " ", "true", "NO", "1", "maybe"]),
    "other": st.just("o"),
}
headers = st.permutations(["name", "description", "active", "other"]).flatmap(
    lambda names: st.integers(0, 4).flatmap(lambda count: st.permutations(["sku", *names[:count]]))
)
tables = headers.flatmap(
    lambda header: st.lists(
        st.tuples(*(cells[name] for name in header)).map(list) | st.just(["too"] * (len(header) + 1)), max_size=20
    ).map(lambda rows: [header, *rows])
)


@dataclass
class Model:
    """A simple model of the importer in Python. PostgreSQL decides only which SKUs are equal."""

    url: str
    products: dict[str, dict[str, Any]] = field(default_factory=dict)

    def load(self, header: list[str], rows: list[list[str]]) -> tuple[int, ...]:
        """Import a table and return the counts."""
        good = [
            dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header) and self.fits(header, row)
        ]
        skus = [unicodedata.normalize("NFC", row["sku"].strip()) for row in good]
        keys = execute(self.url, "SELECT lower(s) FROM unnest(%s::text[]) WITH ORDINALITY u(s, n) ORDER BY n", (skus,))
        last = {key: {**row, "sku": sku} for (key,), row, sku in zip(keys, good, skus, strict=True)}
        created = updated = 0
        for key, row in last.items():
            new = key not in self.products
            old = self.products.get(key, {"sku": row["sku"], "name": "", "description": "", "active": True})
            given: dict[str, Any] = {name: row[name] for name in row if name in {"name", "description"}}
            if row.get("active", "").strip():
                given["active"] = row["active"] != "NO"
            created += new
            updated += not new and {**old, **given} != old
            self.products[key] = {**old, **given}
        return created, updated, len(last) - created - updated, len(good) - len(last), len(rows) - len(good)

    @staticmethod
    def fits(header: list[str], row: list[str]) -> bool:
        """Return whether a row is valid."""
        values = dict(zip(header, row, strict=True))
        return (
            0 < len(values["sku"].strip()) <= 255
            and len(values.get("name", "")) <= 500
            and values.get("active") != "maybe"
        )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(tables, min_size=1, max_size=3), st.integers(1, 5), st.integers(1, 5))
def test_any_sequence_of_files_matches_a_simple_model(
    settings: config.Settings, files: list[list[list[str]]], chunk_rows: int, slice_rows: int
) -> None:
    runner = create_runner(settings, chunk_rows=chunk_rows, slice_rows=slice_rows)
    execute(runner.database_url, "TRUNCATE products, import_jobs CASCADE")
    model = Model(runner.database_url)
    for header, *rows in files:
        job = run_import(runner, encode_csv([header, *rows]))
        # A row of empty cells is no row.
        rows = [row for row in rows if "".join(row).strip()]
        if not rows:
            assert job["status"] == "failed"
            continue
        assert read_counts(job) == model.load(header, rows)
        assert set(read_products(runner.database_url)) == {
            tuple(product.values()) for product in model.products.values()
        }
    assert not execute(runner.database_url, "SELECT FROM pg_tables WHERE tablename LIKE 'import\\_staging\\_%'")


def test_slices_without_changes_are_counted(runner: ImportRunner) -> None:
    runner = replace(runner, slice_rows=3)
    rows = [[f"A-{number:03}", f"name {number}"] for number in range(100)]

    def encode_csv() -> str:
        return "sku,name\n" + "".join(f"{sku},{name}\n" for sku, name in rows)

    run_import(runner, encode_csv())
    for number in (40, 41, 70):
        rows[number][1] += " changed"
    rows.extend([["A-041b", "new"], ["A-020", "name 20"]])
    job = run_import(runner, encode_csv())
    counts = [job[f"{name}_count"] for name in ("created", "updated", "unchanged", "duplicate", "rejected")]
    assert counts == [1, 3, 97, 1, 0]
    assert job["processed_records"] == job["total_records"] == 102
    assert [product[:2] for product in read_products(runner.database_url)] == sorted(map(tuple, rows[:-1]))


def test_the_longest_sku_and_name_are_imported_twice(runner: ImportRunner, database_url: str) -> None:
    """Random letters of four bytes, which PostgreSQL cannot compress in its indexes."""
    letters = [chr(number) for number in range(0x1F300, 0x1F700)]
    chance = random.Random(1)
    lengths = (SKU_MAX_CHARACTERS, NAME_MAX_CHARACTERS)
    rows = [["".join(chance.choices(letters, k=length)) for length in lengths] for _ in range(200)]
    content = "sku,name\n" + "".join(f"{sku},{name}\n" for sku, name in rows)
    assert run_import(runner, content)["created_count"] == len(rows)
    assert run_import(runner, content)["unchanged_count"] == len(rows)
    assert sorted([sku, name] for sku, name, *_ in read_products(database_url)) == sorted(rows)
