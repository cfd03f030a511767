"""The plain model of a catalogue and its imports, for tests/test_story.py.

It is told when the runner has finished a step (a slice is written, a part taken back) and says what the step must have
done; it never looks at what was done, but for the numbers that PostgreSQL gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

WAITING = {"pending", "processing"}
ENDED = {"completed", "failed", "cancelled"}

Values = dict[str, Any]
Ask = Callable[..., list[tuple[Any, ...]]]


@dataclass(eq=False)
class Thing:
    """A product; `token` identifies the last writing, to which an undo compares it."""

    key: str
    values: Values
    token: int
    id: int | None = None


@dataclass(eq=False)
class Part:
    """What a slice did: the products it created, or those it changed with what they were before."""

    number: int
    token: int
    created: bool
    things: list[tuple[Thing, Values, int]]


@dataclass(eq=False)
class Task:
    """An import or an undo."""

    task_id: str
    kind: str = "import"
    options: dict[str, Any] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    good: list[tuple[str, Values]] = field(default_factory=list)
    bad: int = 0
    undo_of: Task | None = None
    undone_by: Task | None = None
    # Of an undo: what is still to be taken back, and what was found edited.
    left: list[Part] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    # Of an import: what it did, in all its runs.
    parts: list[Part] = field(default_factory=list)

    status: str = "pending"
    run: int = 1
    total: int = 0
    staged: bool = False
    confirmed: bool = False
    retryable: bool = False
    checkpoint: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    processed: int = 0
    progress: int = 0

    @property
    def awaits_confirmation(self) -> bool:
        return bool(self.options["preview"]) and not self.confirmed

    @property
    def end(self) -> str:
        """How the work on it has to end, when nobody interferes."""
        if self.kind == "undo":
            return "completed"
        if not self.good and not self.bad:
            return "failed"
        if self.awaits_confirmation:
            return "awaiting_confirmation"
        return "failed" if self.options["on_reject"] == "fail" and self.bad else "completed"

    def begin_anew(self) -> None:
        self.staged = self.confirmed = False
        self.checkpoint, self.processed, self.progress, self.undone_by = "", 0, 0, None
        self.counts.clear()


class Model:
    """The catalogue and its imports as they have to be.

    `ask` queries the database, `keys` has for each SKU what makes it the same as others.
    """

    def __init__(self, ask: Ask, keys: Mapping[str, str]) -> None:
        self.ask, self.keys = ask, keys
        self.catalogue: dict[str, Thing] = {}
        self.tasks: list[Task] = []
        self.last_token = 0

    # What the runner does.

    def finish(self, task: Task, status: str) -> None:
        task.status = status
        task.retryable = status != "completed"

    def write_slice(self, task: Task, end: str) -> None:
        """Writes the rows of a file whose keys are behind the checkpoint, up to `end`."""
        assert task.staged
        assert not task.awaits_confirmation
        assert task.options["on_reject"] == "skip" or not task.bad
        assert end > task.checkpoint
        rows = [(key, row) for key, row in task.good if task.checkpoint < key <= end]
        token = self.token()
        created, changed, counts = self.merge(task, rows, token)
        for key, row in created.items():
            given = {name: value for name, value in row.items() if value is not None}
            values = {"name": "", "description": "", "active": True, **given}
            self.catalogue[key] = Thing(key, values, token)
        parts: dict[bool, Part] = {}
        if created:
            parts[True] = Part(0, token, True, [(self.catalogue[key], {}, 0) for key in created])
        if changed:
            parts[False] = Part(0, token, False, [])
            for key, new in changed.items():
                thing = self.catalogue[key]
                parts[False].things.append((thing, thing.values, thing.token))
                thing.values, thing.token = {**thing.values, **new}, token
        task.counts += counts
        task.processed += len(rows)
        task.checkpoint = end
        self.find_ids()
        self.number(task, parts)

    def merge(
        self, task: Task, rows: list[tuple[str, Values]], token: int
    ) -> tuple[dict[str, Values], dict[str, Values], Counter[str]]:
        """What rows would create and what they would change, and how many do what."""
        last = dict(sorted(rows, key=lambda row: row[0]))
        created: dict[str, Values] = {}
        changed: dict[str, Values] = {}
        counts = Counter(duplicate=len(rows) - len(last))
        for key, row in last.items():
            thing = self.catalogue.get(key)
            if (thing is None and task.options["mode"] == "update") or (thing and task.options["mode"] == "create"):
                counts["skipped"] += 1
            elif thing is None:
                created[key] = row
            else:
                new = {name: value for name, value in row.items() if name != "sku" and value is not None}
                if new != {name: thing.values[name] for name in new}:
                    changed[key] = new
        counts.update(created=len(created), updated=len(changed), unchanged=len(last) - len(created) - len(changed))
        return created, changed, counts

    def number(self, task: Task, parts: dict[bool, Part]) -> None:
        """Finds the numbers of the parts that a slice has left, and that they name the right products."""
        known = max((part.number for part in task.parts), default=0)
        rows = self.ask(
            "SELECT c.id, c.created, c.updated FROM import_changes c JOIN import_jobs j ON j.id = c.job_id"
            " WHERE j.task_id = %s AND c.id > %s AND (c.created IS NOT NULL OR c.updated IS NOT NULL) ORDER BY c.id",
            [task.task_id, known],
        )
        assert len(rows) == len(parts)
        for number, created, updated in rows:
            assert (created is None) != (updated is None)
            part = parts.pop(created is not None)
            part.number = number
            assert sorted(created or updated) == sorted(thing.id or 0 for thing, _, _ in part.things)
            task.parts.append(part)

    def take_back(self, task: Task, number: int) -> None:
        part = task.left.pop()
        assert part.number == number
        for thing, former, token in sorted(part.things, key=lambda item: item[0].key):
            task.processed += 1
            if self.catalogue.get(thing.key) is not thing:
                task.counts["unchanged"] += 1
            elif thing.token != part.token:
                task.counts["rejected"] += 1
                task.edited.append(thing.values["sku"])
            else:
                task.counts["updated"] += 1
                if part.created:
                    task.counts["removed"] += 1
                    del self.catalogue[thing.key]
                else:
                    thing.values, thing.token = former, token

    def check_preview(self, task: Task) -> None:
        (preview,) = self.ask("SELECT preview FROM import_jobs WHERE task_id = %s", [task.task_id])[0]
        created, changed, counts = self.merge(task, task.good, 0)
        numbers = {"create": counts["created"], "update": counts["updated"], "rejected": task.bad}
        numbers |= {name: counts[name] for name in ("unchanged", "skipped", "duplicate")}
        assert {name: preview[name] for name in numbers} == numbers
        fields = [name for name in task.header if name != "sku"]
        expected = []
        for key, new in changed.items():
            old = self.catalogue[key].values
            before = {name: old[name] for name in fields}
            expected.append({"sku": old["sku"], "before": before, "after": {**before, **new}})
        for row in created.values():
            after = {name: True if row[name] is None else row[name] for name in fields}
            expected.append({"sku": row["sku"], "before": None, "after": after})
        assert preview["changes"] == expected
        assert len(preview["rejects"]) == task.bad

    def find_ids(self) -> None:
        """Learns the ids of new products, and sees that the others have kept theirs."""
        for number, sku in self.ask("SELECT id, sku FROM products"):
            thing = self.catalogue[self.keys[sku]]
            thing.id = thing.id or number
            assert thing.id == number

    def token(self) -> int:
        self.last_token += 1
        return self.last_token

    # What clients may do with imports.

    def has(self, *statuses: str) -> bool:
        return any(task.status in statuses for task in self.tasks)

    def undoable(self) -> list[Task]:
        return [task for task in self.tasks if self.refuse_to_undo(task, {}) is None]

    def refuse_to_confirm(self, task: Task, _: Any) -> str | None:
        if task.status != "awaiting_confirmation":
            return "not_awaiting_confirmation"
        return "has_rejects" if task.options["on_reject"] == "fail" and task.bad else None

    def do_confirm(self, task: Task, *_: Any) -> None:
        task.confirmed, task.status = True, "pending"

    def refuse_to_cancel(self, task: Task, _: Any) -> str | None:
        return "already_ended" if task.status in ENDED else None

    def do_cancel(self, task: Task, *_: Any) -> None:
        self.finish(task, "cancelled")

    def refuse_to_retry(self, task: Task, options: Any) -> str | None:
        if task.status == "awaiting_confirmation":
            return None
        undo = task.undone_by
        running = undo is not None and undo.status in WAITING
        return "not_retryable" if not task.retryable or task.status in WAITING or running else None

    def do_retry(self, task: Task, options: dict[str, Any], _: Any) -> None:
        awaited, changed = task.status == "awaiting_confirmation", {**task.options, **options} != task.options
        task.status, task.run, task.retryable = "pending", task.run + 1, False
        if task.kind == "undo":
            return
        task.options |= options
        if task.undone_by is not None:
            # What was taken back need not be taken back again; the rest still may.
            task.parts = task.undone_by.left
            task.undone_by.retryable = False
        if awaited or changed or task.undone_by is not None or not task.staged:
            task.begin_anew()

    def refuse_to_undo(self, task: Task, _: Any) -> str | None:
        may = task.kind == "import" and task.status in ENDED and task.undone_by is None and task.parts
        return None if may else "not_undoable"

    def do_undo(self, task: Task, _: Any, answer: Any) -> None:
        undo = Task(answer["task_id"], kind="undo", undo_of=task, staged=True, left=list(task.parts))
        undo.total = sum(len(part.things) for part in task.parts)
        task.undone_by = undo
        self.tasks.append(undo)

    # What has to hold at any time.

    def check_catalogue(self) -> None:
        found = self.ask("SELECT id, sku, name, description, active FROM products ORDER BY id")
        things = sorted(self.catalogue.values(), key=lambda thing: thing.id or 0)
        names = ("sku", "name", "description", "active")
        assert found == [(thing.id, *(thing.values[name] for name in names)) for thing in things]

    def check_imports(self) -> None:
        rows = self.ask(
            "SELECT to_jsonb(j), (SELECT array_agg(row ORDER BY line) FROM import_rejects r WHERE r.job_id = j.id)"
            " FROM import_jobs j ORDER BY id"
        )
        for (row, rejects), task in zip(rows, self.tasks, strict=True):
            ended = task.status in ENDED
            expected = {
                "task_id": task.task_id,
                "kind": task.kind,
                "status": task.status,
                "run": task.run,
                "undone_by": task.undone_by and task.undone_by.task_id,
                "undo_of": task.undo_of and task.undo_of.task_id,
                **{f"{name}_count": task.counts[name] for name in ("created", "updated", "unchanged", "skipped")},
                "duplicate_count": task.counts["duplicate"],
                "removed_count": task.counts["removed"],
            }
            if task.staged:
                expected |= {
                    "total_records": task.total,
                    "processed_records": task.processed,
                    "rejected_count": task.bad if task.kind == "import" else task.counts["rejected"],
                }
            assert {name: row[name] for name in expected} == expected
            assert (row["undo_until"] is not None) == (ended and bool(task.parts))
            assert (row["retry_until"] is not None) == (ended and task.retryable)
            assert (row["confirm_until"] is not None) == (task.status == "awaiting_confirmation")
            assert (row["phase"] == "finished") == (row["finished_at"] is not None) == ended
            assert (row["progress"] == 100) == (task.status == "completed")
            assert row["progress"] >= task.progress
            task.progress = row["progress"]
            if task.status == "completed":
                names = ("created", "updated", "unchanged", "duplicate", "rejected")
                assert sum(row[f"{name}_count"] for name in names) == row["processed_records"] == row["total_records"]
            if task.kind == "undo":
                assert (rejects or []) == task.edited
            else:
                assert len(rejects or []) == (task.bad if task.staged else 0)
