"""GET /api/imports/<task_id>/rejects.csv."""

from __future__ import annotations

import csv
import io
import tracemalloc
import uuid

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.imports import rejects
from importer.pipeline.runner import ImportRunner
from models import db
from support.database import execute
from support.jobs import create_job, read_products, run_import
from support.waiting import wait_for


def test_the_file_of_rejects_goes_in_once_it_is_corrected(client: FlaskClient, runner: ImportRunner) -> None:
    content = "Artikelnummer;Bezeichnung;Preis\nA-1;Größe;1,50\n;Lampe;2,00\nA-2;Stuhl\n"
    job = run_import(runner, content.encode("cp1252"))
    response = client.get(f"/api/imports/{job['task_id']}/rejects.csv")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == "attachment; filename=products-rejects.csv"
    rows = list(csv.reader(io.StringIO(response.data.decode(), newline=""), delimiter=";"))
    assert rows == [
        ["Artikelnummer", "Bezeichnung", "Preis", "line", "code", "message"],
        ["", "Lampe", "2,00", "3", "missing_sku", "The row has no SKU."],
        ["A-2", "Stuhl", "4", "wrong_field_count", "The row has 2 fields where the header has 3 fields."],
    ]
    assert run_import(runner, response.data)["rejected_count"] == 2
    corrected = response.data.decode().replace("\r\n;Lampe", "\r\nA-3;Lampe").replace(";Stuhl", ";Stuhl;3,00")
    assert run_import(runner, corrected)["rejected_count"] == 0
    assert [row[:2] for row in read_products(runner.database_url)] == [
        ("A-1", "Größe"),
        ("A-2", "Stuhl"),
        ("A-3", "Lampe"),
    ]


def test_a_byte_order_mark_is_put_in_front_when_asked_for(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku,name\n,ü\n")
    url = f"/api/imports/{job['task_id']}/rejects.csv"
    assert client.get(f"{url}?bom=true").data == b"\xef\xbb\xbf" + client.get(f"{url}?bom=false").data
    assert client.get(f"{url}?bom=2").status_code == 400


def test_the_name_of_the_file_is_that_of_the_import(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = create_job(runner, b"sku\nx\n", "Größe \r\n2.CSV.gz")
    answer = client.get(f"/api/imports/{task_id}/rejects.csv")
    assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%202-rejects.csv" in answer.headers["Content-Disposition"]
    assert answer.data == b"row,line,code,message\r\n"


def test_an_unknown_import_is_a_404_in_json(client: FlaskClient) -> None:
    for task_id in (uuid.uuid4(), "nothing"):
        answer = client.get(f"/api/imports/{task_id}/rejects.csv")
        assert (answer.status_code, answer.json and answer.json["code"]) == (404, "import_not_found")


def test_what_an_undo_left_alone_is_listed_by_its_sku(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku\nx\n")
    execute(runner.database_url, "UPDATE import_jobs SET kind = 'undo', file = NULL WHERE id = %s", (job["id"],))
    execute(
        runner.database_url,
        "INSERT INTO import_rejects (job_id, line, code, message, row) VALUES (%s, 1, 'edited_since', 'It was.', %s)",
        (job["id"], 'a,"b'),
    )
    answer = client.get(f"/api/imports/{job['task_id']}/rejects.csv")
    assert answer.data == b'product,line,code,message\r\n"a,""b",1,edited_since,It was.\r\n'


def test_each_row_is_read_once_also_when_postgresql_does_not_know_yet_how_many_there_are(
    app: Flask, client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "BATCH_ROWS", 100)
    url = runner.database_url
    # As after an import: the statistics come later.
    execute(url, "ALTER TABLE import_rejects SET (autovacuum_enabled = off)")
    job = run_import(runner, "sku,name\n" + ",x\n" * 5000)
    assert client.get(f"/api/imports/{job['task_id']}/rejects.csv").data.count(b"\r\n") == 5001
    with app.app_context():
        # What a connection has read is counted at its end.
        db.engine.dispose()
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'import_rejects'"
    (rows,) = wait_for("the count", lambda: [row for row in execute(url, read) if row[0] >= 5000])[0]
    assert rows < 15_000


def test_a_long_list_is_streamed(client: FlaskClient, runner: ImportRunner) -> None:
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
    answer = client.get(url, buffered=False)
    lines = sum(block.count(b"\r\n") for block in answer.iter_encoded())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines == 100_000
    assert peak < 10_000_000
