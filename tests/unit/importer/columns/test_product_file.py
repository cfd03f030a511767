"""A file is described with its format, columns and samples, and given options override what is found in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg2 import sql

from importer.columns.column_mapping import column_names
from importer.columns.product_file import FileOptions, ProductFile, open_product_file
from importer.errors import UnusableFile
from importer.files.csv_file import SAMPLE_MAX_CHARACTERS, SAMPLES_MAX_CHARACTERS
from support.files import create_tuning, read_file


def open_file(path: Path, content: bytes, options: FileOptions | None = None) -> ProductFile:
    """Write a file and open it."""
    path.write_bytes(content)
    return open_product_file(path, options or FileOptions(), max_record=50_000, max_unpacked_bytes=1 << 30)


def test_the_description_has_columns_and_samples() -> None:
    content = "Artikel-Nr.;Preis;Name\n1;;a\n2;1,50;b\n3;2,00;\n4;x;d\n5;y;e\n6;z;f\n7;w;" + "g" * 300
    about = read_file(content.encode()).description
    assert about["columns"] == [
        {"name": "Artikel-Nr.", "field": "sku", "samples": ["1", "2", "3", "4", "5"]},
        {"name": "Preis", "field": None, "samples": ["1,50", "2,00", "x", "y", "z"]},
        {"name": "Name", "field": "name", "samples": ["a", "b", "d", "e", "f"]},
    ]
    assert (about["packing"], about["unmapped"], about["remembered"]) == ("none", ["Preis"], False)
    assert len(about["header_key"]) == 64


def test_samples_are_limited_in_length_and_number() -> None:
    about = read_file(b"sku\n" + b"x" * 250).description
    assert [len(sample) for sample in about["columns"][0]["samples"]] == [200]
    width = 5000
    names = ",".join(f"c{number}" for number in range(width))
    row = ",".join(["y" * 100] * width)
    about = read_file(f"sku,{names}\na,{row}\nb,{row}\n".encode(), max_record=10_000_000).description
    assert sum(len(sample) for column in about["columns"] for sample in column["samples"]) < 250_000


def test_given_options_override_detected_ones() -> None:
    content = "sku;name\na;Gr\u00f6\u00dfe\n".encode("cp850")
    read = read_file(content, FileOptions(encoding="IBM850"))
    assert (read.rows, read.description["encoding"]) == ([("a", "Größe")], "cp850")
    read = read_file(b"sku|x,name\n1|y,n\n", FileOptions(delimiter="comma", mapping={"sku|x": "sku"}))
    assert read.rows == [("1|y", "n")]


def test_a_row_that_is_cut_off_is_no_sample() -> None:
    content = "sku,name\n" + "".join(f"{sku},{sku * 30_000}\n" for sku in "abcd")
    columns = read_file(content.encode()).description["columns"]
    assert [column["samples"] for column in columns] == [["a", "b"], ["a" * 200, "b" * 200]]


def test_rows_before_a_malformed_one_and_of_the_width_of_the_header_are_samples() -> None:
    columns = read_file(b'sku,name\na,\0\nb\nc,d,e\n , \nf,g\n"h"i,j\nk,l\n').description["columns"]
    assert [column["samples"] for column in columns] == [["a", "f"], ["\ufffd", "g"]]


def test_copy_gets_the_delimiter_and_the_quote(tmp_path: Path) -> None:
    for options, delimiter, quote in (
        (FileOptions(), ",", '"'),
        (FileOptions("tab", "single-escaped"), "\t", "'"),
        (FileOptions(quote="none"), ",", "\x01"),
    ):
        with open_file(tmp_path / "file", b"sku\na\n", options) as file:
            expected = sql.SQL("DELIMITER {}, QUOTE {}").format(sql.Literal(delimiter), sql.Literal(quote))
            assert file.copy_options == expected


def test_the_share_that_has_been_read_is_known(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"sku\n" + b"x\n" * 200_000)
    shares: list[float] = []
    with open_product_file(
        path,
        FileOptions(),
        max_record=50_000,
        max_unpacked_bytes=1 << 30,
        tuning=create_tuning(1000),
        after_read=lambda share: shares.append(share),
    ) as file:
        read_of_header = len(shares)
        for _ in file.read_chunks(1000):
            pass
    assert 0 < shares[read_of_header - 1] < shares[read_of_header] < 0.6
    assert (shares[-1], shares) == (1, sorted(shares))


def test_a_file_that_cannot_be_used_is_closed(tmp_path: Path) -> None:
    for content, options in ((b"", FileOptions()), (b"sku\n", FileOptions("x")), (b"sku\n", FileOptions(quote="x"))):
        # A file that stays open gives a ResourceWarning, which is an error in tests.
        with pytest.raises(UnusableFile):
            open_file(tmp_path / "file", content, options)
    with pytest.raises(FileNotFoundError):
        open_product_file(tmp_path / "missing", FileOptions(), max_record=100, max_unpacked_bytes=100)


def test_a_file_without_a_sku_column_is_described_but_has_no_validator(tmp_path: Path) -> None:
    with open_file(tmp_path / "file", b"colour,size\nred,1\n") as file:
        assert "no column `sku`" in file.describe()["problem"]
        with pytest.raises(UnusableFile, match="no column `sku`"):
            _ = file.validator


def test_the_description_of_a_wide_file_is_bounded(tmp_path: Path) -> None:
    """Of long names only the start is shown. A mapping and a reject file can use it in place of the name."""
    for columns, length in ((16_384, 60), (1000, 1000), (2, 900_000)):
        header = ["sku", *("é" * length + str(number) for number in range(columns - 1))]
        content = "\n".join([",".join(header), ",".join(["a" * 60] * columns), ""])
        path = tmp_path / "file"
        path.write_text(content)
        with open_product_file(path, FileOptions(), max_record=1 << 21, max_unpacked_bytes=1 << 30) as file:
            about = file.describe()
            assert len(json.dumps(about, ensure_ascii=False)) < 2_500_000
            samples = [sample for column in about["columns"] for sample in column["samples"]]
            # The last sample may exceed the limit.
            assert sum(map(len, samples)) <= SAMPLES_MAX_CHARACTERS + SAMPLE_MAX_CHARACTERS
            names = [column["name"] for column in about["columns"]]
            assert len(set(names)) == columns
            assert column_names(names) == names or columns > 1000
            file.validator.encode_rows(next(file.read_chunks(10)))
        if columns > 1000:
            continue
        for mapping in ({names[1]: "name", names[0]: "sku"}, {header[1]: "name"}):
            with open_product_file(
                path, FileOptions(mapping=mapping), max_record=1 << 21, max_unpacked_bytes=1 << 30
            ) as file:
                assert [column["field"] for column in file.describe()["columns"][:3]] == ["sku", "name", None][:columns]
