"""The OpenAPI document: it is valid and complete, and the running application conforms to it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

import config
from importer.pipeline.runner import ImportRunner
from server.request_classes import RequestClasses
from server.request_head import Head
from support.jobs import run_import
from support.paths import ROOT, SAMPLE
from support.processes import Processes, is_healthy, run_program
from support.receiver import Receiver
from support.sign_in import create_key, create_session, create_user
from support.waiting import wait_for

METHODS = {"get", "post", "put", "patch", "delete"}
SCHEMATHESIS = [sys.executable, "-m", "schemathesis.cli"]
SCHEMATHESIS_HOOKS = ROOT / "tests" / "support" / "schemathesis_hooks.py"
# schemathesis needs a whole processor for minutes, and other tests may run at the same time.
SCHEMATHESIS_SECONDS = 540


@pytest.fixture
def document(client: FlaskClient) -> Any:
    """The OpenAPI document as the API returns it."""
    response = client.get("/api/openapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    return response.json


def list_operations(document: Any) -> dict[tuple[str, str], Any]:
    """Return the operations of a document, keyed by method and path."""
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_the_document_is_valid_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    openapi_spec_validator.validate(document)


def test_the_document_has_the_version_of_the_product(document: Any) -> None:
    assert document["info"]["version"] == config.VERSION


def test_the_document_has_exactly_the_calls_of_the_application(app: Flask, document: Any) -> None:
    calls = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in rule.methods or ()
        if method.lower() in METHODS
    }
    assert set(list_operations(document)) == calls


def test_responses_of_any_length_have_threads_that_may_wait_for_slow_clients(document: Any) -> None:
    classes = RequestClasses(max_uploads=1, max_streams=1)
    endless = {
        (method, path)
        for (method, path), operation in list_operations(document).items()
        if {"text/csv", "text/event-stream"} & set(operation["responses"].get("200", {}).get("content", {}))
    }
    assert len(endless) == 10
    for method, path in endless:
        head = Head(0, method.upper(), path.format(task_id="1"), 0, False, False)
        assert classes.of(head).streams, (method, path)


def test_the_document_is_not_sent_again_to_a_client_that_has_it(client: FlaskClient) -> None:
    etag = client.get("/api/openapi.json").headers["ETag"]
    assert client.get("/api/openapi.json", headers={"If-None-Match": etag}).status_code == 304


def test_the_documentation_page_is_html(client: FlaskClient) -> None:
    with client.get("/api/docs") as response:
        assert (response.status_code, response.mimetype) == (200, "text/html")


def test_bodies_that_calls_do_not_need_are_optional(document: Any) -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"].get("required", False)
        for operation in list_operations(document).values()
        if "requestBody" in operation
    }
    optional = {name for name, required in bodies.items() if not required}
    assert optional == {"appendToUpload", "retryImport", "rotateSecret", "testWebhook", "undoImport"}


def test_an_upload_accepts_empty_form_fields_and_the_document_says_so(client: FlaskClient, document: Any) -> None:
    content = list_operations(document)["post", "/api/upload"]["requestBody"]["content"]["multipart/form-data"]
    fields = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]["properties"]
    values = {name: field["enum"] for name, field in fields.items() if "enum" in field}
    assert set(values) == {
        "preview",
        "mode",
        "on_reject",
        "delimiter",
        "quote",
        "short_rows",
        "missing",
        "started_from",
    }
    assert all(enum.count("") == 1 for enum in values.values())
    empty_fields = dict.fromkeys(set(fields) - {"file"}, "")
    response = client.post("/api/upload", data={"file": (io.BytesIO(b"sku\nA\n"), "a.csv"), **empty_fields})
    assert response.status_code == 202


def test_every_call_parameter_response_and_field_is_described(document: Any) -> None:
    operations = list_operations(document)
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


def answers(address: str) -> bool:
    """Return whether a web process answers at an address, whatever it says."""
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{address}/api/docs", timeout=10).ok
    return False


def run_schemathesis(web: Processes, port: int, folder: Path, arguments: Sequence[str], **variables: str) -> None:
    """Send requests of every kind to the web process on this port, and fail unless it conforms to the document.

    `arguments` are options for schemathesis, and `run`; the options of `run` may follow.
    """
    document = folder / "openapi.json"
    document.write_text(run_program(sys.executable, "-m", "tests.support.print_openapi"), encoding="utf-8")
    run = subprocess.run(
        [*SCHEMATHESIS, *arguments, str(document), "--url", f"http://127.0.0.1:{port}", "--no-color"],
        # schemathesis writes files to its working directory; this one is removed after the test.
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(SCHEMATHESIS_HOOKS), **variables},
        capture_output=True,
        text=True,
        timeout=SCHEMATHESIS_SECONDS,
        check=False,
    )
    print(run.stdout)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-5_000:] + web.log.read_text()[-5_000:]


@pytest.mark.timeout(SCHEMATHESIS_SECONDS + 60)
def test_the_application_conforms_to_its_document(
    processes: Processes, runner: ImportRunner, database_url: str, free_port: int, tmp_path: Path, receiver: Receiver
) -> None:
    run_import(runner, SAMPLE.read_bytes()[:60_000].rpartition(b"\n")[0])
    run_import(runner, "sku,name\n" + ",no SKU\n" * 70)
    processes.start_web(free_port, AUTH="required")
    # Products cannot be deleted while an import is unfinished, so a worker finishes the uploads.
    processes.start_worker()
    wait_for("the product is healthy", lambda: is_healthy(f"http://127.0.0.1:{free_port}"))
    # Random requests may change or remove a person or a session, but hardly ever the one with the key.
    script_id, person_id = create_user(database_url), create_user(database_url)
    key, session = create_key(database_url, script_id), create_session(database_url, person_id)
    variables = {"ACCESS_KEY": key, "ACCESS_SESSION": session, "RECEIVER": receiver.url("/ok/")}
    # Random values find hardly anything that the limits of each parameter do not, and take a third of the time.
    options = ("--phases", "examples,coverage,stateful")
    arguments = ["--config-file", str(ROOT / "schemathesis.toml"), "run", *options]
    run_schemathesis(processes, free_port, tmp_path, arguments, **variables)


@pytest.mark.thorough
@pytest.mark.timeout(SCHEMATHESIS_SECONDS + 60)
def test_the_application_refuses_those_who_are_not_signed_in(
    processes: Processes, free_port: int, tmp_path: Path
) -> None:
    processes.start_web(free_port, AUTH="required")
    address = f"http://127.0.0.1:{free_port}"
    wait_for("the web process answers", lambda: answers(address))
    # Whatever a request says, the answer is the same, so a few of each call are enough.
    few = ("--phases", "fuzzing", "--max-examples", "2")
    options = (*few, "--checks", "refused", "--warnings", "off", "--seed", "2026")
    run_schemathesis(processes, free_port, tmp_path, ["run", *options], ACCESS_KEY="")
