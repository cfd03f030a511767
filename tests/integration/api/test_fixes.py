"""Fixes of an import through the API: they are stored, and the file is read and checked again with them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from importer.jobs import fixes as stored_fixes
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.database import execute
from support.imports import get_import, list_rejects, request_action, run_job, upload, upload_and_run
from support.jobs import folder_of, read_products

FILE = 'SKU;Name;Active\nA;Lamp;maybe\nB;Sofa;no\n;Chair;yes\nC;"De""sk";maybe\nD;"Bed" x;no\n'
VALUE = {"column": "Active", "value": "maybe", "replacement": "no"}
ROW = {"line": 4, "row": ["E", "Chair", "yes"]}


def _post(client: FlaskClient, task_id: str, *fixes: Any) -> Any:
    return client.post(f"/api/imports/{task_id}/fixes", json={"fixes": list(fixes)})


def _list(client: FlaskClient, task_id: str) -> Any:
    return read_json(client.get(f"/api/imports/{task_id}/fixes"))["fixes"]


def _check(client: FlaskClient, runner: ImportRunner, content: str = FILE, **options: str) -> str:
    job = upload_and_run(client, runner, content, preview="true", **options)
    assert job["status"] == "awaiting_confirmation"
    return str(job["task_id"])


def test_a_check_is_repeated_with_the_fixes_and_confirmed(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    task_id = _check(client, runner)
    assert get_import(client, task_id)["fixes_count"] == 0
    job = read_json(_post(client, task_id, VALUE, ROW), 202)
    assert (job["status"], job["run"], job["rejected_count"]) == ("pending", 2, 0)
    job = run_job(client, runner, task_id)
    assert (job["status"], job["fixes_count"], job["rejected_count"], job["total_records"]) == (
        "awaiting_confirmation", 2, 1, 5
    )  # fmt: skip
    assert [entry["message"] for entry in job["log"] if entry["event"] == "fixed"] == [
        "1 value and 1 row fixed; the file is read again."
    ]
    value, row = _list(client, task_id)
    nothing = dict.fromkeys(("column", "value", "replacement", "line", "row"))
    assert value == {**nothing, **VALUE, "kind": "value", "id": value["id"], "created_at": value["created_at"]}
    assert row == {**nothing, **ROW, "kind": "row", "id": row["id"], "created_at": row["created_at"]}
    request_action(client, task_id, "confirm")
    assert run_job(client, runner, task_id)["status"] == "completed"
    assert read_products(database_url) == [
        ("A", "Lamp", "", False), ("B", "Sofa", "", False), ("C", 'De"sk', "", False), ("E", "Chair", "", True)
    ]  # fmt: skip


def test_fixed_rows_keep_their_place_so_the_last_row_of_a_sku_wins(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    task_id = _check(client, runner, 'sku,name\n"A" x,first\nA,second\nB" x,b\n"B" x,third\nC,c\n"C" y,last\n')
    rejects = [(reject["line"], reject["code"]) for reject in list_rejects(client, task_id)]
    assert rejects == [(2, "bad_quoting"), (5, "bad_quoting"), (7, "bad_quoting")]
    fixes = [{"line": line, "row": [sku, f"fixed {line}"]} for line, sku in ((2, "a"), (7, "c"))]
    read_json(_post(client, task_id, *fixes), 202)
    run_job(client, runner, task_id)
    duplicates = read_json(client.get(f"/api/imports/{task_id}/duplicates"))["duplicates"]
    assert [(row["line"], row["kept_line"]) for row in duplicates] == [(2, 3), (6, 7)]
    request_action(client, task_id, "confirm")
    run_job(client, runner, task_id)
    assert [row[:2] for row in read_products(database_url)] == [("A", "second"), ('B" x', "b"), ("c", "fixed 7")]


def test_a_row_that_is_still_bad_is_rejected_again_and_can_be_fixed_again(
    client: FlaskClient, runner: ImportRunner
) -> None:
    task_id = _check(client, runner)
    rejects = list_rejects(client, task_id)
    assert [(reject["line"], reject["cells"]) for reject in rejects] == [
        (2, ["A", "Lamp", "maybe"]), (4, ["", "Chair", "yes"]), (5, ["C", 'De"sk', "maybe"]), (6, None)
    ]  # fmt: skip
    read_json(_post(client, task_id, {"line": 6, "row": ["", "Bed;1", "no"]}, VALUE), 202)
    run_job(client, runner, task_id)
    rejects = list_rejects(client, task_id)
    assert [(reject["line"], reject["code"], reject["cells"]) for reject in rejects] == [
        (4, "missing_sku", ["", "Chair", "yes"]), (6, "missing_sku", ["", "Bed;1", "no"])
    ]  # fmt: skip
    assert ';"Bed;1";no;6;missing_sku' in client.get(f"/api/imports/{task_id}/rejects.csv").text
    # A later fix replaces an earlier one for the same line or value.
    again = [{"line": 6, "row": ["D", "Bed", "no"]}, {**VALUE, "value": " maybe ", "replacement": "yes"}, ROW]
    read_json(_post(client, task_id, *again), 202)
    assert len(_list(client, task_id)) == 3
    assert run_job(client, runner, task_id)["rejected_count"] == 0
    # The row is valid now; its fix can still be replaced.
    read_json(_post(client, task_id, {"line": 6, "row": ["", "", "x"]}), 202)
    assert run_job(client, runner, task_id)["rejected_count"] == 1


def test_a_deleted_fix_is_no_longer_made(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = _check(client, runner)
    read_json(_post(client, task_id, VALUE, ROW), 202)
    run_job(client, runner, task_id)
    value, row = (fix["id"] for fix in _list(client, task_id))
    path = f"/api/imports/{task_id}/fixes"
    assert read_json(client.delete(f"{path}/{value}"), 202)["status"] == "pending"
    read_error(client.delete(f"{path}/{row}"), 409, "not_fixable")
    job = run_job(client, runner, task_id)
    assert (job["rejected_count"], job["fixes_count"]) == (3, 1)
    assert "The fix of “maybe” in Active was deleted; the file is read again." in [
        entry["message"] for entry in job["log"]
    ]
    for unknown in (value, 0, "x", 10**15, 10**30):
        read_error(client.delete(f"{path}/{unknown}"), 404, "fix_not_found")
    assert get_import(client, task_id)["status"] == "awaiting_confirmation"
    read_error(client.get("/api/imports/no-id/fixes"), 404, "import_not_found")
    read_error(_post(client, "no-id", VALUE), 404, "import_not_found")
    read_error(client.delete("/api/imports/no-id/fixes/1"), 404, "import_not_found")


UNFIT_FIXES: list[tuple[Any, list[str]]] = [
    ({**VALUE, "column": "Status"}, ["column"]),
    ({**VALUE, "replacement": "a\0"}, ["replacement"]),
    ({**VALUE, "replacement": "x" * 10_001}, ["replacement"]),
    ({**VALUE, "value": None}, ["value"]),
    ({**VALUE, "value": 1}, ["value"]),
    ({"column": "Active", "value": "maybe"}, ["replacement"]),
    ({**VALUE, **ROW}, ["column", "replacement", "value"]),
    ({}, ["column", "replacement", "value"]),
    ({**ROW, "line": 3}, ["line"]),
    ({**ROW, "line": 1}, ["line"]),
    ({**ROW, "line": 10**14}, ["line"]),
    ({**ROW, "line": 10**40}, ["line"]),
    ({**ROW, "line": 0}, ["line"]),
    ({**ROW, "line": "4"}, ["line"]),
    ({**ROW, "line": True}, ["line"]),
    ({**ROW, "row": ["a", "b"]}, ["row"]),
    ({**ROW, "row": []}, ["row"]),
    ({**ROW, "row": "abc"}, ["row"]),
    ({**ROW, "row": ["a", 1, None]}, ["row"]),
    ({**ROW, "row": ["a", "b\0", "c"]}, ["row"]),
    ({**ROW, "row": ["a", "\ud800", "c"]}, ["row"]),
    ({**ROW, "note": "x"}, ["note"]),
]


def test_fixes_that_do_not_fit_are_refused_with_their_fields(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = _check(client, runner)
    for fix, fields in UNFIT_FIXES:
        response = _post(client, task_id, VALUE, fix)
        assert sorted(read_json(response, 400)["fields"]) == [f"fixes.1.{field}" for field in fields], fix
        assert read_json(response, 400)["code"] == "invalid_fixes", fix
    assert _list(client, task_id) == []
    assert get_import(client, task_id)["status"] == "awaiting_confirmation"


@pytest.mark.parametrize("body", [{}, {"fixes": []}, {"fixes": None}, {"fixes": "x"}, {"fixes": [VALUE] * 1001}])
def test_a_body_without_a_list_of_fixes_is_refused(client: FlaskClient, runner: ImportRunner, body: Any) -> None:
    task_id = _check(client, runner)
    read_error(client.post(f"/api/imports/{task_id}/fixes", json=body), 400, "invalid_fixes", "fixes")
    read_error(client.post(f"/api/imports/{task_id}/fixes", json={"fixes": [1]}), 400, "invalid_fixes", "fixes.0")


def test_the_number_and_the_size_of_fixes_are_limited(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = _check(client, runner)
    monkeypatch.setattr(stored_fixes, "MAX_FIXES", 2)
    read_json(_post(client, task_id, VALUE, ROW), 202)
    run_job(client, runner, task_id)
    message = read_error(_post(client, task_id, {**VALUE, "value": "x"}), 400, "invalid_fixes", "fixes")
    assert message.startswith("An import can have at most 2 fixes")
    # Replacing a fix needs no room.
    read_json(_post(client, task_id, VALUE), 202)
    run_job(client, runner, task_id)
    monkeypatch.setattr(stored_fixes, "MAX_FIXES_CHARACTERS", 40)
    read_error(_post(client, task_id, {**VALUE, "replacement": "x" * 40}), 400, "invalid_fixes", "fixes")
    assert len(_list(client, task_id)) == 2


def test_a_file_without_quotes_takes_no_cell_that_would_need_them(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = _check(client, runner, "sku\tname\nA\tx\n\ty\n", quote="none")
    read_error(_post(client, task_id, {"line": 3, "row": ["B", "y\tz"]}), 400, "invalid_fixes", "fixes.0.row")
    read_json(_post(client, task_id, {"line": 3, "row": ["B", 'y"z']}), 202)
    assert run_job(client, runner, task_id)["rejected_count"] == 0


def test_fixes_are_made_again_after_a_retry_with_other_options_and_unused_ones_are_reported(
    client: FlaskClient, runner: ImportRunner
) -> None:
    task_id = _check(client, runner, "Old;Names;X\nSKU;Name;Active\nA;Lamp;maybe\nB;Sofa;no\n")
    read_json(_post(client, task_id, VALUE), 202)
    assert run_job(client, runner, task_id)["rejected_count"] == 0
    request_action(client, task_id, "retry", mode="create")
    assert run_job(client, runner, task_id)["rejected_count"] == 0
    request_action(client, task_id, "retry", header_line=1, mapping={"Old": "sku", "X": None, "Names": "name"})
    job = run_job(client, runner, task_id)
    notice = next(notice for notice in job["notices"] if notice["code"] == "unused_fixes")
    assert (notice["count"], notice["samples"]) == (1, [{"text": "Active: maybe → no"}])
    assert job["fixes_count"] == 1


def test_only_imports_that_can_be_read_again_take_fixes(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings, database_url: str
) -> None:
    task_id = upload(client, FILE)
    assert "is waiting for a worker" in read_error(_post(client, task_id, VALUE), 409, "not_fixable")
    run_job(client, runner, task_id)
    assert "has completed" in read_error(_post(client, task_id, VALUE), 409, "not_fixable")
    undo_id = request_action(client, task_id, "undo")["task_id"]
    run_job(client, runner, undo_id)
    read_error(_post(client, undo_id, VALUE), 409, "not_fixable")
    # A file without an SKU column has failed before its rows were read.
    no_header = upload_and_run(client, runner, "")["task_id"]
    read_error(_post(client, no_header, VALUE), 409, "not_fixable")
    # The file of a check is gone.
    task_id = _check(client, runner)
    (settings.upload_dir / f"{task_id}.upload").unlink()
    read_error(_post(client, task_id, VALUE), 409, "file_gone")
    cancelled = _check(client, runner)
    request_action(client, cancelled, "cancel")
    execute(database_url, "UPDATE import_jobs SET retry_until = now() WHERE task_id = %s", (cancelled,))
    read_error(_post(client, cancelled, VALUE), 409, "file_gone")


def test_an_import_that_failed_or_was_cancelled_before_it_wrote_takes_fixes(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    task_id = upload_and_run(client, runner, "sku,active\nA,maybe\nB,yes\n", on_reject="fail")["task_id"]
    fix = {**VALUE, "column": "active"}
    read_json(_post(client, task_id, fix), 202)
    request_action(client, task_id, "cancel")
    # Nobody knows the file any more, but the fix is kept and can be deleted.
    assert "Retry the import" in read_error(_post(client, task_id, fix), 409, "not_fixable")
    (kept,) = _list(client, task_id)
    read_json(client.delete(f"/api/imports/{task_id}/fixes/{kept['id']}"), 202)
    assert run_job(client, runner, task_id)["status"] == "failed"
    read_json(_post(client, task_id, fix), 202)
    job = run_job(client, runner, task_id)
    assert (job["status"], job["created_count"], job["fixes_count"]) == ("completed", 2, 1)
    assert read_products(database_url) == [("A", "", "", False), ("B", "", "", True)]
    assert read_json(client.delete(f"/api/imports/{task_id}"))
    assert execute(database_url, "SELECT count(*) FROM import_fixes") == [(0,)]


def test_an_import_that_has_written_products_takes_no_fixes(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    task_id = upload_and_run(client, runner, FILE)["task_id"]
    execute(
        database_url,
        "UPDATE import_jobs SET status = 'cancelled', progress = 60, retry_until = now() + interval '1 hour'",
    )
    (folder_of(runner) / f"{task_id}.upload").write_text(FILE, encoding="utf-8")
    assert "has written products" in read_error(_post(client, task_id, VALUE), 409, "not_fixable")
    assert _list(client, task_id) == []


def test_one_of_several_clients_wins(app: Flask, client: FlaskClient, runner: ImportRunner) -> None:
    task_id = _check(client, runner)

    def act(number: int) -> int:
        own = app.test_client()
        if number % 3 == 0:
            return int(own.post(f"/api/imports/{task_id}/confirm").status_code)
        return int(_post(own, task_id, {**VALUE, "replacement": str(number % 2)}).status_code)

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(act, range(6)))
    assert sorted(statuses) == [202, 409, 409, 409, 409, 409]
    job = run_job(client, runner, task_id)
    is_confirmed = 202 in statuses[::3]
    assert job["status"] == ("completed" if is_confirmed else "awaiting_confirmation")
    assert job["fixes_count"] == len(_list(client, task_id)) == (0 if is_confirmed else 1)
    assert job["rejected_count"] == (4 if is_confirmed else 2)
