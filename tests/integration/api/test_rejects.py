"""The rejected rows of an import: as pages, and as a file."""

from __future__ import annotations

import csv
import io
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.imports import rejects
from api.imports.list_counts import RememberedCounts
from importer.pipeline.runner import ImportRunner
from models import db
from support.api import read_error, read_json
from support.database import execute
from support.jobs import create_job, read_products, run_import
from support.waiting import wait_for


def test_rejected_rows_are_listed_in_the_order_of_the_file(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku,name\n" + "".join(f",{number}\n" for number in range(70)) + 'a,"b"c\n')
    path = f"/api/imports/{job['task_id']}/rejects"
    first_page = read_json(client.get(path))
    assert first_page["pagination"] == {"page": 1, "per_page": 50, "total": 71, "pages": 2}
    assert first_page["rejects"][0] == {
        "line": 2,
        "code": "missing_sku",
        "message": "The row has no SKU.",
        "row": ",0",
        "column": "sku",
        "value": None,
        "details": {"problem": "sku"},
        "cells": ["", "0"],
    }
    second_page = read_json(client.get(path, query_string={"page": 2}))
    rows = first_page["rejects"] + second_page["rejects"]
    assert [row["line"] for row in rows] == list(range(2, 73))
    assert (rows[-1]["code"], rows[-1]["row"]) == ("bad_quoting", 'a,"b"c')
    assert rows[-1]["details"] == {"problem": "text_after_quote", "quote": '"', "delimiter": "comma"}
    read_error(client.get(path, query_string={"per_page": "0"}), 400, "invalid_parameter", "per_page")


def test_the_file_of_rejected_rows_can_be_corrected_and_imported(client: FlaskClient, runner: ImportRunner) -> None:
    content = "Artikelnummer;Bezeichnung;Preis\nA-1;Größe;1,50\n;Lampe;2,00\nA-2;Stuhl\n"
    job = run_import(runner, content.encode("cp1252"))
    response = client.get(f"/api/imports/{job['task_id']}/rejects.csv")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == "attachment; filename=products-rejects.csv"
    file = response.data.decode()
    assert list(csv.reader(io.StringIO(file, newline=""), delimiter=";")) == [
        ["Artikelnummer", "Bezeichnung", "Preis", "line", "code", "message"],
        ["", "Lampe", "2,00", "3", "missing_sku", "The row has no SKU. `Artikelnummer` is empty."],
        ["A-2", "Stuhl", "4", "wrong_field_count", "The row has 2 fields where the header has 3 fields."],
    ]
    assert run_import(runner, file)["rejected_count"] == 2
    corrected = file.replace("\r\n;Lampe", "\r\nA-3;Lampe").replace(";Stuhl", ";Stuhl;3,00")
    assert run_import(runner, corrected)["rejected_count"] == 0
    products = [row[:2] for row in read_products(runner.database_url)]
    assert products == [("A-1", "Größe"), ("A-2", "Stuhl"), ("A-3", "Lampe")]


def test_the_file_starts_with_a_byte_order_mark_on_request(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku,name\n,ü\n")
    url = f"/api/imports/{job['task_id']}/rejects.csv"
    assert client.get(f"{url}?bom=true").data == b"\xef\xbb\xbf" + client.get(f"{url}?bom=false").data
    read_error(client.get(f"{url}?bom=2"), 400, "invalid_parameter", "bom")


def test_the_name_of_the_file_is_that_of_the_imported_file(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = create_job(runner, b"sku\nx\n", "Größe \r\n2.CSV.gz")
    response = client.get(f"/api/imports/{task_id}/rejects.csv")
    assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%202-rejects.csv" in response.headers["Content-Disposition"]
    assert response.data == b"row,line,code,message\r\n"


def test_an_unknown_import_has_no_file(client: FlaskClient) -> None:
    read_error(client.get("/api/imports/nothing/rejects.csv"), 404, "import_not_found")


def test_the_file_of_an_undo_lists_the_skus_that_it_left_alone(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku\nx\n")
    execute(runner.database_url, "UPDATE import_jobs SET kind = 'undo', file = NULL WHERE id = %s", (job["id"],))
    execute(
        runner.database_url,
        "INSERT INTO import_rejects (job_id, line, code, message, row) VALUES (%s, 1, 'edited_since', 'It was.', %s)",
        (job["id"], 'a,"b'),
    )
    response = client.get(f"/api/imports/{job['task_id']}/rejects.csv")
    assert response.data == b'product,line,code,message\r\n"a,""b",1,edited_since,It was.\r\n'


def test_each_row_is_read_once_even_before_postgresql_has_statistics(
    app: Flask, client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "BATCH_ROWS", 100)
    url = runner.database_url
    execute(url, "ALTER TABLE import_rejects SET (autovacuum_enabled = off)")
    job = run_import(runner, "sku,name\n" + ",x\n" * 5000)
    assert client.get(f"/api/imports/{job['task_id']}/rejects.csv").data.count(b"\r\n") == 5001
    with app.app_context():
        # A connection reports how many rows it has read when it is closed.
        db.engine.dispose()
    count_reads = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'import_rejects'"
    (rows_read,) = wait_for("the count", lambda: [row for row in execute(url, count_reads) if row[0] >= 5000])[0]
    assert rows_read < 15_000


def test_a_long_file_is_streamed(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku,name\n,x\n")
    execute(
        runner.database_url,
        "INSERT INTO import_rejects SELECT %s, n, 'missing_sku', 'The row has no SKU.', ',' || repeat('x', 200)"
        " FROM generate_series(3, 100000) n",
        (job["id"],),
    )
    url = f"/api/imports/{job['task_id']}/rejects.csv"
    client.get(url).close()
    tracemalloc.start()
    response = client.get(url, buffered=False)
    lines = sum(block.count(b"\r\n") for block in response.iter_encoded())
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines == 100_000
    assert peak_bytes < 10_000_000


def test_only_the_first_rejected_rows_are_kept_and_all_are_counted(client: FlaskClient, runner: ImportRunner) -> None:
    runner = replace(runner, max_rejects=30, chunk_rows=7)
    job = run_import(runner, "sku,name\na,1\n" + "".join(f",{number}\n" for number in range(70)))
    assert (job["created_count"], job["rejected_count"], job["total_records"]) == (1, 70, 71)
    message = "Only the first 30 of 70 rejected rows are stored. The others were only counted."
    path = f"/api/imports/{job['task_id']}/rejects"
    page = read_json(client.get(path))
    assert (page["pagination"]["total"], page["message"]) == (30, message)
    assert (page["message_code"], page["message_details"]) == ("rejects_cut", {"stored": 30, "counted": 70})
    assert [row["line"] for row in page["rejects"]] == list(range(3, 33))
    log = read_json(client.get(f"/api/imports/{job['task_id']}"))["log"]
    (read,) = (entry for entry in log if entry["event"] == "read")
    assert read["message"] == "71 rows were read, 70 of them rejected. Only the first 30 rejected rows are kept."
    assert read["code"] == "read"
    assert read["details"] == {"rows": 71, "accepted": 1, "rejected": 70, "stored": 30, "not_stored": 40}

    file = client.get(f"{path}.csv").data.decode()
    rows = list(csv.reader(io.StringIO(file, newline="")))
    assert len(rows) == 32
    assert rows[-1] == ["", "", "", "more_rejects", message]
    # Uploaded as it is, the file has the same rows, and none is imported.
    again = run_import(runner, file)
    assert (again["created_count"], again["status"]) == (0, "completed")


def test_an_undisturbed_list_of_rejected_rows_has_no_message(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku,name\na,1\n,2\n")
    page = read_json(client.get(f"/api/imports/{job['task_id']}/rejects"))
    assert [page[name] for name in ("message", "message_code", "message_details")] == [None] * 3
    assert client.get(f"/api/imports/{job['task_id']}/rejects.csv").data.count(b"\r\n") == 2


def test_rejected_rows_that_are_no_longer_stored_are_explained(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku,name\na,1\n,2\n")
    execute(runner.database_url, "DELETE FROM import_rejects")
    message = "The rejected rows are no longer stored, because the import ended long ago."
    path = f"/api/imports/{job['task_id']}/rejects"
    page = read_json(client.get(path))
    assert (page["rejects"], page["message"]) == ([], message)
    assert client.get(f"{path}.csv").data.decode().endswith(f',,,more_rejects,"{message}"\r\n')


def test_rejected_rows_of_a_file_that_was_not_read_to_its_end_are_explained(
    client: FlaskClient, runner: ImportRunner
) -> None:
    task_id = create_job(runner, b"sku\n")
    execute(runner.database_url, "UPDATE import_jobs SET rejected_count = 5, status = 'failed'")
    page = read_json(client.get(f"/api/imports/{task_id}/rejects"))
    assert page["message"] == "The rejected rows are stored once the whole file has been read."


def test_pages_count_the_rows_again_only_if_they_have_changed(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Any] = []
    remember = RememberedCounts.put

    def put(counts: RememberedCounts, key: Any, count: int) -> None:
        counted.append(count)
        remember(counts, key, count)

    monkeypatch.setattr(RememberedCounts, "put", put)
    task_id = run_import(runner, "sku,name\n,a\n,b\n,ab\n,c\nA,d\n")["task_id"]

    def totals(**query: Any) -> list[int]:
        pages = [
            read_json(
                client.get(f"/api/imports/{task_id}/rejects", query_string={"page": page, "per_page": 2, **query})
            )
            for page in (1, 2, 3)
        ]
        return [page["pagination"]["total"] for page in pages]

    assert totals() == [4, 4, 4]
    assert totals(q="b") == [2, 2, 2]
    assert totals(q="a", reason="missing_sku") == [2, 2, 2]
    assert counted == [4, 2, 2]
    # Rows are removed from the first line on, or up to the last one.
    execute(runner.database_url, "DELETE FROM import_rejects WHERE line = 2")
    assert totals() == [3, 3, 3]
    assert totals(q="b") == [2, 2, 2]
    execute(runner.database_url, "DELETE FROM import_rejects WHERE line >= %s", [4])
    assert totals() == [1, 1, 1]
