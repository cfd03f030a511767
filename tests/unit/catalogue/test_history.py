"""The chain of versions of a product, for logs with and without gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from catalogue.history import MAX_CHANGES, Author, Edit, JobName, LogEntry, Reversal, Version, Walk

ADA = Author("user", "Ada")
FILE, UNDO = JobName("1", "products.csv"), JobName("2", "products.csv")
PRODUCT = {"sku": "A", "name": "new", "description": "text", "active": True}


def at(minute: int) -> datetime:
    """Return a point in time."""
    return datetime(2026, 11, 24, tzinfo=UTC) + timedelta(minutes=minute)


@dataclass
class KnownLog:
    """A log with the given edits and entries, by their versions."""

    edits: dict[datetime, Edit] = field(default_factory=dict)
    entries: dict[datetime, LogEntry] = field(default_factory=dict)
    reversals: dict[datetime, Reversal] = field(default_factory=dict)

    def find_edit(self, at: datetime) -> Edit | None:
        return self.edits.get(at)

    def find_last_edit_before(self, at: datetime) -> Edit | None:
        return max((edit for edit in self.edits.values() if edit.at < at), default=None)

    def find_entry(self, at: datetime) -> LogEntry | None:
        return self.entries.get(at)

    def find_reversal(self, at: datetime) -> Reversal:
        return self.reversals.get(at, Reversal(None, None, None, None, {}))

    def find_author(self, at: datetime, until: datetime | None) -> tuple[str | None, Author | None]:
        return None, Author("local", f"{at:%M}-{until:%M}" if until else f"{at:%M}-")


def edit(minute: int, previous: Version | None, **changes: list[Any]) -> dict[datetime, Edit]:
    """Return an edit by its version."""
    return {at(minute): Edit(at(minute), "page", ADA, changes, previous)}


def entry(minute: int, previous: int | None, **before: Any) -> dict[datetime, LogEntry]:
    """Return an entry of the change log by its version."""
    return {at(minute): LogEntry("import", ADA, FILE, before, None if previous is None else at(previous))}


def walk(log: KnownLog, version: Version) -> tuple[list[tuple[Any, ...]], bool]:
    """Return the minute, the way and the values of each change, and whether the history is complete."""
    steps = Walk(log, version, dict(PRODUCT), at(0))
    changes = [(int((change.at - at(0)).total_seconds()) // 60, change.how, change.values) for change in steps]
    return changes, steps.is_complete


def test_the_values_after_a_job_are_those_before_the_next_change() -> None:
    log = KnownLog(
        edits=edit(0, None, sku=[None, "A"], name=[None, "old"]) | edit(2, Version(at(1)), name=["imported", "new"]),
        entries=entry(1, 0, name="old", active=False),
    )
    assert walk(log, Version(at(2))) == (
        [
            (2, "page", {"name": ["imported", "new"]}),
            (1, "import", {"name": ["old", "imported"], "active": [False, True]}),
            (0, "page", {"sku": [None, "A"], "name": [None, "old"]}),
        ],
        True,
    )


def test_an_import_creates_a_product_with_all_its_values() -> None:
    log = KnownLog(edits=edit(1, Version(at(0)), name=["old", "new"]), entries=entry(0, None))
    changes, is_complete = walk(log, Version(at(1)))
    assert changes[1] == (0, "import", {name: [None, value] for name, value in {**PRODUCT, "name": "old"}.items()})
    assert is_complete


def test_an_undo_leads_to_the_import_that_it_reversed_and_to_the_version_before() -> None:
    log = KnownLog(
        edits=edit(0, None, name=[None, "new"]) | edit(3, Version(at(2), at(0)), active=[False, True]),
        entries=entry(1, 0, name="new"),
        reversals={at(2): Reversal(ADA, UNDO, FILE, at(1), {"name": "new"})},
    )
    changes, is_complete = walk(log, Version(at(3)))
    # What the import wrote is not kept.
    assert changes[1:3] == [(2, "undo", {"name": [None, "new"]}), (1, "import", {"name": ["new", None]})]
    assert [change[0] for change in changes] == [3, 2, 1, 0]
    assert is_complete


def test_an_undo_whose_change_log_has_expired_leads_to_the_version_before_the_import() -> None:
    changes, is_complete = walk(KnownLog(edits=edit(0, None, name=[None, "new"])), Version(at(2), at(0)))
    assert changes == [(2, "undo", None), (0, "page", {"name": [None, "new"]})]
    assert is_complete


def test_a_gap_continues_with_the_latest_edit_before_it() -> None:
    log = KnownLog(
        edits=edit(1, Version(at(0)), name=["old", "mine"]) | edit(5, Version(at(4)), name=["theirs", "new"]),
        entries=entry(0, None),
    )
    steps = Walk(log, Version(at(5)), dict(PRODUCT), at(0))
    newest, gap, older, creation = steps
    assert (gap.at, gap.how, gap.values, gap.by) == (at(4), None, None, Author("local", "04-05"))
    assert (newest.at, older.at) == (at(5), at(1))
    # Only the edit tells a value from before the gap.
    assert creation.values == {
        "sku": [None, None],
        "name": [None, "old"],
        "description": [None, None],
        "active": [None, None],
    }
    assert creation.is_creation
    assert not steps.is_complete


def test_the_creation_of_a_product_may_be_all_that_is_known() -> None:
    steps = Walk(KnownLog(), Version(at(0)), dict(PRODUCT), at(0))
    (creation,) = steps
    assert (creation.is_creation, creation.how, steps.is_complete) == (True, None, False)
    (change,) = Walk(KnownLog(), Version(at(1)), dict(PRODUCT), at(0))
    assert not change.is_creation


def test_no_chain_is_followed_without_an_end() -> None:
    changes, is_complete = walk(KnownLog(edits=edit(1, Version(at(1)), name=["a", "b"])), Version(at(1)))
    assert len(changes) == MAX_CHANGES
    assert not is_complete
