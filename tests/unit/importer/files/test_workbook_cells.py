"""Cells of workbooks become the texts that a person expects."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.files.workbook.cells import (
    FIRST_INEXACT_INTEGER,
    format_number,
    format_row,
    has_long_number,
    parse_padded_format,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (123.0, "123"),
        (-123.0, "-123"),
        (0.0, "0"),
        (-0.0, "0"),
        (4006381333931.0, "4006381333931"),
        (999999999999999.0, "999999999999999"),
        (1234567890123457e3, "1234567890123457000"),
        (6.93e12, "6930000000000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (1234.5, "1234.5"),
        (19.99, "19.99"),
        (1e-7, "0.0000001"),
        (1e-20, "1e-20"),
    ],
)
def test_a_number_has_the_digits_that_a_spreadsheet_keeps(number: float, text: str) -> None:
    assert format_number(number) == text


@given(st.integers(1 - FIRST_INEXACT_INTEGER, FIRST_INEXACT_INTEGER - 1))
def test_an_integer_of_15_digits_is_exact(number: int) -> None:
    assert format_number(float(number)) == str(number)
    assert not has_long_number([float(number)])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_that_number(number: float) -> None:
    assert float(format_number(number)) == pytest.approx(number, rel=1e-14)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("00123", "00123"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (datetime.date(2026, 3, 1), "2026-03-01"),
        (datetime.datetime(2026, 3, 1, 12, 30, 5), "2026-03-01T12:30:05"),  # noqa: DTZ001 - sheets have no time zone.
        (datetime.time(12, 30), "12:30:00"),
        (datetime.timedelta(days=1, hours=12, seconds=5), "36:00:05"),
        (datetime.timedelta(minutes=-90), "-1:30:00"),
    ],
)
def test_other_values_have_their_usual_texts(value: Any, text: str) -> None:
    assert format_row([value]) == [text]


def test_a_number_of_more_than_15_digits_is_long() -> None:
    assert has_long_number(["x", True, 1e15])
    assert has_long_number([10**15])
    assert not has_long_number(["1234567890123456", True, 999999999999999.0, 0.1234567890123456])


@pytest.mark.parametrize(
    ("code", "number", "text"),
    [
        ("00000", 123, "00123"),
        ("00000", 1234567, "1234567"),
        ("000-000", 1234, "001-234"),
        ("000-000", 12345678, "12345-678"),
        ('"A-"0000', 12, "A-0012"),
        (r"\A\-0000", 12, "A-0012"),
        ("0000;-0000", 12, "0012"),
        ("00000", 1.5, None),
        ("00000", -1, None),
        ("00000", 1e15, None),
    ],
)
def test_a_padded_format_shows_its_zeros(code: str, number: float, text: str | None) -> None:
    padded = parse_padded_format(code)
    assert padded is not None
    assert padded.apply(float(number)) == text


@pytest.mark.parametrize(
    "code", ["", "General", "0", "0.00", "#,##0", "0.00E+00", "yyyy-mm-dd", "@", '0 "EUR"', '"a', "00%"]
)
def test_other_formats_do_not_pad(code: str) -> None:
    assert parse_padded_format(code) is None


@given(st.text(alphabet='0#;\\"-A ', max_size=12), st.integers(0, 10**14))
def test_a_padded_format_keeps_all_digits_of_a_number(code: str, number: int) -> None:
    padded = parse_padded_format(code)
    if padded is None or "0" in "".join(part or "" for part in padded.parts):
        return
    text = padded.apply(float(number))
    assert text is not None
    assert int("".join(filter(str.isdigit, text))) == number
