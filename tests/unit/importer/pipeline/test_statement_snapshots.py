"""Snapshots of the statements that are assembled from parts of several modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.slice_statements import render_statements, to_text
from support.snapshots import check_snapshot

SNAPSHOTS = Path(__file__).parent / "snapshots"
STATEMENTS = render_statements()


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_statement_is_that_of_the_snapshot(name: str) -> None:
    comment, statement = STATEMENTS[name]
    check_snapshot(SNAPSHOTS / f"{name}.sql", f"-- {comment}\n{to_text(statement).strip()}\n")


def test_every_snapshot_has_its_statement() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(STATEMENTS)
