"""Snapshots: files that hold the expected text of a test."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest

UPDATE_VARIABLE = "UPDATE_SNAPSHOTS"


def check_snapshot(path: Path, text: str) -> None:
    """Compare a text with the snapshot at `path`; fail with a diff if they differ.

    With UPDATE_SNAPSHOTS=1 in the environment, the text becomes the snapshot instead.
    """
    if os.environ.get(UPDATE_VARIABLE) == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    if text != expected:
        diff = "\n".join(
            difflib.unified_diff(expected.splitlines(), text.splitlines(), path.name, "this run", lineterm="")
        )
        pytest.fail(
            f"The snapshot {path.name} differs. If the change is intended, run this test with {UPDATE_VARIABLE}=1,"
            f" review the new snapshot and commit it.\n{diff}",
            pytrace=False,
        )
