"""The details of a rejected row are read from its sentence, and the page can say the reason in German."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.files.reject_messages import (
    INVALID_ACTIVE,
    MESSAGES,
    MESSAGES_BY_CODE,
    STRAY_QUOTE,
    TEXT_AFTER_QUOTE,
    WRONG_FIELD_COUNT,
    RejectMessage,
    read_details,
)
from support.icu_messages import find_arguments, read_catalogue
from support.paths import ROOT

GERMAN = read_catalogue("de")
# A reason that is written as a literal would have no details and no German text.
LITERAL_RE = re.compile(r"""(?:Reject|Reason)\(\s*(?:[\w.]+,\s*)?["']""")


@given(st.data())
def test_the_details_are_read_from_the_sentence(data: st.DataObject) -> None:
    message: RejectMessage = data.draw(st.sampled_from(MESSAGES))
    details: dict[str, Any] = {
        name: data.draw(st.integers(1, 10**9) if number_format else st.from_regex(r"[^`]{1,40}", fullmatch=True))
        for name, number_format in message.formats.items()
    }
    problem = {"problem": message.problem} if message.problem else {}
    assert read_details(message.code, message.format(**details)) == problem | details


@pytest.mark.parametrize(
    ("message", "details", "sentence"),
    [
        (WRONG_FIELD_COUNT, {"found": 1, "expected": 1234}, "The row has 1 field where the header has 1,234 fields."),
        (INVALID_ACTIVE, {"column": "A: `b`", "value": "x`\ny"}, "A: `b`: `x`\ny` is not yes or no."),
        (STRAY_QUOTE, {"count": 1}, "it takes in the line below"),
        (STRAY_QUOTE, {"count": 1200}, "it takes in the 1,200 lines below"),
        (TEXT_AFTER_QUOTE, {"quote": "'", "delimiter": "`^`"}, "as '' and put a `^` after"),
    ],
)
def test_a_sentence_is_written_from_its_details(message: RejectMessage, details: dict[str, Any], sentence: str) -> None:
    written = message.format(**details)
    assert sentence in written
    found = message.read(written)
    assert found is not None
    found.pop("problem", None)
    # A name that looks like a value is divided elsewhere, but the sentence that is built from both is the same.
    assert message.format(**found) == written


def test_a_sentence_of_an_earlier_version_has_no_details() -> None:
    assert read_details("bad_quoting", "The quote is odd.") is None
    assert read_details("deleted_since", "The product was deleted.") is None
    assert read_details("nul", "The row contains a NUL character. Remove it. Really.") is None


@pytest.mark.parametrize("code", MESSAGES_BY_CODE)
def test_every_reason_has_a_german_text_of_its_details(code: str) -> None:
    messages = MESSAGES_BY_CODE[code]
    arguments = find_arguments(GERMAN[f"reject.{code}"])
    problems = {message.problem for message in messages if message.problem}
    names = {name for message in messages for name in message.formats}
    assert set(arguments) <= names | ({"problem"} if problems else set())
    assert arguments.get("problem", set()) <= problems
    # The text may say the last problem as `other`.
    assert len(messages) == 1 or len(problems - arguments["problem"]) <= 1


def test_the_page_has_no_text_for_a_reason_that_does_not_exist() -> None:
    codes = {key.removeprefix("reject.") for key in GERMAN if key.startswith("reject.")}
    assert {code for code in codes if not code.startswith("list.")} == set(MESSAGES_BY_CODE)


def test_no_reason_is_written_as_a_literal() -> None:
    paths = (ROOT / "importer").rglob("*.py")
    assert [path.name for path in paths if LITERAL_RE.search(path.read_text("utf-8"))] == []
