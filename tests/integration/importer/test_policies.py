"""Previews, policies, cancelling, retrying: what a person may do with an import before, while and after it writes."""

from __future__ import annotations

import time
from dataclasses import replace

from flask.testing import FlaskClient

from database.connect import Component, connected
from importer.jobs import actions, reaper
from importer.jobs.repository import Retention
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import act, listed, send, show, upload, work
from support.jobs import read_products, run_import

OLD = "sku,name,description\nA-1,Lamp,old\nA-2,Sofa,\nA-3,Chair,\n"
NEW = "sku,name\na-1,Lamp\nA-2,Blue sofa\nB-1,Table\nB-1,Round table\n,nothing\n"


def test_a_preview_says_what_would_happen_and_touches_nothing_until_it_is_confirmed(
    client: FlaskClient, runner: ImportRunner
) -> None:
    run_import(runner, OLD)
    before = read_products(runner.database_url)
    job = upload(client, runner, NEW, preview="true")
    assert (job["status"], job["progress"], job["phase"]) == ("awaiting_confirmation", 50, "comparing")
    preview = job["preview"]
    numbers = {name: preview[name] for name in ("create", "update", "unchanged", "skipped", "rejected", "duplicate")}
    assert numbers == {"create": 1, "update": 1, "unchanged": 1, "skipped": 0, "rejected": 1, "duplicate": 1}
    assert preview["changes"] == [
        {"sku": "A-2", "before": {"name": "Sofa"}, "after": {"name": "Blue sofa"}},
        {"sku": "B-1", "before": None, "after": {"name": "Round table"}},
    ]
    assert [(row["line"], row["code"]) for row in preview["rejects"]] == [(6, "missing_sku")]
    assert read_products(runner.database_url) == before

    assert act(client, job, "confirm")["status"] == "pending"
    done = work(client, runner, job["task_id"])
    assert done["status"] == "completed"
    assert (done["created_count"], done["updated_count"], done["unchanged_count"]) == (1, 1, 1)
    assert read_products(runner.database_url)[1][:2] == ("A-2", "Blue sofa")
    assert done["preview"] == preview


def test_undo_takes_an_import_back_and_leaves_alone_what_was_edited_since(
    client: FlaskClient, runner: ImportRunner
) -> None:
    run_import(runner, OLD)
    before = read_products(runner.database_url)
    job = upload(client, runner, "sku,name\nA-1,Lamp 2\nA-2,Sofa 2\nB-1,Table\nB-2,Desk\n")
    edited = execute(runner.database_url, "SELECT id FROM products WHERE sku IN ('A-2', 'B-2') ORDER BY sku")
    for (number,) in edited:
        assert client.put(f"/api/products/{number}", json={"description": "mine"}).status_code == 200
    undo = work(client, runner, act(client, job, "undo")["task_id"])
    assert (undo["status"], undo["kind"], undo["undo_of"]) == ("completed", "undo", job["task_id"])
    counts = ("updated_count", "removed_count", "rejected_count", "unchanged_count", "processed_records")
    assert {name: undo[name] for name in counts} == {
        "updated_count": 2,
        "removed_count": 1,
        "rejected_count": 2,
        "unchanged_count": 0,
        "processed_records": 4,
    }
    rejects = listed(client, undo, "rejects")["rejects"]
    assert {(row["code"], row["row"]) for row in rejects} == {("edited_since", "A-2"), ("edited_since", "B-2")}
    after = read_products(runner.database_url)
    assert after == [before[0], ("A-2", "Sofa 2", "mine", True), before[2], ("B-2", "Desk", "mine", True)]
    assert act(client, job, "undo", 409)["code"] == "not_undoable"
    assert act(client, undo, "undo", 409)["code"] == "not_undoable"


def test_create_only_leaves_out_what_exists_and_names_it(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, OLD)
    before = read_products(runner.database_url)
    job = upload(client, runner, NEW, mode="create")
    assert (job["created_count"], job["updated_count"], job["unchanged_count"], job["skipped_count"]) == (1, 0, 2, 2)
    assert read_products(runner.database_url) == [*before, ("B-1", "Round table", "", True)]
    named = listed(client, job, "products")
    assert [(row["change"], row["sku"]) for row in named["products"]] == [
        ("created", "B-1"),
        ("left_out", "a-1"),
        ("left_out", "A-2"),
    ]
    assert named["products"][1]["product"]["sku"] == "A-1"
    left_out = listed(client, job, "products", "?change=left_out&per_page=1&page=2")
    assert [row["sku"] for row in left_out["products"]] == ["A-2"]
    assert left_out["pagination"] == {"page": 2, "per_page": 1, "total": 2, "pages": 2}


def test_update_only_leaves_out_what_does_not_exist(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, OLD)
    preview = upload(client, runner, NEW, mode="update", preview="true")
    counted = {name: preview["preview"][name] for name in ("create", "update", "unchanged", "skipped")}
    assert counted == {"create": 0, "update": 1, "unchanged": 2, "skipped": 1}
    act(client, preview, "confirm")
    job = work(client, runner, preview["task_id"])
    assert (job["created_count"], job["updated_count"], job["unchanged_count"], job["skipped_count"]) == (0, 1, 2, 1)
    assert [name for _, name, *_ in read_products(runner.database_url)] == ["Lamp", "Blue sofa", "Chair"]
    (left_out,) = listed(client, job, "products", "?change=left_out")["products"]
    assert left_out == {"change": "left_out", "id": None, "sku": "B-1", "product": None}


def test_an_empty_catalogue_takes_nothing_of_an_update(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, "sku\nA-1\nA-2\n", mode="update")
    assert (job["status"], job["created_count"], job["skipped_count"]) == ("completed", 0, 2)
    assert read_products(runner.database_url) == []


def test_all_or_nothing_writes_nothing_where_a_row_is_bad(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, NEW, on_reject="fail")
    assert (job["status"], job["rejected_count"]) == ("failed", 1)
    assert "on_reject=fail" in job["error_message"]
    assert read_products(runner.database_url) == []
    assert [row["line"] for row in listed(client, job, "rejects")["rejects"]] == [6]
    # Without another upload, the bad rows set aside.
    act(client, job, "retry", on_reject="skip")
    again = work(client, runner, job["task_id"])
    assert (again["status"], again["created_count"], again["rejected_count"], again["run"]) == ("completed", 3, 1, 2)


def test_a_preview_with_bad_rows_cannot_be_confirmed_where_nothing_may_be_bad(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = upload(client, runner, NEW, on_reject="fail", preview="true")
    assert job["status"] == "awaiting_confirmation"
    assert act(client, job, "confirm", 409)["code"] == "has_rejects"
    good = upload(client, runner, "sku\nA-1\n", on_reject="fail", preview="true")
    act(client, good, "confirm")
    assert work(client, runner, good["task_id"])["status"] == "completed"


def test_what_changed_since_the_preview_is_compared_again(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, "sku,name\nA-1,Lamp\nA-2,Sofa\n", preview="true")
    assert (job["preview"]["create"], job["preview"]["update"]) == (2, 0)
    assert client.post("/api/products", json={"sku": "a-1", "name": "Other"}).status_code == 201
    act(client, job, "confirm")
    done = work(client, runner, job["task_id"])
    assert (done["created_count"], done["updated_count"]) == (1, 1)
    assert read_products(runner.database_url) == [("a-1", "Lamp", "", True), ("A-2", "Sofa", "", True)]


def test_a_preview_survives_the_loss_of_what_was_staged(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, NEW, preview="true")
    (table,) = execute(runner.database_url, "SELECT staging_table FROM import_jobs")[0]
    # As a crash of the server does.
    execute(runner.database_url, f"TRUNCATE {table}")
    act(client, job, "confirm")
    done = work(client, runner, job["task_id"])
    assert (done["status"], done["created_count"], done["rejected_count"]) == ("completed", 3, 1)


def test_the_confirmed_mapping_is_proposed_for_the_next_file_of_the_page(
    client: FlaskClient, runner: ImportRunner
) -> None:
    content = "Nr,Title,Note\nA-1,Lamp,bright\n"
    lost = upload(client, runner, content, preview="true", started_from="page")
    assert (lost["status"], lost["started_from"]) == ("failed", "page")
    assert [column["name"] for column in lost["file"]["columns"]] == ["Nr", "Title", "Note"]
    act(client, lost, "retry", mapping={"Nr": "sku", "Note": "description"})
    first = work(client, runner, lost["task_id"])
    assert first["status"] == "awaiting_confirmation"
    assert not first["file"]["remembered"]
    act(client, first, "confirm")
    work(client, runner, first["task_id"])
    assert read_products(runner.database_url) == [("A-1", "Lamp", "bright", True)]

    second = upload(client, runner, content.replace("Lamp", "Sofa"), preview="true", started_from="page")
    assert second["file"]["remembered"]
    assert [column["field"] for column in second["file"]["columns"]] == ["sku", "name", "description"]
    assert second["preview"]["update"] == 1
    # A script always gets the same for the same file.
    assert upload(client, runner, content, preview="true")["status"] == "failed"


def test_options_that_cannot_be_used_are_refused_and_nothing_is_kept(client: FlaskClient, runner: ImportRunner) -> None:
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
        {"started_from": "moon"},
        {"started_by": "x" * 201},
    ):
        answer = send(client, "sku\nA-1\n", **options)
        assert answer.status_code == 400, options
        assert list(answer.json["fields"]) == list(options)
        assert answer.json["error"].endswith(".")
    assert list(runner.upload_dir.iterdir()) == []
    assert execute(runner.database_url, "SELECT count(*) FROM import_jobs") == [(0,)]


def test_the_history_tells_who_what_when_and_how_fast(client: FlaskClient, runner: ImportRunner) -> None:
    page = upload(client, runner, OLD, "Spring 50%.csv", started_from="page")
    script = upload(client, runner, "name\n", started_by="nightly")
    undo = work(client, runner, act(client, page, "undo", started_from="page")["task_id"])

    def found(query: str) -> list[str]:
        answer = client.get(f"/api/imports{query}")
        assert answer.json is not None
        return [job["task_id"] for job in answer.json["imports"]]

    assert found("") == [undo["task_id"], script["task_id"], page["task_id"]]
    assert found("?started_from=page&kind=import") == [page["task_id"]]
    assert found("?kind=undo") == [undo["task_id"]]
    assert found("?filename=50%25") == [undo["task_id"], page["task_id"]]
    assert found("?filename=spring&status=completed&started_from=api") == []
    assert (page["started_by"], script["started_by"]) == ("127.0.0.1", "nightly")
    assert page["duration_seconds"] > 0
    # Both are rounded.
    assert abs(3 / page["rows_per_second"] - page["duration_seconds"]) < 0.01
    log = show(client, page["task_id"])["log"]
    assert [entry["event"] for entry in log] == ["uploaded", "started", "read", "completed", "undone"]
    assert [entry["at"] for entry in log] == sorted(entry["at"] for entry in log)
    assert [(sample["phase"], sample["rows"]) for sample in page["samples"]] == [("reading", 3), ("writing", 3)]


def test_left_over_previews_end_and_their_files_go(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, NEW, preview="true")
    url = runner.database_url
    with connected(url, Component.IMPORTER) as connection:
        actions.expire(connection, runner.retention)
        assert show(client, job["task_id"])["status"] == "awaiting_confirmation"
        execute(url, "UPDATE import_jobs SET confirm_until = clock_timestamp() - interval '1 s'")
        actions.expire(connection, runner.retention)
        ended = show(client, job["task_id"])
        assert (ended["status"], ended["confirm_until"]) == ("cancelled", None)
        assert "24 hours" in ended["error_message"]
        reaper.drop_staging_of_ended(connection)
        assert execute(url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'import\\_staging%%'") == [(0,)]
        reaper.remove_leftovers(connection, runner.upload_dir, time.time())
        assert len(list(runner.upload_dir.iterdir())) == 1
        execute(url, "UPDATE import_jobs SET retry_until = clock_timestamp() - interval '1 s'")
        reaper.remove_leftovers(connection, runner.upload_dir, time.time())
    assert list(runner.upload_dir.iterdir()) == []
    assert act(client, job, "retry", 409)["code"] == "file_gone"


def test_what_an_undo_needs_is_kept_for_its_time_only(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload(client, runner, OLD)
    assert job["undo_until"] is not None
    execute(runner.database_url, "UPDATE import_jobs SET undo_until = clock_timestamp() - interval '1 s'")
    refusal = act(client, job, "undo", 409)
    assert (refusal["code"], "too long ago" in refusal["error"]) == ("not_undoable", True)
    with connected(runner.database_url, Component.IMPORTER) as connection:
        reaper.remove_leftovers(connection, runner.upload_dir, time.time())
    assert execute(runner.database_url, "SELECT count(*) FROM import_changes") == [(0,)]
    without = replace(runner, retention=Retention(preview_hours=24, retry_hours=24, undo_days=0))
    job = upload(client, without, "sku\nB-1\n")
    assert job["undo_until"] is None
    assert act(client, job, "undo", 409)["code"] == "not_undoable"
    assert execute(runner.database_url, "SELECT count(*) FROM import_changes") == [(0,)]


def test_rejects_go_with_their_job_and_no_others_do(client: FlaskClient, runner: ImportRunner) -> None:
    kept, gone = upload(client, runner, NEW), upload(client, runner, NEW)
    execute(runner.database_url, "DELETE FROM import_jobs WHERE id = %s", (gone["id"],))
    assert execute(runner.database_url, "SELECT job_id FROM import_rejects") == [(kept["id"],)]
