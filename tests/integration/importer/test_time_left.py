"""The time left of jobs: what workers report, what jobs teach later ones, and what a retry counts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from statistics import median
from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient

from importer.jobs import speeds
from importer.jobs.forecast import Forecast, Stage
from importer.pipeline.row_survey import RowSurvey
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, request_action, run_job, upload, upload_and_run
from support.interruptions import ActAfterCommit
from support.jobs import delay_slices, run_import, stop_delaying_slices
from support.workbooks import create_xlsx

ROWS = 6000
SLICE_ROWS = 1000


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with several slices for a file of `ROWS` rows."""
    return replace(runner, slice_rows=SLICE_ROWS, chunk_rows=SLICE_ROWS)


def make_file(rows: int = ROWS, name: str = "Lamp", first: int = 0) -> str:
    return "sku,name\n" + "".join(f"K-{number:05},{name}\n" for number in range(first, first + rows))


class Watch(Observer):
    """Keep what clients see of a job after each step."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.seen: list[tuple[StepKind, Any]] = []

    def after_commit(self, step: Step) -> None:
        self.seen.append((step.kind, get_import(self.client, step.job.task_id)))


def phases(job: Any) -> list[str]:
    """Return the phases of the samples of a job, each once, in their order."""
    return list(dict.fromkeys(sample["phase"] for sample in job["samples"]))


def learned(url: str) -> dict[str, list[float]]:
    return dict(execute(url, "SELECT work, seconds_per_row FROM import_speeds"))


def test_a_running_import_says_how_long_it_takes_and_teaches_the_next_one(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    watch = Watch(client)
    task_id = upload(client, make_file())
    queued = get_import(client, task_id)
    assert (queued["seconds_left"], queued["current_rows_per_second"]) == (None, None)
    assert queued["seconds_since_update"] >= 0
    delay_slices(url, 0.1)
    job = run_job(client, replace(runner, observer=watch), task_id)
    stop_delaying_slices(url)
    left = [seen["seconds_left"] for kind, seen in watch.seen if kind is StepKind.WRITE_SLICE]
    assert len(left) == ROWS // SLICE_ROWS
    assert None not in left
    speed = watch.seen[-2][1]["current_rows_per_second"]
    # A slice of 1,000 rows takes at least a tenth of a second.
    assert 0 < speed < 10_000
    assert (job["seconds_left"], job["current_rows_per_second"], job["seconds_since_update"]) == (None, None, None)
    assert learned(url)["created"][0] >= 0.1 / SLICE_ROWS

    again = Watch(client)
    run_job(client, replace(runner, observer=again), upload(client, make_file(first=ROWS)))
    staged = next(seen for kind, seen in again.seen if kind is StepKind.STAGE_FILE)
    # Before its first slice, the second import expects the duration of the first one's slices.
    assert staged["phase"] == "writing"
    assert staged["seconds_left"] >= 0.6 / speeds_limit()


def speeds_limit() -> float:
    """Return how much faster than expected a run may look after its first phases."""
    return 8.0


def test_one_unusual_job_does_not_change_what_is_expected(runner: ImportRunner) -> None:
    url = runner.database_url
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for seconds in (1e-5, 1.1e-5, 5e-3, 0.9e-5, 1e-5, 1e-9, 1.2e-5, 1e-5, 1e-5):
            speeds.save_learned(cursor, {"created": seconds, "reading": 2 * seconds})
    values = learned(url)
    assert values["created"] == [1e-5, 1e-5, 1.2e-5, 1e-9, 1e-5, 0.9e-5, 5e-3]
    assert median(values["created"]) == 1e-5
    expected = speeds.expected_speeds({work: median(seconds) for work, seconds in values.items()})
    assert (expected["created"], expected["reading"]) == (1e-5, 2e-5)
    # What was never measured is scaled by the same factor.
    scale = median([1e-5 / speeds.DEFAULT_SECONDS_PER_ROW["created"], 2e-5 / speeds.DEFAULT_SECONDS_PER_ROW["reading"]])
    assert expected["undoing"] == pytest.approx(scale * speeds.DEFAULT_SECONDS_PER_ROW["undoing"])


def test_a_few_rows_of_a_file_tell_what_its_import_will_do(runner: ImportRunner) -> None:
    run_import(runner, "sku,name,active\nA,Lamp,yes\nB,Chair,yes\nC,Table,no\n")
    payload = 'a;"Lamp";true\nB;"Chair";false\nC;Other;false\nnew;"Stool; low";\n' * 2
    shares = {}
    for mode in ("upsert", "create", "update"):
        forecast = Forecast([Stage("writing", {"created": 1.0})], {}, total=8)
        survey = RowSurvey(forecast, ["sku", "name", "active"], mode=mode, delimiter=";", quote='"')
        with closing(psycopg2.connect(runner.database_url)) as connection, connection.cursor() as cursor:
            survey.count(cursor, payload.encode())
            survey.count(cursor, b"")
        shares[mode] = forecast._stages[0].shares
    assert shares["upsert"] == {"created": 0.25, "updated": 0.5, "unchanged": 0.25}
    assert shares["create"] == {"created": 0.25, "updated": 0, "unchanged": 0.75}
    assert shares["update"] == {"created": 0, "updated": 0.5, "unchanged": 0.5}


def test_a_retry_counts_only_its_own_run(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload(client, make_file())
    cancel = ActAfterCommit(StepKind.WRITE_SLICE, 4, lambda: request_action(client, task_id, "cancel"))
    run_job(client, replace(runner, observer=cancel), task_id)
    cancelled = get_import(client, task_id)
    assert (cancelled["processed_records"], cancelled["seconds_left"]) == (4 * SLICE_ROWS, None)
    execute(runner.database_url, "UPDATE import_jobs SET worked_seconds = 1000")
    assert request_action(client, task_id, "retry")["seconds_left"] is None
    watch = Watch(client)
    job = run_job(client, replace(runner, observer=watch), task_id)
    assert (job["run"], job["status"]) == (2, "completed")
    assert 0 < job["duration_seconds"] < 1000
    assert job["rows_per_second"] == pytest.approx(2 * SLICE_ROWS / job["duration_seconds"], rel=0.01)
    first, *_ = job["samples"]
    assert (first["phase"], first["rows"]) == ("writing", 4 * SLICE_ROWS)
    # The staged rows were dropped, so the run reads them again.
    written = [sample["rows"] for sample in job["samples"][1:] if sample["phase"] == "writing"]
    assert written == [5 * SLICE_ROWS, 6 * SLICE_ROWS]
    # The rows of the first run are no part of the time left.
    left = [seen["seconds_left"] for kind, seen in watch.seen if kind is StepKind.WRITE_SLICE]
    assert len(left) == 2
    assert left[1] <= left[0]


def test_each_phase_has_its_own_samples(client: FlaskClient, runner: ImportRunner) -> None:
    upload_and_run(client, runner, make_file())
    watch = Watch(client)
    check = upload_and_run(
        client,
        replace(runner, observer=watch),
        make_file(ROWS - 100, name="Other"),
        preview="true",
        missing="delete",
    )
    assert phases(check) == ["reading", "comparing", "finding"]
    compared = [seen for kind, seen in watch.seen if kind is StepKind.COMPARE_SLICE]
    assert [seen["phase"] for seen in compared] == ["comparing"] * len(compared)
    assert [seen["rows_compared"] for seen in compared] == sorted(seen["rows_compared"] for seen in compared)
    assert all(seen["seconds_left"] is not None for seen in compared)
    assert (check["rows_compared"], check["seconds_left"], check["phase"]) == (ROWS - 100, None, "comparing")
    assert next(seen for kind, seen in watch.seen if kind is StepKind.FIND_MISSING)["phase"] == "finding"
    assert [sample["rows"] for sample in check["samples"] if sample["phase"] == "finding"] == [0, ROWS]

    request_action(client, check["task_id"], "confirm")
    watch.seen.clear()
    job = run_job(client, replace(runner, observer=watch), check["task_id"])
    assert phases(job) == ["reading", "comparing", "finding", "writing"]
    steps = [seen for kind, seen in watch.seen if kind in {StepKind.WRITE_SLICE, StepKind.REMOVE_MISSING}]
    assert all(seen["seconds_left"] is not None for seen in steps)

    undo = run_job(client, runner, request_action(client, job["task_id"], "undo")["task_id"])
    assert phases(undo) == ["undoing"]
    assert [sample["rows"] for sample in undo["samples"]][-1] == ROWS


def test_reading_a_workbook_is_a_phase_of_its_own(client: FlaskClient, runner: ImportRunner) -> None:
    rows = [["sku", "name"], ["A", "Lamp"], ["B", "Chair"]]
    job = upload_and_run(client, runner, create_xlsx({"P": rows}), "products.xlsx")
    assert job["status"] == "completed"
    assert phases(job) == ["reading", "reading_workbook", "writing"]


def test_an_import_that_an_other_worker_continues_says_again_how_long_it_takes(
    client: FlaskClient, runner: ImportRunner
) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    task_id = upload(client, make_file())
    with pytest.raises(Killed):
        replace(runner, observer=ActAfterCommit(StepKind.WRITE_SLICE, 3, kill)).run(task_id)
    execute(runner.database_url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1s'")
    watch = Watch(client)
    job = run_job(client, replace(runner, observer=watch), task_id)
    assert job["status"] == "completed"
    left = [seen["seconds_left"] for kind, seen in watch.seen if kind is StepKind.WRITE_SLICE]
    assert len(left) == 3
    assert None not in left
