"""The limit of an import that deactivates or deletes the products which its file does not have."""

from __future__ import annotations

import pytest

from importer.jobs.missing_limit import MissingProducts


@pytest.mark.parametrize(
    ("found", "catalogue", "limit", "exceeds"),
    [(0, 0, 0.0, False), (1, 10, 0.1, False), (2, 10, 0.1, True), (29, 100, 0.29, False), (30, 100, 0.29, True)],
)
def test_a_limit_is_exact(found: int, catalogue: int, limit: float, exceeds: bool) -> None:
    assert MissingProducts("delete", found, catalogue, limit).exceed_limit is exceeds


def test_the_needed_limit_is_rounded_up_to_whole_percents() -> None:
    missing = MissingProducts("delete", 1001, 10_000, 0.1)
    assert missing.needed_limit == 0.11
    assert not MissingProducts("delete", 1001, 10_000, missing.needed_limit).exceed_limit


def test_the_sentence_has_the_numbers_and_says_what_to_do() -> None:
    assert str(MissingProducts("deactivate", 1, 1, 0.125).excess()) == (
        "The import would deactivate the only product in the catalogue (100%), because the file does not have it."
        " The limit is 12.5%, so nothing was written. If the file is complete, retry with missing_limit=1. Otherwise"
        " upload the complete file, or retry with missing=keep."
    )
