"""The sample file that the page offers: it shows every column and tricky values, and imports without any doubt."""

from __future__ import annotations

from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.imports import get_import, upload_and_run
from support.jobs import read_products
from support.paths import ROOT

SAMPLE = "sample-products.csv"


def test_the_sample_file_imports_without_rejects_and_notices(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    with client.get(f"/static/{SAMPLE}") as response:
        assert (response.status_code, response.mimetype) == (200, "text/csv")
        content = response.data
    assert content == (ROOT / "static" / SAMPLE).read_bytes()
    job = upload_and_run(client, runner, content, SAMPLE)
    counts = {name: job[f"{name}_count"] for name in ("created", "updated", "duplicate", "rejected")}
    assert (job["status"], counts) == ("completed", {"created": 10, "updated": 0, "duplicate": 0, "rejected": 0})
    details = get_import(client, job["task_id"])
    assert details["notices"] == []
    assert {column["field"] for column in details["file"]["columns"]} == {"sku", "name", "description", "active"}
    products = str(read_products(database_url))
    for value in ("00042", 'Wall lamp "Luna"', "Floor lamp, brass", "description\\nSecond line", "Größe", "日本-9"):
        assert value in products, value
