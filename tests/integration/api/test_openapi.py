"""The OpenAPI document: that it is valid and complete, and that the running application is what it says."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.jobs import run_import
from support.paths import ROOT, SAMPLE
from support.processes import Processes
from support.receiver import Receiver
from support.waiting import wait_for

METHODS = {"get", "post", "put", "patch", "delete"}
# It computes all the time, and other tests may run beside it.
SECONDS = 540


def document_of(client: FlaskClient) -> Any:
    response = client.get("/api/openapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    return response.json


def operations_of(document: Any) -> dict[tuple[str, str], Any]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_the_document_is_valid_openapi_3_1(client: FlaskClient) -> None:
    document = document_of(client)
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)


def test_the_document_has_every_call_and_no_other(app: Flask, client: FlaskClient) -> None:
    calls = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in rule.methods or ()
        if method.lower() in METHODS
    }
    assert set(operations_of(document_of(client))) == calls


def test_bodies_without_which_a_call_makes_sense_are_optional(client: FlaskClient) -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"].get("required", False)
        for operation in operations_of(document_of(client)).values()
        if "requestBody" in operation
    }
    assert {name for name, required in bodies.items() if not required} == {"retryImport", "testWebhook", "undoImport"}


def test_empty_fields_of_an_upload_count_as_not_given_and_are_described(client: FlaskClient) -> None:
    document = document_of(client)
    content = operations_of(document)["post", "/api/upload"]["requestBody"]["content"]["multipart/form-data"]
    fields = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]["properties"]
    words = {name: field["enum"] for name, field in fields.items() if "enum" in field}
    assert set(words) == {"preview", "mode", "on_reject", "delimiter", "quote", "started_from"}
    assert all(enum.count("") == 1 for enum in words.values())
    empty = dict.fromkeys(set(fields) - {"file"}, "")
    answer = client.post("/api/upload", data={"file": (io.BytesIO(b"sku\nA\n"), "a.csv"), **empty})
    assert answer.status_code == 202


def test_every_call_is_described(client: FlaskClient) -> None:
    document = document_of(client)
    operations = operations_of(document)
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)
    tags = {tag["name"] for tag in document["tags"]}
    for call, operation in operations.items():
        assert operation["summary"], call
        assert set(operation["tags"]) <= tags, call
        assert {"500", "503"} <= set(operation["responses"]), call
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (call, parameter)
        for status, response in operation["responses"].items():
            assert response["description"], (call, status)
            if status >= "400" and "healthy" not in str(response):
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, (call, status)
    for name, schema in document["components"]["schemas"].items():
        for field, described in schema["properties"].items():
            assert "$ref" in described or described.get("type") == "array" or described["description"], (name, field)


@pytest.mark.timeout(SECONDS + 60)
def test_the_application_is_what_its_document_says(
    processes: Processes, runner: ImportRunner, free_port: int, tmp_path: Path, receiver: Receiver
) -> None:
    run_import(runner, SAMPLE.read_bytes()[:60_000].rpartition(b"\n")[0])
    run_import(runner, "sku,name\n" + ",no SKU\n" * 70)
    processes.start_web(free_port)
    # While an import is unfinished, products cannot be deleted.
    processes.start_worker()
    url = f"http://127.0.0.1:{free_port}"
    wait_for("the web process", lambda: answers(f"{url}/api/health"))
    options = ["--config-file", str(ROOT / "schemathesis.toml")]
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *options, "run", f"{url}/api/openapi.json", "--no-color"],
        # What it keeps of a run goes with the test.
        cwd=tmp_path,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(ROOT / "tests" / "support" / "schemathesis_hooks.py"),
            "RECEIVER": receiver.url("/ok/"),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:] + processes.log.read_text()[-5_000:]


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
