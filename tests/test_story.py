"""Any sequence of imports, edits, cancels, kills and undos leaves the catalogue that a plain model of it has.

The model is told when the engine has finished a step (a slice is written, a part taken back) and says what the step
must have done; it never looks at what was done. PostgreSQL alone decides which SKUs are equal.
"""

from __future__ import annotations

import csv
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg2.extensions import connection as Connection

import config
import importer.engine
import importer.undo
import importer.writing
from conftest import create_engine
from import_tools import send
from importer import control, jobs, sweep
from importer.engine import Engine

WAITING = {"pending", "processing"}
ENDED = {"completed", "failed", "cancelled"}
SLICE_ROWS = 3
TOO_LONG = "x" * 501

SKUS = ["a", "A", "b", "c", "ß", "ẞ", "SS", "ss", "İ", "i̇", "k", "\u212a", "Σς", "σσ"]
TEXTS = ["", "n", "N", "m, m"]
ACTIVE = {"": None, "yes": True, "NO": False}
# Now and then something that cannot be taken.
CELLS = {
    "sku": st.sampled_from([*SKUS, *SKUS, "x" * 256]),
    "name": st.sampled_from([*TEXTS * 5, TOO_LONG]),
    "description": st.sampled_from(TEXTS),
    "active": st.sampled_from([*[*ACTIVE] * 5, "maybe"]),
}
HEADERS = [
    ["sku", "name", "description", "active"],
    ["name", "sku"],
    ["active", "sku"],
    ["description", "sku"],
    ["sku"],
]
Values = dict[str, Any]
Table = tuple[list[str], list[list[str]]]
Edit = tuple[str, int, Values]


def rows_below(header: list[str]) -> st.SearchStrategy[list[list[str]]]:
    row = st.tuples(*(CELLS[name] for name in header)).map(list)
    many = st.lists(row, min_size=4, max_size=12)
    return st.one_of(many, many, many, st.lists(row | row.map(lambda row: [*row, "too many"]), max_size=4))


TABLES: st.SearchStrategy[Table] = st.sampled_from(HEADERS).flatmap(
    lambda header: st.tuples(st.just(header), rows_below(header))
)
MODES = st.sampled_from(["upsert", "upsert", "upsert", "create", "update"])
POLICIES = st.sampled_from(["skip", "skip", "skip", "skip", "fail"])
CHANGED_OPTIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"preview": st.booleans(), "mode": MODES, "on_reject": POLICIES}
) | st.just({})
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "sku": st.sampled_from(SKUS),
        "name": st.sampled_from(TEXTS),
        "description": st.sampled_from(TEXTS),
        "active": st.booleans(),
    },
)
NUMBERS = st.integers(0, 6)
EDIT_KINDS = ["put", "create", "delete", "ids", "filter", "delete ids", "delete filter", "delete all"]
EDITS: st.SearchStrategy[Edit] = st.tuples(st.sampled_from(EDIT_KINDS), NUMBERS, VALUES)


@dataclass(frozen=True)
class Plan:
    """What happens to a worker at its step `at`; `hurried`: it stops in good order after each slice."""

    what: str = "nothing"
    at: int = 1
    hurried: bool = False
    edit: Edit = ("put", 0, {})


def plans(*, last_step: int) -> st.SearchStrategy[Plan]:
    what = st.sampled_from(["nothing", "nothing", "kill", "kill inside", "cancel", "edit"])
    return st.builds(Plan, what, st.integers(1, last_step), st.sampled_from([False, False, True]), EDITS)


PLANS = plans(last_step=5)
# None leaves the work to a worker that comes later.
PLANS_OR_NONE = st.one_of(PLANS, PLANS, PLANS, st.none())
UNDO_PLANS_OR_NONE = st.one_of(*[plans(last_step=2)] * 3, st.none())


class Killed(BaseException):
    """The end of a worker process, as far as it can be had within the one of the test."""


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


class World:
    """What all examples share: the database, the application, the engine, and the places where it is interrupted."""

    def __init__(self, url: str, client: FlaskClient, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.engine = url, engine
        self.client: Any = client
        self.connection: Connection = psycopg2.connect(url)
        self.connection.autocommit = True
        rows = self.ask("SELECT s, lower(s) FROM unnest(%s::text[]) s", [SKUS])
        self.keys: dict[str, str] = dict(rows)
        self.story: Story | None = None
        self.armed = False
        for module, name in [
            (importer.engine, "read_file"),
            (importer.engine, "compare"),
            (importer.writing, "_write_slice"),
            (importer.undo, "_take_back_record"),
            (jobs, "complete"),
            (jobs, "fail"),
        ]:
            monkeypatch.setattr(module, name, self._step(name, getattr(module, name)))
        monkeypatch.setattr(jobs, "update", self._update(jobs.update))
        # What was found by looking ahead counts as of then; the model has no such moments between steps.
        look = importer.writing.LookAhead.look
        monkeypatch.setattr(
            importer.writing.LookAhead,
            "look",
            lambda ahead, parts: None if self.story and self.story.plan.what == "edit" else look(ahead, parts),
        )
        # Nobody listens for messages here.
        monkeypatch.setattr("api.imports.wake_import", lambda task_id: False)

    def ask(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def _step(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            assert self.story is not None
            self.story.before_step(name)
            result = function(*arguments, **options)
            self.armed = False
            self.story.after_step(name, arguments, result)
            return result

        return step

    def _update(self, function: Callable[..., None]) -> Callable[..., None]:
        def update(*arguments: Any, **options: Any) -> None:
            function(*arguments, **options)
            if self.armed and threading.current_thread() is threading.main_thread():
                raise Killed

        return update


class Story(RuleBasedStateMachine):
    """The catalogue and its imports, and the model of both."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        world.story, world.armed = self, False
        # Cheaper than TRUNCATE for a few rows.
        for table in ("import_jobs", "products"):
            world.ask(f"DELETE FROM {table}")
        for name in self.staging_tables():
            world.ask(f"DROP TABLE {name}")
        self.catalogue: dict[str, Thing] = {}
        self.tasks: list[Task] = []
        self.last_token = 0
        self.plan = Plan()
        self.worked_on: Task | None = None
        self.step = 0

    # What the engine does, and what happens to it.

    def work(self, task: Task, plan: Plan) -> None:
        """Does what a worker does until the import rests, or until the worker is killed."""
        self.plan, self.worked_on, self.step = plan, task, 0
        engine = replace(self.world.engine, task_seconds=0) if plan.hurried else self.world.engine
        killed = False
        task.status = "processing"
        try:
            while engine.run(task.task_id):
                pass
        except Killed:
            killed = True
            # As a dead process leaves it, after a while.
            self.world.ask(
                "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1s'"
                " WHERE task_id = %s AND lease_token IS NOT NULL",
                [task.task_id],
            )
        finally:
            self.plan, self.worked_on, self.world.armed = Plan(), None, False
        if not killed and task.status != "cancelled":
            assert task.status == task.end

    def before_step(self, name: str) -> None:
        self.step += 1
        if self.step != self.plan.at or self.worked_on is None:
            return
        if self.plan.what == "kill":
            raise Killed
        if self.plan.what == "kill inside":
            self.world.armed = True
        elif self.plan.what == "cancel":
            self.act(self.worked_on, "cancel")
        elif self.plan.what == "edit":
            self.edit(self.plan.edit)

    def after_step(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        task = self.worked_on
        assert task is not None
        if name == "read_file":
            task.staged = True
            task.total = len(task.good) + task.bad
            task.processed = max(task.processed, task.bad)
        elif name == "compare":
            assert task.awaits_confirmation
            task.status = "awaiting_confirmation"
            self.check_preview(task)
        elif name == "_write_slice":
            self.write_slice(task, arguments[3])
        elif name == "_take_back_record":
            self.take_back(task, arguments[2])
        elif name == "complete":
            assert task.checkpoint == max((key for key, _ in task.good), default="") if task.kind == "import" else True
            assert not task.left
            self.finish(task, "completed")
        elif name == "fail" and result:
            self.finish(task, "failed")

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
        rows = self.world.ask(
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
        (preview,) = self.world.ask("SELECT preview FROM import_jobs WHERE task_id = %s", [task.task_id])[0]
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

    def token(self) -> int:
        self.last_token += 1
        return self.last_token

    # What people do with imports.

    @initialize(stocked=st.sampled_from([True, True, True, False]))
    def stock(self, stocked: bool) -> None:
        """Mostly there are products that files can change or leave out."""
        if stocked:
            rows = [[sku, "n", "N", "NO" if number % 3 else ""] for number, sku in enumerate(SKUS)]
            self.work(self.add((HEADERS[0], rows), "upsert", "skip", False), Plan())

    @rule(
        table=TABLES, mode=MODES, on_reject=POLICIES, preview=st.sampled_from([False, False, True]), plan=PLANS_OR_NONE
    )
    def upload(self, table: Table, mode: str, on_reject: str, preview: bool, plan: Plan | None) -> None:
        task = self.add(table, mode, on_reject, preview)
        if plan:
            self.work(task, plan)

    def add(self, table: Table, mode: str, on_reject: str, preview: bool) -> Task:
        header, rows = table
        out = io.StringIO()
        csv.writer(out).writerows([header, *rows])
        options = {"mode": mode, "on_reject": on_reject, "preview": preview}
        sent = {**options, "preview": "true"} if preview else {"mode": mode, "on_reject": on_reject}
        answer = send(self.world.client, out.getvalue(), **sent)
        assert answer.status_code == 202, answer.json
        fit = [row for row in rows if len(row) == len(header) and not {TOO_LONG, "maybe", "x" * 256} & set(row)]
        good = [dict(zip(header, row, strict=True)) for row in fit]
        read: list[Values] = [
            {name: ACTIVE[cell] if name == "active" else cell for name, cell in row.items()} for row in good
        ]
        task = Task(answer.json["task_id"], options=options, header=header, bad=len(rows) - len(good))
        task.good = [(self.world.keys[row["sku"]], row) for row in read]
        self.tasks.append(task)
        return task

    def one(self, number: int, statuses: set[str]) -> Task:
        """One of the tasks in such a state, the newest for 0."""
        found = [task for task in self.tasks if task.status in statuses]
        return found[-1 - number % len(found)]

    def has(self, *statuses: str) -> bool:
        return any(task.status in statuses for task in self.tasks)

    @precondition(lambda self: self.has(*WAITING))
    @rule(number=NUMBERS, plan=PLANS)
    def go_on(self, number: int, plan: Plan) -> None:
        self.work(self.one(number, WAITING), plan)

    @precondition(lambda self: self.has("awaiting_confirmation"))
    @rule(number=NUMBERS, plan=PLANS_OR_NONE)
    def confirm(self, number: int, plan: Plan | None) -> None:
        task = self.one(number, {"awaiting_confirmation"})
        if self.act(task, "confirm") and plan:
            self.work(task, plan)

    @precondition(lambda self: self.has("failed", "cancelled", "awaiting_confirmation"))
    @rule(number=NUMBERS, options=CHANGED_OPTIONS, plan=PLANS_OR_NONE)
    def retry(self, number: int, options: dict[str, Any], plan: Plan | None) -> None:
        task = self.one(number, {"failed", "cancelled", "awaiting_confirmation"})
        if self.act(task, "retry", **({} if task.kind == "undo" else options)) and plan:
            self.work(task, plan)

    def undoable(self) -> list[Task]:
        return [task for task in self.tasks if self.refuse_to_undo(task, {}) is None]

    @precondition(lambda self: self.undoable())
    @rule(number=st.sampled_from([0, 0, 1, 2]), plan=UNDO_PLANS_OR_NONE)
    def undo(self, number: int, plan: Plan | None) -> None:
        found = self.undoable()
        self.act(found[-1 - number % len(found)], "undo")
        if plan:
            self.work(self.tasks[-1], plan)

    @precondition(lambda self: len(self.undoable()) > 1)
    @rule()
    def undo_one_after_the_other(self) -> None:
        for task in reversed(self.undoable()):
            self.act(task, "undo")
            self.work(self.tasks[-1], Plan())

    @precondition(lambda self: any(task.retryable and task.kind == "undo" for task in self.tasks))
    @rule(plan=UNDO_PLANS_OR_NONE)
    def retry_an_undo(self, plan: Plan | None) -> None:
        undo = next(task for task in reversed(self.tasks) if task.retryable and task.kind == "undo")
        if self.act(undo, "retry") and plan:
            self.work(undo, plan)

    @precondition(lambda self: self.tasks)
    @rule(number=NUMBERS, action=st.sampled_from(["cancel", "confirm", "retry", "undo"]))
    def ask(self, number: int, action: str) -> None:
        """Asks for something, whether it is allowed or not."""
        self.act(self.tasks[-1 - number % len(self.tasks)], action)

    @rule(expire=st.booleans())
    def sweep(self, expire: bool) -> None:
        """Does what workers do now and then; long after the last time if previews `expire`."""
        with jobs.connected(self.world.url) as connection:
            if expire:
                self.world.ask(
                    "UPDATE import_jobs SET confirm_until = now() - interval '1s' WHERE confirm_until > now()"
                )
                control.expire(connection, self.world.engine.retention)
                for task in self.tasks:
                    if task.status == "awaiting_confirmation":
                        self.finish(task, "cancelled")
            sweep.drop_staging_of_ended(connection)
            sweep.remove_leftovers(connection, self.world.engine.upload_dir, 0)
        jobs_left = self.world.ask("SELECT id, status FROM import_jobs")
        ended = {str(number) for number, status in jobs_left if status in ENDED}
        assert not {name.split("_")[2] for name in self.staging_tables()} & ended

    def act(self, task: Task, action: str, **options: Any) -> bool:
        """Asks for something, and sees that it is done or refused as the model says; tells which."""
        refusal = getattr(self, f"refuse_to_{action}")(task, options)
        answer = self.world.client.post(f"/api/imports/{task.task_id}/{action}", json=options or None)
        assert (answer.status_code, answer.json.get("code")) == ((409, refusal) if refusal else (202, None))
        if not refusal:
            getattr(self, f"do_{action}")(task, options, answer.json)
        return not refusal

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

    # What people do with products.

    @precondition(lambda self: self.tasks)
    @rule(edit=EDITS)
    def edit_products(self, edit: Edit) -> None:
        self.edit(edit)

    def edit(self, edit: Edit) -> None:
        kind, number, values = edit
        if kind == "delete all":
            self.delete_all()
        elif kind == "create":
            self.create({"sku": SKUS[number], **values})
        elif self.catalogue:
            things = sorted(self.catalogue.values(), key=lambda thing: thing.id or 0)
            thing = things[number % len(things)]
            if kind == "put":
                self.put(thing, values)
            elif kind == "delete":
                answer = self.world.client.delete(f"/api/products/{thing.id}")
                assert answer.status_code == 200
                del self.catalogue[thing.key]
            else:
                self.change_many(kind, things[number % len(things) :][:3], values)

    def create(self, values: Values) -> None:
        answer = self.world.client.post("/api/products", json=values)
        key = self.world.keys[values["sku"]]
        assert answer.status_code == (409 if key in self.catalogue else 201)
        if key not in self.catalogue:
            whole = {"name": "", "description": "", "active": True, **values}
            self.catalogue[key] = Thing(key, whole, self.token(), answer.json["id"])

    def put(self, thing: Thing, values: Values) -> None:
        answer = self.world.client.put(f"/api/products/{thing.id}", json=values)
        key = self.world.keys[values["sku"]] if "sku" in values else thing.key
        taken = self.catalogue.get(key, thing) is not thing
        assert answer.status_code == (409 if taken else 200), answer.json
        if not taken and {**thing.values, **values} != thing.values:
            del self.catalogue[thing.key]
            thing.key, thing.values, thing.token = key, {**thing.values, **values}, self.token()
            self.catalogue[key] = thing

    def change_many(self, kind: str, things: list[Thing], values: Values) -> None:
        wanted: dict[str, Any] = {"ids": [thing.id for thing in things]}
        if kind.endswith("filter"):
            wanted = {"filter": {"active": values["active"]} if "active" in values else {"name": "n"}}
            things = [
                thing
                for thing in self.catalogue.values()
                if (thing.values["active"] == values["active"] if "active" in values else thing.values["name"] in "nN")
                and (thing.values["name"] or "active" in values)
            ]
        active = "name" in values
        action = "delete" if kind.startswith("delete") else "activate" if active else "deactivate"
        answer = self.world.client.post("/api/products/bulk", json={"action": action, **wanted})
        assert answer.status_code == 200, answer.json
        if action != "delete":
            things = [thing for thing in things if thing.values["active"] != active]
        assert answer.json["count"] == len(things)
        for thing in things:
            if action == "delete":
                del self.catalogue[thing.key]
            else:
                thing.values, thing.token = {**thing.values, "active": active}, self.token()

    def delete_all(self) -> None:
        answer = self.world.client.delete("/api/products/bulk-delete")
        if self.has(*WAITING):
            assert (answer.status_code, answer.json["code"]) == (409, "import_running")
            return
        assert (answer.status_code, answer.json["count"]) == (200, len(self.catalogue))
        self.catalogue.clear()

    # What has to hold after each of these.

    def find_ids(self) -> None:
        """Learns the ids of new products, and sees that the others have kept theirs."""
        for number, sku in self.world.ask("SELECT id, sku FROM products"):
            thing = self.catalogue[self.world.keys[sku]]
            thing.id = thing.id or number
            assert thing.id == number

    @invariant()
    def the_catalogue_is_the_model_s(self) -> None:
        found = self.world.ask("SELECT id, sku, name, description, active FROM products ORDER BY id")
        things = sorted(self.catalogue.values(), key=lambda thing: thing.id or 0)
        names = ("sku", "name", "description", "active")
        assert found == [(thing.id, *(thing.values[name] for name in names)) for thing in things]

    @invariant()
    def the_imports_are_the_model_s(self) -> None:
        rows = self.world.ask(
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

    def staging_tables(self) -> list[str]:
        return [
            name
            for (name,) in self.world.ask(
                "SELECT relname FROM pg_class WHERE relname LIKE 'import\\_staging\\_%' AND relkind = 'r'"
            )
        ]

    def teardown(self) -> None:
        """Whatever waits is worked off at last."""
        for task in self.tasks:
            if task.status in WAITING:
                self.work(task, Plan())
        self.sweep(expire=False)
        self.the_catalogue_is_the_model_s()
        self.the_imports_are_the_model_s()


@pytest.fixture
def world(app: Flask, settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One database for all examples."""
    engine = create_engine(settings, chunk_rows=5, slice_rows=SLICE_ROWS, max_attempts=1000)
    world = World(settings.database_url, app.test_client(), engine, monkeypatch)
    yield world
    world.connection.close()


# One that fails is made small before it is shown, which Hypothesis may take five minutes for.
@pytest.mark.timeout(600)
def test_any_story_of_imports_edits_cancels_kills_and_undos_ends_as_the_model_says(world: World) -> None:
    class StoryHere(Story):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        StoryHere,
        settings=hypothesis_settings(
            max_examples=40, stateful_step_count=25, deadline=None, report_multiple_bugs=False
        ),
    )
