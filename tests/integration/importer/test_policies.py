"""What a person can choose for an import: previews, modes, reject policies, undo, and how long its data is kept."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from database.connect import Component, connected
from importer.jobs import cleanup
from importer.jobs.retention import Retention
from importer.jobs.stored_files import delete_expired_files
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import (
    get_import,
    list_products,
    list_rejects,
    post_file,
    refused_action,
    request_action,
    run_job,
    upload_and_run,
)
from support.jobs import folder_of, read_products, run_import

OLD = "sku,name,description\nA-1,Lamp,old\nA-2,Sofa,\nA-3,Chair,\n"
NEW = "sku,name\na-1,Lamp\nA-2,Blue sofa\nB-1,Table\nB-1,Round table\n,nothing\n"


def test_a_preview_shows_what_would_change_and_writes_nothing_until_it_is_confirmed(
    client: FlaskClient, runner: ImportRunner
) -> None:
    run_import(runner, OLD)
    before = read_products(runner.database_url)
    job = upload_and_run(client, runner, NEW, preview="true")
    assert (job["status"], job["progress"], job["phase"]) == ("awaiting_confirmation", 50, "comparing")
    preview = job["preview"]
    numbers = {name: preview[name] for name in ("create", "update", "unchanged", "skipped", "rejected", "duplicate")}
    assert numbers == {"create": 1, "update": 1, "unchanged": 1, "skipped": 0, "rejected": 1, "duplicate": 1}
    assert preview["changes"] == [
        {"sku": "A-2", "before": {"name": "Sofa"}, "after": {"name": "Blue sofa"}},
        {"sku": "B-1", "before": None, "after": {"name": "Round table"}},
    ]
    rejects = [(row["line"], row["code"], row["details"]) for row in preview["rejects"]]
    assert rejects == [(6, "missing_sku", {"problem": "sku"})]
    assert read_products(runner.database_url) == before

    assert request_action(client, job["task_id"], "confirm")["status"] == "pending"
    job = run_job(client, runner, job["task_id"])
    assert job["status"] == "completed"
    assert (job["created_count"], job["updated_count"], job["unchanged_count"]) == (1, 1, 1)
    assert read_products(runner.database_url)[1][:2] == ("A-2", "Blue sofa")
    assert job["preview"] == preview


def test_a_preview_shows_at_most_twenty_changes(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, "sku,active\n" + "".join(f"A-{number:02},yes\n" for number in range(30)))
    content = "sku,active\n" + "".join(f"A-{number:02},no\nB-{number:02},\n" for number in range(30))
    job = upload_and_run(client, replace(runner, slice_rows=5), content, preview="true")
    assert (job["preview"]["create"], job["preview"]["update"]) == (30, 30)
    assert job["preview"]["changes"] == [
        {"sku": f"A-{number:02}", "before": {"active": True}, "after": {"active": False}} for number in range(20)
    ]


def test_an_undo_reverses_an_import_but_leaves_edited_products_alone(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, OLD)
    before = read_products(runner.database_url)
    job = upload_and_run(client, runner, "sku,name\nA-1,Lamp 2\nA-2,Sofa 2\nB-1,Table\nB-2,Desk\n")
    edited_ids = execute(runner.database_url, "SELECT id FROM products WHERE sku IN ('A-2', 'B-2') ORDER BY sku")
    for (product_id,) in edited_ids:
        assert client.put(f"/api/products/{product_id}", json={"description": "edited"}).status_code == 200
    undo = run_job(client, runner, request_action(client, job["task_id"], "undo")["task_id"])
    assert (undo["status"], undo["kind"], undo["undo_of"]) == ("completed", "undo", job["task_id"])
    counts = ("updated_count", "removed_count", "rejected_count", "unchanged_count", "processed_records")
    assert {name: undo[name] for name in counts} == {
        "updated_count": 2,
        "removed_count": 1,
        "rejected_count": 2,
        "unchanged_count": 0,
        "processed_records": 4,
    }
    rejects = list_rejects(client, undo["task_id"])
    assert {(row["code"], row["row"]) for row in rejects} == {("edited_since", "A-2"), ("edited_since", "B-2")}
    after = read_products(runner.database_url)
    assert after == [before[0], ("A-2", "Sofa 2", "edited", True), before[2], ("B-2", "Desk", "edited", True)]
    # What is left is edited, so another undo would take nothing back.
    assert refused_action(client, job["task_id"], "undo")["code"] == "undo_blocked"
    assert refused_action(client, undo["task_id"], "undo")["code"] == "not_undoable"


def test_mode_create_skips_existing_products_and_names_them(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, OLD)
    before = read_products(runner.database_url)
    job = upload_and_run(client, runner, NEW, mode="create")
    assert (job["created_count"], job["updated_count"], job["unchanged_count"], job["skipped_count"]) == (1, 0, 2, 2)
    assert read_products(runner.database_url) == [*before, ("B-1", "Round table", "", True)]
    affected = list_products(client, job["task_id"])["products"]
    assert [(row["change"], row["sku"]) for row in affected] == [
        ("created", "B-1"),
        ("left_out", "a-1"),
        ("left_out", "A-2"),
    ]
    assert affected[1]["product"]["sku"] == "A-1"
    second_page = list_products(client, job["task_id"], "?change=left_out&per_page=1&page=2")
    assert [row["sku"] for row in second_page["products"]] == ["A-2"]
    assert second_page["pagination"] == {"page": 2, "per_page": 1, "total": 2, "pages": 2}


def test_mode_update_skips_new_products_and_names_them(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, OLD)
    preview = upload_and_run(client, runner, NEW, mode="update", preview="true")
    numbers = {name: preview["preview"][name] for name in ("create", "update", "unchanged", "skipped")}
    assert numbers == {"create": 0, "update": 1, "unchanged": 2, "skipped": 1}
    request_action(client, preview["task_id"], "confirm")
    job = run_job(client, runner, preview["task_id"])
    assert (job["created_count"], job["updated_count"], job["unchanged_count"], job["skipped_count"]) == (0, 1, 2, 1)
    assert [name for _, name, *_ in read_products(runner.database_url)] == ["Lamp", "Blue sofa", "Chair"]
    (left_out,) = list_products(client, job["task_id"], "?change=left_out")["products"]
    values = {"product": None, "before": None, "after": None, "edited_since": False}
    assert left_out == {"change": "left_out", "id": None, "sku": "B-1", **values}


def test_mode_update_creates_nothing_in_an_empty_catalogue(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, "sku\nA-1\nA-2\n", mode="update")
    assert (job["status"], job["created_count"], job["skipped_count"]) == ("completed", 0, 2)
    assert read_products(runner.database_url) == []


def test_all_or_nothing_writes_nothing_if_a_row_is_rejected(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, NEW, on_reject="fail")
    assert (job["status"], job["rejected_count"]) == ("failed", 1)
    assert job["error_message"].startswith("1 row was rejected, and this import is all or nothing (on_reject=fail).")
    assert read_products(runner.database_url) == []
    assert [row["line"] for row in list_rejects(client, job["task_id"])] == [6]
    # A retry can skip the rejected rows.
    request_action(client, job["task_id"], "retry", on_reject="skip")
    job = run_job(client, runner, job["task_id"])
    assert (job["status"], job["created_count"], job["rejected_count"], job["run"]) == ("completed", 3, 1, 2)


def test_an_all_or_nothing_preview_with_rejected_rows_cannot_be_confirmed(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = upload_and_run(client, runner, NEW, on_reject="fail", preview="true")
    assert job["status"] == "awaiting_confirmation"
    assert refused_action(client, job["task_id"], "confirm")["code"] == "has_rejects"
    job = upload_and_run(client, runner, "sku\nA-1\n", on_reject="fail", preview="true")
    request_action(client, job["task_id"], "confirm")
    assert run_job(client, runner, job["task_id"])["status"] == "completed"


def test_a_confirmed_import_updates_what_was_created_after_its_preview(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = upload_and_run(client, runner, "sku,name\nA-1,Lamp\nA-2,Sofa\n", preview="true")
    assert (job["preview"]["create"], job["preview"]["update"]) == (2, 0)
    assert client.post("/api/products", json={"sku": "a-1", "name": "Other"}).status_code == 201
    request_action(client, job["task_id"], "confirm")
    job = run_job(client, runner, job["task_id"])
    assert (job["created_count"], job["updated_count"]) == (1, 1)
    assert read_products(runner.database_url) == [("a-1", "Lamp", "", True), ("A-2", "Sofa", "", True)]


@pytest.mark.parametrize("statement", ["TRUNCATE", "DROP TABLE"])
def test_a_confirmed_import_reads_its_file_again_if_the_staged_rows_are_lost(
    client: FlaskClient, runner: ImportRunner, statement: str
) -> None:
    job = upload_and_run(client, runner, NEW, preview="true")
    (table,) = execute(runner.database_url, "SELECT staging_table FROM import_jobs")[0]
    # A crash of the server empties unlogged tables. A restored backup does not have them.
    execute(runner.database_url, f"{statement} {table}")
    request_action(client, job["task_id"], "confirm")
    job = run_job(client, runner, job["task_id"])
    assert (job["status"], job["created_count"], job["rejected_count"]) == ("completed", 3, 1)


def test_the_page_proposes_the_mapping_that_was_confirmed_for_the_same_header(
    client: FlaskClient, runner: ImportRunner
) -> None:
    content = "Nr,Title,Note\nA-1,Lamp,bright\n"
    failed = upload_and_run(client, runner, content, preview="true", started_from="page")
    assert (failed["status"], failed["started_from"]) == ("failed", "page")
    assert [column["name"] for column in failed["file"]["columns"]] == ["Nr", "Title", "Note"]
    request_action(client, failed["task_id"], "retry", mapping={"Nr": "sku", "Note": "description"})
    first = run_job(client, runner, failed["task_id"])
    assert first["status"] == "awaiting_confirmation"
    assert not first["file"]["remembered"]
    request_action(client, first["task_id"], "confirm")
    run_job(client, runner, first["task_id"])
    assert read_products(runner.database_url) == [("A-1", "Lamp", "bright", True)]

    changed_content = content.replace("Lamp", "Sofa")
    second = upload_and_run(client, runner, changed_content, preview="true", started_from="page")
    assert second["file"]["remembered"]
    assert [column["field"] for column in second["file"]["columns"]] == ["sku", "name", "description"]
    assert second["preview"]["update"] == 1
    # Scripts always get the same mapping for the same file.
    assert upload_and_run(client, runner, content, preview="true")["status"] == "failed"


def test_an_upload_with_an_invalid_option_is_rejected_and_leaves_nothing(
    client: FlaskClient, runner: ImportRunner
) -> None:
    for options in (
        {"mode": "replace"},
        {"on_reject": "ignore"},
        {"preview": "maybe"},
        {"mapping": "{"},
        {"mapping": '{"a": "price"}'},
        {"mapping": "[]"},
        {"delimiter": "x"},
        {"quote": "x"},
        {"encoding": "klingon"},
        {"encoding": "rot13"},
        {"header_line": "0"},
        {"header_line": "1.0"},
        {"header_line": "1000001"},
        {"sheet": "x" * 256},
        {"short_rows": "skip"},
        {"missing": "remove"},
        {"missing_limit": "10%"},
        {"missing_limit": "1.01"},
        {"missing_limit": "nan"},
        {"missing_limit": "-0.1"},
        {"started_from": "moon"},
        {"started_by": "x" * 201},
    ):
        response = post_file(client, "sku\nA-1\n", **options)
        assert response.status_code == 400, options
        assert list(response.json["fields"]) == list(options)
        assert response.json["error"].endswith(".")
    assert list(folder_of(runner).iterdir()) == []
    assert execute(runner.database_url, "SELECT count(*) FROM import_jobs") == [(0,)]


def test_the_history_shows_who_started_an_import_when_and_how_fast_it_was(
    client: FlaskClient, runner: ImportRunner
) -> None:
    from_page = upload_and_run(client, runner, OLD, "Spring 50%.csv", started_from="page")
    from_script = upload_and_run(client, runner, "name\n", started_by="nightly")
    undo_task_id = request_action(client, from_page["task_id"], "undo", started_from="page")["task_id"]
    undo = run_job(client, runner, undo_task_id)

    def list_task_ids(query: str) -> list[str]:
        response = client.get(f"/api/imports{query}")
        assert response.json is not None
        return [job["task_id"] for job in response.json["imports"]]

    assert list_task_ids("") == [undo["task_id"], from_script["task_id"], from_page["task_id"]]
    assert list_task_ids("?started_from=page&kind=import") == [from_page["task_id"]]
    assert list_task_ids("?kind=undo") == [undo["task_id"]]
    assert list_task_ids("?filename=50%25") == [undo["task_id"], from_page["task_id"]]
    assert list_task_ids("?filename=spring&status=completed&started_from=api") == []
    assert (from_page["started_by"], from_script["started_by"]) == ("127.0.0.1", "nightly")
    assert from_page["duration_seconds"] > 0
    # Both numbers are rounded.
    assert abs(3 / from_page["rows_per_second"] - from_page["duration_seconds"]) < 0.01
    log = get_import(client, from_page["task_id"])["log"]
    assert [entry["event"] for entry in log] == ["uploaded", "started", "read", "completed", "undone"]
    assert [entry["at"] for entry in log] == sorted(entry["at"] for entry in log)
    samples = [(sample["phase"], sample["rows"]) for sample in from_page["samples"]]
    # The first sample is the start of the work.
    assert (samples[0], list(dict.fromkeys(samples[1:]))) == (("reading", 0), [("reading", 3), ("writing", 3)])


def test_an_expired_preview_is_cancelled_and_its_file_deleted_later(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, NEW, preview="true")["task_id"]
    url = runner.database_url
    with connected(url, Component.REAPER) as connection:
        cleanup.cancel_expired_previews(connection, runner.retention)
        assert get_import(client, task_id)["status"] == "awaiting_confirmation"
        execute(url, "UPDATE import_jobs SET confirm_until = clock_timestamp() - interval '1 s'")
        cleanup.cancel_expired_previews(connection, runner.retention)
        job = get_import(client, task_id)
        assert (job["status"], job["confirm_until"]) == ("cancelled", None)
        assert "24 hours" in job["error_message"]
        assert (job["error_code"], job["error_details"]) == ("not_confirmed", {"hours": 24})
        assert (job["log"][-1]["event"], job["log"][-1]["code"]) == ("expired", "not_confirmed")
        cleanup.drop_staging_of_ended_jobs(connection)
        assert execute(url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_staging%%'") == [(0,)]
        delete_expired_files(connection, runner.storage, time.time())
        assert len(list(folder_of(runner).iterdir())) == 1
        execute(url, "UPDATE import_jobs SET retry_until = clock_timestamp() - interval '1 s'")
        delete_expired_files(connection, runner.storage, time.time())
    assert list(folder_of(runner).iterdir()) == []
    assert refused_action(client, task_id, "retry")["code"] == "file_gone"


def test_a_file_without_a_job_is_deleted_a_day_after_its_last_write(runner: ImportRunner) -> None:
    path = folder_of(runner) / "broken.part"
    path.write_bytes(b"sku\n")
    with connected(runner.database_url, Component.REAPER) as connection:
        delete_expired_files(connection, runner.storage, time.time() + 23 * 3600)
        assert path.exists()
        delete_expired_files(connection, runner.storage, time.time() + 25 * 3600)
        assert not path.exists()


def test_a_change_log_is_kept_until_the_import_can_no_longer_be_undone(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = upload_and_run(client, runner, OLD)
    assert job["undo_until"] is not None
    execute(runner.database_url, "UPDATE import_jobs SET undo_until = clock_timestamp() - interval '1 s'")
    refusal = refused_action(client, job["task_id"], "undo")
    assert (refusal["code"], "too old" in refusal["error"]) == ("not_undoable", True)
    with connected(runner.database_url, Component.REAPER) as connection:
        cleanup.delete_expired_change_logs(connection)
    assert execute(runner.database_url, "SELECT count(*) FROM import_changes") == [(0,)]


def test_an_import_without_undo_keeps_no_change_log(client: FlaskClient, runner: ImportRunner) -> None:
    retention = Retention(preview_hours=24, retry_hours=24, undo_days=0)
    job = upload_and_run(client, replace(runner, retention=retention), OLD)
    assert job["undo_until"] is None
    assert refused_action(client, job["task_id"], "undo")["code"] == "not_undoable"
    assert execute(runner.database_url, "SELECT count(*) FROM import_changes") == [(0,)]


def test_deleting_a_job_deletes_its_rejects_and_no_others(client: FlaskClient, runner: ImportRunner) -> None:
    kept, deleted = upload_and_run(client, runner, NEW), upload_and_run(client, runner, NEW)
    execute(runner.database_url, "DELETE FROM import_jobs WHERE id = %s", (deleted["id"],))
    assert execute(runner.database_url, "SELECT job_id FROM import_rejects") == [(kept["id"],)]


def test_the_options_of_an_upload_are_shown_with_their_defaults(client: FlaskClient, runner: ImportRunner) -> None:
    names = ("header_line", "sheet", "short_rows", "missing", "missing_limit")
    plain = upload_and_run(client, runner, OLD)
    assert [plain["options"][name] for name in names] == [None, None, "reject", "keep", 0.1]
    given = {"short_rows": "accept", "missing_limit": "0.25"}
    job = upload_and_run(client, runner, OLD, **given, sheet="", header_line="")
    assert [job["options"][name] for name in names] == [None, None, "accept", "keep", 0.25]


def test_many_rejected_rows_are_noticed_on_the_check_and_on_the_result(
    client: FlaskClient, runner: ImportRunner
) -> None:
    rows = "".join(f"B-{number},Box\n" for number in range(8))
    job = upload_and_run(client, runner, f"sku,name\n{rows},one\n", preview="true")
    (notice,) = job["notices"]
    assert (notice["code"], notice["count"]) == ("many_rejects", 1)
    assert notice["message"].startswith("1 row was rejected: 11% of the file.")
    request_action(client, job["task_id"], "confirm")
    assert run_job(client, runner, job["task_id"])["notices"] == [notice]
    assert upload_and_run(client, runner, f"sku,name\n{rows}C-1,\nC-2,\n,one\n")["notices"] == []


def test_the_check_and_the_import_have_their_own_percentages(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, OLD, preview="true")
    assert (job["progress"], job["step_progress"]) == (50, 100)
    job = request_action(client, job["task_id"], "confirm")
    assert (job["progress"], job["step_progress"]) == (50, 0)
    job = run_job(client, runner, job["task_id"])
    assert (job["progress"], job["step_progress"]) == (100, 100)
    assert upload_and_run(client, runner, OLD)["step_progress"] == 100
