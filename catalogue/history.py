"""The history of a product: its changes, the newest first.

Every write gives a product a new version, its `updated_at`, and keeps what was there before: an edit in
`product_edits`, a job in the entries of its change log. So the history is a chain: the present version, what wrote it,
the version before, what wrote that. This module follows the chain; `history_log` looks up its links.

A link can be missing, because change logs and edits are kept for a limited time, and because somebody may change a
product with SQL. The history then has a change of which nothing is known, and continues with the latest edit before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

# The fields of a product that have a history.
FIELDS = ("sku", "name", "description", "active")
# Longer histories end here, so that no request follows a chain without an end.
MAX_CHANGES = 1000


class Version(NamedTuple):
    """A version of a product: its `updated_at`, and the version that an undo brought back if an undo made it."""

    at: datetime
    restored: datetime | None = None


class Author(NamedTuple):
    """Who made a change: the type of the actor, which is None if it is not known, and the name at that time."""

    type: str | None
    name: str


class JobName(NamedTuple):
    """A job as a history refers to it."""

    task_id: str
    filename: str


@dataclass(frozen=True)
class Change:
    """A change of a product.

    `how` is `page` or `api` for an edit, otherwise the kind of the job, and None if it is not known. `undone` is the
    job that an undo reversed. `values` maps the fields to their values before and after. A value is None if there was
    none, or if it is not kept; `values` is None if nothing is known about them.
    """

    at: datetime
    how: str | None = None
    by: Author | None = None
    job: JobName | None = None
    undone: JobName | None = None
    is_creation: bool = False
    values: dict[str, list[Any]] | None = None


class Edit(NamedTuple):
    """An edit as `catalogue.edits` recorded it; `previous` is None if it created the product."""

    at: datetime
    how: str
    by: Author
    changes: dict[str, list[Any]]
    previous: Version | None


class LogEntry(NamedTuple):
    """What a job did to a product. `previous` is the version before, and None if the job created the product.

    `before` has the previous values of the fields that changed.
    """

    how: str
    by: Author
    job: JobName
    before: dict[str, Any]
    previous: datetime | None


class Reversal(NamedTuple):
    """An undo that restored a product, the job that it reversed, and the version that this job had written.

    `before` has the values that the product got back. `reversed_at` is None if the change log has expired.
    """

    by: Author | None
    job: JobName | None
    undone: JobName | None
    reversed_at: datetime | None
    before: dict[str, Any]


class Log(Protocol):
    """Looks up what has written the versions of one product."""

    def find_edit(self, at: datetime) -> Edit | None:
        """Return the edit that wrote a version."""

    def find_last_edit_before(self, at: datetime) -> Edit | None:
        """Return the latest edit that is older than a version."""

    def find_entry(self, at: datetime) -> LogEntry | None:
        """Return what the change log has about a version."""

    def find_reversal(self, at: datetime) -> Reversal:
        """Return the undo that made a version."""

    def find_author(self, at: datetime, until: datetime | None) -> tuple[str | None, Author | None]:
        """Return how and by whom a version was written that only the audit log may know; the next one is of `until`."""


@dataclass
class Walk:
    """Follows the chain of versions of a product from `version` on.

    `values` are the values of the product in the present version of the walk, as far as they are known. `is_complete`
    is true once the walk has reached the creation of the product and has missed nothing.
    """

    log: Log
    version: Version | None
    values: dict[str, Any]
    created_at: datetime
    is_complete: bool = field(default=False, init=False)
    _has_gap: bool = field(default=False, init=False)
    _newer_at: datetime | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[Change]:
        """Yield the changes, the newest first."""
        for _ in range(MAX_CHANGES):
            if self.version is None:
                self.is_complete = not self._has_gap
                return
            change = self._step(self.version)
            self._newer_at = change.at
            yield change

    def _step(self, version: Version) -> Change:
        """Return the change that made a version, and go on to the version before."""
        if version.restored is not None:
            return self._follow_reversal(version.at, version.restored)
        if edit := self.log.find_edit(version.at):
            return self._follow_edit(edit)
        if entry := self.log.find_entry(version.at):
            return self._follow_entry(version.at, entry)
        return self._cross_gap(version.at)

    def _follow_edit(self, edit: Edit) -> Change:
        self.values.update({name: before for name, (before, _) in edit.changes.items()})
        self.version = edit.previous
        is_creation = edit.previous is None
        return Change(edit.at, edit.how, edit.by, is_creation=is_creation, values=edit.changes)

    def _follow_entry(self, at: datetime, entry: LogEntry) -> Change:
        is_creation = entry.previous is None
        before = dict.fromkeys(FIELDS) if is_creation else entry.before
        values = {name: [value, self.values.get(name)] for name, value in before.items()}
        self.values.update(before)
        self.version = Version(entry.previous) if entry.previous else None
        return Change(at, entry.how, entry.by, entry.job, is_creation=is_creation, values=values)

    def _follow_reversal(self, at: datetime, restored: datetime) -> Change:
        """Return an undo, and go on to what it reversed: the values that this had written are not kept."""
        reversal = self.log.find_reversal(at)
        values = {name: [None, value] for name, value in reversal.before.items()} if reversal.reversed_at else None
        for name in reversal.before:
            self.values.pop(name, None)
        self.version = Version(reversal.reversed_at or restored)
        return Change(at, "undo", reversal.by, reversal.job, reversal.undone, values=values)

    def _cross_gap(self, at: datetime) -> Change:
        """Return a change of which no values are known, and go on to the latest edit before it."""
        self._has_gap = True
        self.values.clear()
        how, author = self.log.find_author(at, self._newer_at)
        is_creation = at == self.created_at
        edit = None if is_creation else self.log.find_last_edit_before(at)
        self.version = Version(edit.at) if edit else None
        return Change(at, how, author, is_creation=is_creation)
