"""`missing=deactivate` and `missing=delete`: what happens to products that are not in the file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient

from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import (
    get_import,
    list_products,
    list_rejects,
    refused_action,
    request_action,
    run_job,
    upload,
    upload_and_run,
)
from support.interruptions import ActAfterCommit
from support.jobs import read_products, run_import
from support.waiting import wait_for

# Twenty products, of which every fifth is not active.
SKUS = [f"K-{number:02}" for number in range(20)]
CATALOGUE = "sku,name,description,active\n" + "".join(
    f"{sku},Name {sku},Text {sku},{'no' if number % 5 == 0 else 'yes'}\n" for number, sku in enumerate(SKUS)
)
READ_ALL_SQL = "SELECT id, sku, name, description, active, created_at, updated_at, restored FROM products ORDER BY id"
COUNTS = ("created", "updated", "unchanged", "duplicate", "rejected")


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with small slices, whose catalogue has the products of `CATALOGUE`."""
    runner = replace(runner, slice_rows=4)
    run_import(runner, CATALOGUE)
    return runner


def make_file(skus: list[str]) -> str:
    """Return a file with the unchanged names of these products."""
    return "sku,name\n" + "".join(f"{sku},Name {sku}\n" for sku in skus)


def read_skus(url: str, condition: str = "true") -> list[str]:
    """Return the SKUs of the products that fulfil a condition, sorted."""
    return [sku for (sku,) in execute(url, f"SELECT sku FROM products WHERE {condition} ORDER BY sku")]


def find_notice(job: Any) -> Any:
    """Return the notice about missing products, or None."""
    found: Any = next((notice for notice in job["notices"] if notice["code"] == "missing_products"), None)
    return found


def undo(client: FlaskClient, runner: ImportRunner, job: Any, **options: Any) -> Any:
    """Undo an import, and return the undo."""
    return run_job(client, runner, request_action(client, job["task_id"], "undo", **options)["task_id"])


@pytest.mark.parametrize("mode", ["upsert", "create", "update"])
@pytest.mark.parametrize("missing", ["deactivate", "delete"])
def test_products_before_between_and_after_the_rows_are_removed_and_an_undo_brings_them_back(
    client: FlaskClient, runner: ImportRunner, missing: str, mode: str
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    kept = ["k-03", "K-04", "K-05", "K-11", "K-17"]
    options = {"missing": missing, "missing_limit": "0.9", "mode": mode}
    job = upload_and_run(client, runner, make_file(kept).replace("Name k", "Name K"), **options)
    assert (job["status"], job["error_message"]) == ("completed", None)
    assert sum(job[f"{name}_count"] for name in COUNTS) == job["processed_records"] == 5
    removed = sorted(set(SKUS) - {sku.upper() for sku in kept})
    if missing == "delete":
        assert read_skus(url) == [sku.upper() for sku in kept]
    else:
        assert read_skus(url) == SKUS
        assert read_skus(url, "active") == ["K-03", "K-04", "K-11", "K-17"]
        removed = [sku for sku in removed if int(sku[2:]) % 5]
    assert job["missing_count"] == len(removed)
    assert find_notice(job)["count"] == len(removed)
    change = "deleted" if missing == "delete" else "deactivated"
    page = list_products(client, job["task_id"], f"?change={change}&per_page=100")
    assert [row["sku"] for row in page["products"]] == removed
    assert all((row["product"] is None) == (missing == "delete") for row in page["products"])
    assert list_products(client, job["task_id"], "?change=updated")["products"] == []
    assert f"{len(removed)} products that the file does not have were {change}." in job["log"][-1]["message"]

    result = undo(client, runner, job)
    assert (result["status"], result["updated_count"], result["rejected_count"]) == ("completed", len(removed), 0)
    after = execute(url, READ_ALL_SQL)
    if missing == "delete":
        assert after == before
    else:
        assert [row[:6] for row in after] == [row[:6] for row in before]


def test_a_check_counts_and_lists_the_missing_products_and_writes_nothing(
    client: FlaskClient, runner: ImportRunner
) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    job = upload_and_run(client, runner, make_file(SKUS[2:]), preview="true", missing="delete")
    assert job["status"] == "awaiting_confirmation"
    assert {name: job["preview"][name] for name in ("missing", "missing_action", "catalogue")} == {
        "missing": 2,
        "missing_action": "delete",
        "catalogue": 20,
    }
    notice = find_notice(job)
    assert notice["message"] == (
        "2 products are not in the file, and the import deletes them. Check that the file is complete."
    )
    assert notice["samples"] == [{"text": sku, "sku": sku, "name": f"Name {sku}"} for sku in SKUS[:2]]
    assert notice["fix"]["options"] == {"missing": "keep"}
    assert "2 products that the file does not have would be deleted." in job["log"][-1]["message"]
    assert execute(runner.database_url, READ_ALL_SQL) == before

    request_action(client, job["task_id"], "confirm")
    job = run_job(client, runner, job["task_id"])
    assert (job["status"], job["missing_count"]) == ("completed", 2)
    assert read_skus(runner.database_url) == SKUS[2:]


def test_an_import_that_would_remove_more_than_its_limit_fails_before_it_writes_anything(
    client: FlaskClient, runner: ImportRunner
) -> None:
    before = execute(runner.database_url, READ_ALL_SQL)
    content = make_file([*SKUS[3:], "new"])
    job = upload_and_run(client, runner, content, missing="delete")
    assert job["status"] == "failed"
    assert job["error_message"] == (
        "The import would delete 3 of the 20 products in the catalogue (15%), because the file does not have them. The"
        " limit is 10%, so nothing was written. If the file is complete, retry with missing_limit=0.15. Otherwise"
        " upload the complete file, or retry with missing=keep."
    )
    assert job["error_code"] == "missing_limit_exceeded"
    assert job["error_details"] == {
        "action": "delete",
        "count": 3,
        "catalogue": 20,
        "percent": 15.0,
        "limit_percent": 10.0,
        "needed_limit": 0.15,
    }
    assert find_notice(job)["count"] == 3
    assert "nothing is written unless missing_limit is at least 0.15." in find_notice(job)["message"]
    assert execute(runner.database_url, READ_ALL_SQL) == before

    request_action(client, job["task_id"], "retry", missing_limit=0.15)
    job = run_job(client, runner, job["task_id"])
    assert (job["error_code"], job["error_details"]) == (None, None)
    assert (job["status"], job["missing_count"], job["created_count"]) == ("completed", 3, 1)


def test_a_check_beyond_the_limit_cannot_be_confirmed_but_retried(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, make_file(SKUS[10:]), preview="true", missing="deactivate")
    assert (job["status"], job["preview"]["missing"]) == ("awaiting_confirmation", 8)
    error = refused_action(client, job["task_id"], "confirm")
    assert error["code"] == "too_many_missing"
    assert "would deactivate 8 of the 20 products in the catalogue (40%)" in error["error"]
    assert error["details"] == {
        "missing": 8,
        "missing_action": "deactivate",
        "catalogue": 20,
        "action": "deactivate",
        "count": 8,
        "percent": 40.0,
        "limit_percent": 10.0,
        "needed_limit": 0.4,
    }
    request_action(client, job["task_id"], "retry", missing="keep")
    job = run_job(client, runner, job["task_id"])
    assert (job["preview"]["missing"], job["preview"]["missing_action"], find_notice(job)) == (0, "keep", None)
    request_action(client, job["task_id"], "confirm")
    assert run_job(client, runner, job["task_id"])["missing_count"] == 0


def test_a_worker_that_is_killed_after_it_found_too_many_does_not_let_the_next_one_pass_the_limit(
    client: FlaskClient, runner: ImportRunner
) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    task_id = upload(client, make_file(SKUS[10:]), missing="delete")
    with pytest.raises(Killed):
        replace(runner, observer=ActAfterCommit(StepKind.COMPARE_MISSING, 1, kill)).run(task_id)
    execute(runner.database_url, "UPDATE import_jobs SET lease_expires_at = clock_timestamp() - interval '1s'")
    assert run_job(client, runner, task_id)["status"] == "failed"
    assert read_skus(runner.database_url) == SKUS


@pytest.mark.parametrize(
    ("row", "is_kept"),
    [
        ("K-00,Name,maybe", True),
        (f"K-00,{'n' * 501},yes", True),
        ("K-00,Name", True),
        ("Name,K-00,yes,surplus", True),
        ('K-00,"a" b,yes', True),
        (f"{'K' * 256},K-00,yes", False),
        (",K-00,yes", False),
    ],
)
def test_a_rejected_row_protects_the_product_whose_sku_it_has(
    client: FlaskClient, runner: ImportRunner, row: str, is_kept: bool
) -> None:
    content = "sku,name,active\n" + row + "\n" + "".join(f"{sku},Name {sku},\n" for sku in SKUS[1:])
    job = upload_and_run(client, runner, content, missing="delete", preview="true")
    assert job["rejected_count"] == 1
    assert job["preview"]["missing"] == (0 if is_kept else 1)
    if not is_kept:
        sentence = "1 rejected row has no readable SKU, so their products may be among them."
        assert sentence in find_notice(job)["message"]


def test_a_file_without_valid_rows_removes_nothing(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "sku,active\n,yes\nZ,maybe\n", missing="delete", missing_limit="1")
    assert (job["status"], job["rejected_count"], job["missing_count"]) == ("completed", 2, 0)
    assert read_skus(runner.database_url) == SKUS


def act_before(runner: ImportRunner, kind: StepKind, act: Callable[[], Any]) -> ImportRunner:
    """Return a runner that calls `act` before the first step of a kind."""

    class ActBefore(Observer):
        has_acted = False

        def before_transaction(self, step: Step) -> None:
            if step.kind is kind and not self.has_acted:
                self.has_acted = True
                act()

    return replace(runner, observer=ActBefore())


@pytest.mark.parametrize("missing", ["deactivate", "delete"])
def test_products_that_were_created_or_changed_after_the_comparison_are_left_alone(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    url = runner.database_url
    ids = dict(execute(url, "SELECT sku, id FROM products"))

    def change() -> None:
        assert client.post("/api/products", json={"sku": "A-created"}).status_code == 201
        assert client.put(f"/api/products/{ids['K-01']}", json={"name": "edited"}).status_code == 200
        # K-10 is in the file by its old SKU.
        assert client.put(f"/api/products/{ids['K-10']}", json={"sku": "Z-renamed"}).status_code == 200
        assert client.delete(f"/api/products/{ids['K-02']}").status_code == 200

    job = upload_and_run(
        client,
        act_before(runner, StepKind.REMOVE_MISSING, change),
        make_file(SKUS[5:]),
        missing=missing,
        missing_limit="1",
    )
    assert job["status"] == "completed"
    change_count = {"deactivate": 2, "delete": 3}[missing]
    assert job["missing_count"] == change_count
    assert "2 others were left alone" in job["log"][-1]["message"]
    assert {"A-created", "K-01", "Z-renamed"} <= set(read_skus(url))
    edited: Any = client.get(f"/api/products/{ids['K-01']}").json
    assert edited["active"] is True


def test_a_product_of_a_transaction_that_was_open_during_the_comparison_is_left_alone(
    client: FlaskClient, runner: ImportRunner
) -> None:
    with closing(psycopg2.connect(runner.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO products (sku, created_at, updated_at) VALUES ('open', '2020-01-01', '2020-01-01')")
        job = upload_and_run(
            client,
            act_before(runner, StepKind.REMOVE_MISSING, connection.commit),
            make_file(SKUS[1:]),
            missing="delete",
        )
    assert (job["status"], job["missing_count"]) == ("completed", 1)
    assert read_skus(runner.database_url) == [*SKUS[1:], "open"]


def test_a_product_that_another_client_is_changing_is_compared_again(client: FlaskClient, runner: ImportRunner) -> None:
    url = runner.database_url
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:

        def commit_when_waited_for() -> None:
            query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%WITH write_time%'"
            wait_for("the removal waits for the product", lambda: execute(url, query))
            connection.commit()

        def lock() -> None:
            cursor.execute("UPDATE products SET name = 'edited', updated_at = clock_timestamp() WHERE sku = 'K-00'")
            thread.start()

        thread = threading.Thread(target=commit_when_waited_for)
        job = upload_and_run(
            client, act_before(runner, StepKind.REMOVE_MISSING, lock), make_file(SKUS[2:]), missing="delete"
        )
        thread.join()
    assert (job["status"], job["missing_count"]) == ("completed", 1)
    assert read_skus(url) == ["K-00", *SKUS[2:]]


@pytest.mark.parametrize("missing", ["deactivate", "delete"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_cancelled_removal_is_counted_exactly_and_continues_where_it_stopped(
    client: FlaskClient, runner: ImportRunner, missing: str, steps: int
) -> None:
    url = runner.database_url
    task_id = upload(client, make_file(["K-19"]), missing=missing, missing_limit="1")
    observer = ActAfterCommit(StepKind.REMOVE_MISSING, steps, lambda: request_action(client, task_id, "cancel"))
    job = run_job(client, replace(runner, observer=observer), task_id)
    assert job["status"] == "cancelled"
    left = 20 - len(read_skus(url)) if missing == "delete" else 16 - len(read_skus(url, "active"))
    assert 0 < job["missing_count"] == left
    participle = {"delete": "deleted", "deactivate": "deactivated"}[missing]
    assert f"{left} that the file does not have {participle}" in job["log"][-1]["message"]
    assert job["undo_until"]

    request_action(client, task_id, "retry")
    job = run_job(client, runner, task_id)
    expected = 19 if missing == "delete" else 15
    assert (job["status"], job["missing_count"]) == ("completed", expected)
    assert undo(client, runner, job)["updated_count"] == expected
    assert read_skus(url, "active") == [sku for number, sku in enumerate(SKUS) if number % 5]


def test_an_undo_leaves_a_deleted_product_alone_whose_sku_another_product_has_now(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    before = execute(url, READ_ALL_SQL)
    job = upload_and_run(client, runner, make_file(SKUS[2:]), missing="delete")
    other: Any = client.post("/api/products", json={"sku": "k-01"}).json
    result = undo(client, runner, job)
    assert (result["updated_count"], result["rejected_count"], result["total_records"]) == (1, 1, 2)
    assert [(row["code"], row["row"]) for row in list_rejects(client, result["task_id"])] == [("sku_taken", "K-01")]
    assert read_skus(url, "sku ILIKE 'k-0_'")[:2] == ["K-00", "K-02"]

    assert get_import(client, job["task_id"])["left_alone_count"] == 1
    client.delete(f"/api/products/{other['id']}")
    assert undo(client, runner, job)["updated_count"] == 1
    assert execute(url, READ_ALL_SQL) == before


def test_an_undo_that_could_restore_less_than_half_of_the_deleted_products_is_refused(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = upload_and_run(client, runner, make_file(SKUS[3:]), missing="delete", missing_limit="0.5")
    for sku in SKUS[:2]:
        client.post("/api/products", json={"sku": sku})
    error = refused_action(client, job["task_id"], "undo")
    assert error["code"] == "undo_blocked"
    assert (error["details"]["products"], error["details"]["left_alone"]) == (3, 2)
    assert (error["details"]["is_estimate"], error["details"]["later"]) == (False, "none")
    assert undo(client, runner, job, force=True)["updated_count"] == 1


def test_earlier_imports_can_be_undone_after_the_undo_of_a_deletion(client: FlaskClient, runner: ImportRunner) -> None:
    first = upload_and_run(client, runner, "sku,name\nK-00,changed\n")
    second = upload_and_run(client, runner, make_file(SKUS[1:]), missing="delete")
    third = upload_and_run(client, runner, "sku,name\nK-05,changed\n")
    for job in (third, second, first):
        assert undo(client, runner, job)["updated_count"] == 1
    assert [row[:4] for row in read_products(runner.database_url)] == [
        (sku, f"Name {sku}", f"Text {sku}", number % 5 > 0) for number, sku in enumerate(SKUS)
    ]


def test_without_a_change_log_missing_products_are_removed_and_cannot_be_restored(
    client: FlaskClient, runner: ImportRunner
) -> None:
    runner = replace(runner, retention=replace(runner.retention, undo_days=0))
    job = upload_and_run(client, runner, make_file(SKUS[1:]), missing="delete")
    assert (job["status"], job["missing_count"], job["undo_until"]) == ("completed", 1, None)
