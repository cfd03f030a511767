"""Any sequence of imports, edits, cancellations, kills and undos leaves the catalogue as a plain model of it says.

PostgreSQL alone decides which SKUs are equal.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
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
from psycopg2.extensions import cursor as Cursor

import config
from catalogue.product_count import PRODUCT_COUNT_SQL
from database.connect import Component, connected
from importer.jobs import cleanup
from importer.jobs.stored_files import delete_expired_files
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.imports import upload
from support.jobs import create_runner
from support.story_edits import ProductEditor
from support.story_jobs import ENDED, UNFINISHED, ModelJob, Values
from support.story_model import Model
from support.story_strategies import (
    ACTIVE,
    CHOICES,
    EDITS,
    FULL_HEADER,
    MISSING,
    MISSING_LIMITS,
    MODES,
    PLANS,
    PLANS_OR_NONE,
    PREVIEW,
    REJECT_POLICIES,
    RETRY_OPTIONS,
    SKUS,
    TABLES,
    UNDO_PLANS_OR_NONE,
    Edit,
    Plan,
    Table,
    find_skus,
    is_accepted,
)
from support.thorough import IS_THOROUGH

SLICE_ROWS = 3
IS_COUNT_RIGHT_SQL = f"SELECT {PRODUCT_COUNT_SQL} = (SELECT count(*) FROM products)"
RETRYABLE = {"failed", "cancelled", "awaiting_confirmation"}


class Killed(BaseException):
    """Stands for the end of a worker process."""


class World:
    """What all examples share: the database, the web application and the import runner."""

    def __init__(self, url: str, client: FlaskClient, runner: ImportRunner) -> None:
        self.url, self.runner = url, runner
        self.client: Any = client
        self.connection: Connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.keys: dict[str, str] = dict(self.query("SELECT s, lower(s) FROM unnest(%s::text[]) s", [SKUS]))

    def query(self, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


class StoryObserver(Observer):
    """Interrupt one run of a job as a plan says, and report each committed step to the model."""

    def __init__(self, story: Story, job: ModelJob, plan: Plan) -> None:
        self.story, self.job, self.plan = story, job, plan
        self.steps = 0
        self.is_comparing = False
        self.kill_before_commit = False

    def before_transaction(self, step: Step) -> None:
        # A preview counts as one step. If a product were edited between two of its slices, no single state of the
        # catalogue would explain the preview.
        if self.is_comparing:
            return
        self.is_comparing = step.kind is StepKind.COMPARE_SLICE
        self.steps += 1
        if self.steps != self.plan.at_step:
            return
        if self.plan.interruption == "kill":
            raise Killed
        if self.plan.interruption == "kill before commit":
            self.kill_before_commit = True
        elif self.plan.interruption == "cancel":
            self.story.request(self.job, "cancel")
        elif self.plan.interruption == "edit":
            self.story.editor.apply(self.plan.edit)

    def before_commit(self, step: Step, cursor: Cursor) -> None:
        if self.kill_before_commit:
            raise Killed

    def after_commit(self, step: Step) -> None:
        job, model = self.job, self.story.model
        if step.kind is StepKind.STAGE_FILE:
            model.stage(job)
        elif step.kind is StepKind.AWAIT_CONFIRMATION:
            assert job.is_preview
            job.status = "awaiting_confirmation"
            model.check_preview(job)
        elif step.kind is StepKind.COMPARE_MISSING:
            model.find_missing(job)
        elif step.kind is StepKind.REMOVE_MISSING:
            model.remove_missing(job, step.checkpoint or "")
        elif step.kind is StepKind.WRITE_SLICE:
            model.write_slice(job, step.checkpoint or "")
        elif step.kind is StepKind.REVERSE_ENTRY:
            model.reverse_entry(job, int(step.checkpoint or 0))
        elif step.kind is StepKind.COMPLETE:
            if job.kind == "import":
                assert job.checkpoint == max((key for key, _ in job.rows), default="")
                if job.removes_missing:
                    assert job.compared_at is not None
                    left = [product for product in model.missing_products(job) if product.written <= job.compared_at]
                    assert not left
            assert not job.entries_left
            model.finish(job, "completed")
        elif step.kind is StepKind.FAIL:
            model.finish(job, "failed")


class Story(RuleBasedStateMachine):
    """The catalogue and its imports, and the model of both."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        # Faster than TRUNCATE for a few rows.
        for table in ("import_jobs", "products"):
            world.query(f"DELETE FROM {table}")
        for name in self.staging_tables():
            world.query(f"DROP TABLE {name}")
        self.model = Model(world.query, world.keys)
        self.editor = ProductEditor(world.client, self.model)

    # Workers.

    def work(self, job: ModelJob, plan: Plan) -> None:
        """Run a job as a worker does, until it ends or awaits a confirmation, or until the worker is killed."""
        runner = replace(
            self.world.runner,
            observer=StoryObserver(self, job, plan),
            task_seconds=0 if plan.stops_early else self.world.runner.task_seconds,
        )
        job.status = "processing"
        try:
            while runner.run(job.task_id):
                pass
        except Killed:
            # The lease of a killed worker expires.
            self.world.query(
                "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1s'"
                " WHERE task_id = %s AND lease_token IS NOT NULL",
                [job.task_id],
            )
        else:
            assert job.status in {"cancelled", job.expected_status}

    @precondition(lambda self: self.model.has(*UNFINISHED))
    @rule(choice=CHOICES, plan=PLANS)
    def work_on_an_unfinished_job(self, choice: int, plan: Plan) -> None:
        self.work(self.choose(choice, UNFINISHED), plan)

    @rule(previews_expire=st.booleans())
    def clean_up(self, previews_expire: bool) -> None:
        with connected(self.world.url, Component.REAPER) as connection:
            if previews_expire:
                self.world.query(
                    "UPDATE import_jobs SET confirm_until = now() - interval '1s' WHERE confirm_until > now()"
                )
                cleanup.cancel_expired_previews(connection, self.world.runner.retention)
                for job in self.model.jobs:
                    if job.status == "awaiting_confirmation":
                        self.model.finish(job, "cancelled")
            cleanup.drop_staging_of_ended_jobs(connection)
            cleanup.delete_expired_change_logs(connection)
            delete_expired_files(connection, self.world.runner.storage, now=0)
        rows = self.world.query("SELECT id, status FROM import_jobs")
        ended_ids = {str(job_id) for job_id, status in rows if status in ENDED}
        assert not {name.split("_")[2] for name in self.staging_tables()} & ended_ids

    # Clients and their imports.

    @initialize(has_products=st.sampled_from([True, True, True, False]))
    def fill_the_catalogue(self, has_products: bool) -> None:
        """Mostly start with products, which files can then change or skip."""
        if has_products:
            rows = [[sku, "n", "N", "NO" if number % 3 else ""] for number, sku in enumerate(SKUS)]
            self.work(self.start_import((FULL_HEADER, rows)), Plan())

    @rule(
        table=TABLES,
        mode=MODES,
        on_reject=REJECT_POLICIES,
        preview=PREVIEW,
        missing=MISSING,
        missing_limit=MISSING_LIMITS,
        plan=PLANS_OR_NONE,
    )
    def upload_a_file(self, table: Table, preview: bool, plan: Plan | None, **options: Any) -> None:
        job = self.start_import(table, preview=preview, **options)
        if plan:
            self.work(job, plan)

    def start_import(
        self,
        table: Table,
        *,
        mode: str = "upsert",
        on_reject: str = "skip",
        preview: bool = False,
        missing: str = "keep",
        missing_limit: float = 0.1,
    ) -> ModelJob:
        header, rows = table
        content = io.StringIO()
        csv.writer(content).writerows([header, *rows])
        options = {"mode": mode, "on_reject": on_reject, "missing": missing, "missing_limit": missing_limit}
        form = {name: str(value) for name, value in options.items()} | ({"preview": "true"} if preview else {})
        task_id = upload(self.world.client, content.getvalue(), **form)
        accepted: list[Values] = [
            {name: ACTIVE[cell] if name == "active" else cell for name, cell in zip(header, row, strict=True)}
            for row in rows
            if is_accepted(header, row)
        ]
        options |= {"preview": preview}
        job = ModelJob(task_id, options=options, header=header, rejected=len(rows) - len(accepted))
        possible_skus = [sku for row in rows if not is_accepted(header, row) for sku in find_skus(header, row)]
        job.rejected_keys = {self.world.keys[sku] for sku in possible_skus}
        job.rows = [(self.world.keys[row["sku"]], row) for row in accepted]
        self.model.jobs.append(job)
        return job

    def choose(self, choice: int, statuses: set[str]) -> ModelJob:
        """Return one of the jobs with these statuses: the newest one for 0."""
        jobs = [job for job in self.model.jobs if job.status in statuses]
        return jobs[-1 - choice % len(jobs)]

    def request(self, job: ModelJob, action: str, **options: Any) -> bool:
        """Request an action, and check that the API allows or refuses it as the model says; return whether it did."""
        refusal = getattr(self.model, f"refusal_of_{action}")(job, options)
        response = self.world.client.post(f"/api/imports/{job.task_id}/{action}", json=options or None)
        assert (response.status_code, response.json.get("code")) == ((409, refusal) if refusal else (202, None))
        if refusal:
            return False
        getattr(self.model, f"apply_{action}")(job, options, response.json)
        return True

    @precondition(lambda self: self.model.has("awaiting_confirmation"))
    @rule(choice=CHOICES, plan=PLANS_OR_NONE)
    def confirm(self, choice: int, plan: Plan | None) -> None:
        job = self.choose(choice, {"awaiting_confirmation"})
        if self.request(job, "confirm") and plan:
            self.work(job, plan)

    @precondition(lambda self: self.model.has(*RETRYABLE))
    @rule(choice=CHOICES, options=RETRY_OPTIONS, plan=PLANS_OR_NONE)
    def retry(self, choice: int, options: dict[str, Any], plan: Plan | None) -> None:
        job = self.choose(choice, RETRYABLE)
        if self.request(job, "retry", **({} if job.kind == "undo" else options)) and plan:
            self.work(job, plan)

    @precondition(lambda self: self.model.undoable_jobs())
    @rule(choice=st.sampled_from([0, 0, 1, 2]), force=st.sampled_from([True, True, False]), plan=UNDO_PLANS_OR_NONE)
    def undo(self, choice: int, force: bool, plan: Plan | None) -> None:
        jobs = self.model.undoable_jobs()
        if self.request(jobs[-1 - choice % len(jobs)], "undo", **({"force": True} if force else {})) and plan:
            self.work(self.model.jobs[-1], plan)

    @precondition(lambda self: len(self.model.undoable_jobs()) > 1)
    @rule()
    def undo_all_in_reverse(self) -> None:
        for job in reversed(self.model.undoable_jobs()):
            self.request(job, "undo", force=True)
            self.work(self.model.jobs[-1], Plan())

    @precondition(lambda self: any(job.can_retry and job.kind == "undo" for job in self.model.jobs))
    @rule(plan=UNDO_PLANS_OR_NONE)
    def retry_an_undo(self, plan: Plan | None) -> None:
        undo = next(job for job in reversed(self.model.jobs) if job.can_retry and job.kind == "undo")
        if self.request(undo, "retry") and plan:
            self.work(undo, plan)

    @precondition(lambda self: self.model.jobs)
    @rule(choice=CHOICES, action=st.sampled_from(["cancel", "confirm", "retry", "undo"]))
    def request_any_action(self, choice: int, action: str) -> None:
        """Request an action whether or not it is allowed."""
        self.request(self.model.jobs[-1 - choice % len(self.model.jobs)], action)

    @precondition(lambda self: self.model.jobs)
    @rule(edit=EDITS)
    def edit_products(self, edit: Edit) -> None:
        self.editor.apply(edit)

    # Checks.

    @invariant()
    def the_model_matches_the_database(self) -> None:
        self.model.check_catalogue()
        self.model.check_jobs()
        assert self.world.query(IS_COUNT_RIGHT_SQL) == [(True,)]

    def staging_tables(self) -> list[str]:
        statement = "SELECT relname FROM pg_class WHERE relname LIKE 'import\\_staging\\_%' AND relkind = 'r'"
        return [name for (name,) in self.world.query(statement)]

    def teardown(self) -> None:
        """Let workers finish all jobs."""
        for job in self.model.jobs:
            if job.status in UNFINISHED:
                self.work(job, Plan())
        self.clean_up(previews_expire=False)
        self.the_model_matches_the_database()


@pytest.fixture
def world(app: Flask, settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One database for all examples; no worker listens for messages."""
    monkeypatch.setattr("celery_app.wake_import", lambda task_id: False)
    runner = create_runner(settings, chunk_rows=5, slice_rows=SLICE_ROWS, max_attempts=1000)
    world = World(settings.database_url, app.test_client(), runner)
    yield world
    world.connection.close()


# Hypothesis may take five minutes to shrink a failing example.
@pytest.mark.timeout(600)
def test_any_story_of_imports_edits_cancellations_kills_and_undos_ends_as_the_model_says(world: World) -> None:
    class StoryInWorld(Story):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        StoryInWorld,
        settings=hypothesis_settings(
            max_examples=40 if IS_THOROUGH else 6,
            stateful_step_count=25,
            deadline=None,
            report_multiple_bugs=False,
        ),
    )
