"""Every message of the log is for people and for programs, and the page can say it in German."""

from __future__ import annotations

import inspect
from string import Formatter

import pytest

from catalogue.bulk import ACTIONS, TITLES
from importer.jobs.log_messages import SENTENCES, log_message
from models import MISSING_POLICIES
from support.icu_messages import find_arguments, read_catalogue

GERMAN = read_catalogue("de")
# The values of the details that are not numbers. A German text may say the last one as `other`.
VALUES = {
    "action": set(ACTIONS),
    "change": set(TITLES),
    "missing_action": set(MISSING_POLICIES) - {"keep"},
    "selection": {"all", "some"},
    "undone": {"import", "bulk"},
}


def details_of(code: str) -> set[str]:
    """Return the names of the details that a message has."""
    sentence = SENTENCES[code]
    if callable(sentence):
        return set(inspect.signature(sentence).parameters)
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("code", SENTENCES)
def test_every_message_has_a_german_text_of_its_details(code: str) -> None:
    arguments = find_arguments(GERMAN[f"log.{code}"])
    assert set(arguments) <= details_of(code)
    for name in set(arguments) & set(VALUES):
        assert arguments[name] <= VALUES[name]
        assert len(VALUES[name] - arguments[name]) <= 1, name


def test_the_page_has_no_text_for_a_code_that_does_not_exist() -> None:
    assert {key.removeprefix("log.") for key in GERMAN if key.startswith("log.")} == set(SENTENCES)


@pytest.mark.parametrize(
    ("code", "details", "sentence"),
    [
        ("started", {}, "A worker started the job."),
        ("uploaded", {"filename": "{name}.csv", "bytes": 1234}, "{name}.csv was uploaded (1,234 bytes)."),
        ("fixed", {"values": 1, "rows": 0}, "1 value fixed; the file is read again."),
        ("fixed", {"values": 1200, "rows": 1}, "1,200 values and 1 row fixed; the file is read again."),
        (
            "read",
            {"rows": 3000, "accepted": 0, "rejected": 3000, "stored": 1000, "not_stored": 2000},
            "Every row was rejected (3,000), so nothing can be imported. Only the first 1,000 rejected rows are kept.",
        ),
        (
            "bulk_completed",
            {"change": "set_active", "changed": 0, "unchanged": 1, "gone": 1},
            "No product was changed, 1 was already active, 1 no longer exists.",
        ),
        (
            "undo_of_bulk_requested",
            {"change": "set_name", "selection": "all"},
            "The undo of Set the name of all products was requested.",
        ),
        (
            "import_cancelled",
            {"created": 1, "updated": 2, "missing": 3, "missing_action": "delete"},
            "Cancelled. What it had written stays: 1 created, 2 updated, 3 that the file does not have deleted.",
        ),
    ],
)
def test_the_sentence_is_built_from_the_details(code: str, details: dict[str, int], sentence: str) -> None:
    assert log_message(code, **details) == (sentence, code, details)
