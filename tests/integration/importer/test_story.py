"""Any sequence of imports, edits, cancels, kills and undos leaves the catalogue that a plain model of it has.

PostgreSQL alone decides which SKUs are equal.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
import importer.pipeline.merge
import importer.pipeline.runner
import importer.pipeline.undo
from database.connect import Component, connected
from importer.jobs import actions, reaper, repository
from importer.pipeline.runner import ImportRunner
from support.imports import send
from support.jobs import create_runner
from support.story_model import ENDED, WAITING, Model, Task, Thing, Values

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


class World:
    """What all examples share: the database, the application, the runner, and the places where it is interrupted."""

    def __init__(self, url: str, client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.runner = url, runner
        self.client: Any = client
        self.connection: Connection = psycopg2.connect(url)
        self.connection.autocommit = True
        rows = self.ask("SELECT s, lower(s) FROM unnest(%s::text[]) s", [SKUS])
        self.keys: dict[str, str] = dict(rows)
        self.story: Story | None = None
        self.armed = False
        for module, name in [
            (importer.pipeline.runner, "read_file"),
            (importer.pipeline.runner, "compare"),
            (importer.pipeline.merge, "_write_slice"),
            (importer.pipeline.undo, "_take_back_record"),
            (repository, "complete"),
            (repository, "fail"),
        ]:
            monkeypatch.setattr(module, name, self._step(name, getattr(module, name)))
        monkeypatch.setattr(repository, "update", self._update(repository.update))
        # What was found by looking ahead counts as of then; the model has no such moments between steps.
        look = importer.pipeline.merge.LookAhead.look
        monkeypatch.setattr(
            importer.pipeline.merge.LookAhead,
            "look",
            lambda ahead, parts: None if self.story and self.story.plan.what == "edit" else look(ahead, parts),
        )
        # Nobody listens for messages here.
        monkeypatch.setattr("api.imports.routes.wake_import", lambda task_id: False)

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
        self.model = Model(world.ask, world.keys)
        self.plan = Plan()
        self.worked_on: Task | None = None
        self.step = 0

    # What the runner does, and what happens to it.

    def work(self, task: Task, plan: Plan) -> None:
        """Does what a worker does until the import rests, or until the worker is killed."""
        self.plan, self.worked_on, self.step = plan, task, 0
        runner = replace(self.world.runner, task_seconds=0) if plan.hurried else self.world.runner
        killed = False
        task.status = "processing"
        try:
            while runner.run(task.task_id):
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
            self.model.check_preview(task)
        elif name == "_write_slice":
            self.model.write_slice(task, arguments[3])
        elif name == "_take_back_record":
            self.model.take_back(task, arguments[2])
        elif name == "complete":
            assert task.checkpoint == max((key for key, _ in task.good), default="") if task.kind == "import" else True
            assert not task.left
            self.model.finish(task, "completed")
        elif name == "fail" and result:
            self.model.finish(task, "failed")

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
        self.model.tasks.append(task)
        return task

    def one(self, number: int, statuses: set[str]) -> Task:
        """One of the tasks in such a state, the newest for 0."""
        found = [task for task in self.model.tasks if task.status in statuses]
        return found[-1 - number % len(found)]

    @precondition(lambda self: self.model.has(*WAITING))
    @rule(number=NUMBERS, plan=PLANS)
    def go_on(self, number: int, plan: Plan) -> None:
        self.work(self.one(number, WAITING), plan)

    @precondition(lambda self: self.model.has("awaiting_confirmation"))
    @rule(number=NUMBERS, plan=PLANS_OR_NONE)
    def confirm(self, number: int, plan: Plan | None) -> None:
        task = self.one(number, {"awaiting_confirmation"})
        if self.act(task, "confirm") and plan:
            self.work(task, plan)

    @precondition(lambda self: self.model.has("failed", "cancelled", "awaiting_confirmation"))
    @rule(number=NUMBERS, options=CHANGED_OPTIONS, plan=PLANS_OR_NONE)
    def retry(self, number: int, options: dict[str, Any], plan: Plan | None) -> None:
        task = self.one(number, {"failed", "cancelled", "awaiting_confirmation"})
        if self.act(task, "retry", **({} if task.kind == "undo" else options)) and plan:
            self.work(task, plan)

    @precondition(lambda self: self.model.undoable())
    @rule(number=st.sampled_from([0, 0, 1, 2]), plan=UNDO_PLANS_OR_NONE)
    def undo(self, number: int, plan: Plan | None) -> None:
        found = self.model.undoable()
        self.act(found[-1 - number % len(found)], "undo")
        if plan:
            self.work(self.model.tasks[-1], plan)

    @precondition(lambda self: len(self.model.undoable()) > 1)
    @rule()
    def undo_one_after_the_other(self) -> None:
        for task in reversed(self.model.undoable()):
            self.act(task, "undo")
            self.work(self.model.tasks[-1], Plan())

    @precondition(lambda self: any(task.retryable and task.kind == "undo" for task in self.model.tasks))
    @rule(plan=UNDO_PLANS_OR_NONE)
    def retry_an_undo(self, plan: Plan | None) -> None:
        undo = next(task for task in reversed(self.model.tasks) if task.retryable and task.kind == "undo")
        if self.act(undo, "retry") and plan:
            self.work(undo, plan)

    @precondition(lambda self: self.model.tasks)
    @rule(number=NUMBERS, action=st.sampled_from(["cancel", "confirm", "retry", "undo"]))
    def ask(self, number: int, action: str) -> None:
        """Asks for something, whether it is allowed or not."""
        self.act(self.model.tasks[-1 - number % len(self.model.tasks)], action)

    @rule(expire=st.booleans())
    def sweep(self, expire: bool) -> None:
        """Does what workers do now and then; long after the last time if previews `expire`."""
        with connected(self.world.url, Component.IMPORTER) as connection:
            if expire:
                self.world.ask(
                    "UPDATE import_jobs SET confirm_until = now() - interval '1s' WHERE confirm_until > now()"
                )
                actions.expire(connection, self.world.runner.retention)
                for task in self.model.tasks:
                    if task.status == "awaiting_confirmation":
                        self.model.finish(task, "cancelled")
            reaper.drop_staging_of_ended(connection)
            reaper.remove_leftovers(connection, self.world.runner.upload_dir, 0)
        jobs_left = self.world.ask("SELECT id, status FROM import_jobs")
        ended = {str(number) for number, status in jobs_left if status in ENDED}
        assert not {name.split("_")[2] for name in self.staging_tables()} & ended

    def act(self, task: Task, action: str, **options: Any) -> bool:
        """Asks for something, and sees that it is done or refused as the model says; tells which."""
        refusal = getattr(self.model, f"refuse_to_{action}")(task, options)
        answer = self.world.client.post(f"/api/imports/{task.task_id}/{action}", json=options or None)
        assert (answer.status_code, answer.json.get("code")) == ((409, refusal) if refusal else (202, None))
        if not refusal:
            getattr(self.model, f"do_{action}")(task, options, answer.json)
        return not refusal

    # What people do with products.

    @precondition(lambda self: self.model.tasks)
    @rule(edit=EDITS)
    def edit_products(self, edit: Edit) -> None:
        self.edit(edit)

    def edit(self, edit: Edit) -> None:
        kind, number, values = edit
        if kind == "delete all":
            self.delete_all()
        elif kind == "create":
            self.create({"sku": SKUS[number], **values})
        elif self.model.catalogue:
            things = sorted(self.model.catalogue.values(), key=lambda thing: thing.id or 0)
            thing = things[number % len(things)]
            if kind == "put":
                self.put(thing, values)
            elif kind == "delete":
                answer = self.world.client.delete(f"/api/products/{thing.id}")
                assert answer.status_code == 200
                del self.model.catalogue[thing.key]
            else:
                self.change_many(kind, things[number % len(things) :][:3], values)

    def create(self, values: Values) -> None:
        answer = self.world.client.post("/api/products", json=values)
        key = self.world.keys[values["sku"]]
        assert answer.status_code == (409 if key in self.model.catalogue else 201)
        if key not in self.model.catalogue:
            whole = {"name": "", "description": "", "active": True, **values}
            self.model.catalogue[key] = Thing(key, whole, self.model.token(), answer.json["id"])

    def put(self, thing: Thing, values: Values) -> None:
        answer = self.world.client.put(f"/api/products/{thing.id}", json=values)
        key = self.world.keys[values["sku"]] if "sku" in values else thing.key
        taken = self.model.catalogue.get(key, thing) is not thing
        assert answer.status_code == (409 if taken else 200), answer.json
        if not taken and {**thing.values, **values} != thing.values:
            del self.model.catalogue[thing.key]
            thing.key, thing.values, thing.token = key, {**thing.values, **values}, self.model.token()
            self.model.catalogue[key] = thing

    def change_many(self, kind: str, things: list[Thing], values: Values) -> None:
        wanted: dict[str, Any] = {"ids": [thing.id for thing in things]}
        if kind.endswith("filter"):
            wanted = {"filter": {"active": values["active"]} if "active" in values else {"name": "n"}}
            things = [
                thing
                for thing in self.model.catalogue.values()
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
                del self.model.catalogue[thing.key]
            else:
                thing.values, thing.token = {**thing.values, "active": active}, self.model.token()

    def delete_all(self) -> None:
        answer = self.world.client.delete("/api/products/bulk-delete")
        if self.model.has(*WAITING):
            assert (answer.status_code, answer.json["code"]) == (409, "import_running")
            return
        assert (answer.status_code, answer.json["count"]) == (200, len(self.model.catalogue))
        self.model.catalogue.clear()

    # What has to hold after each of these.

    @invariant()
    def the_model_is_right(self) -> None:
        self.model.check_catalogue()
        self.model.check_imports()

    def staging_tables(self) -> list[str]:
        return [
            name
            for (name,) in self.world.ask(
                "SELECT relname FROM pg_class WHERE relname LIKE 'import\\_staging\\_%' AND relkind = 'r'"
            )
        ]

    def teardown(self) -> None:
        """Whatever waits is worked off at last."""
        for task in self.model.tasks:
            if task.status in WAITING:
                self.work(task, Plan())
        self.sweep(expire=False)
        self.the_model_is_right()


@pytest.fixture
def world(app: Flask, settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One database for all examples."""
    runner = create_runner(settings, chunk_rows=5, slice_rows=SLICE_ROWS, max_attempts=1000)
    world = World(settings.database_url, app.test_client(), runner, monkeypatch)
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
