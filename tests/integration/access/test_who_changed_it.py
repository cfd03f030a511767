"""Who started an import, and who changed a product last."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.api import create_product, read_error, read_json
from support.database import execute
from support.imports import get_import, request_action, run_job, upload, upload_and_run
from support.sign_in import create_key, create_session, create_user

FILE = "sku,name\nA,1\n"
PERSON, KEY = "Test editor", "test"


@pytest.fixture
def editor(app: Flask, database_url: str) -> FlaskClient:
    """The client of an editor who is signed in."""
    client = app.test_client()
    client.set_cookie("acme_session", create_session(database_url, create_user(database_url, "editor")))
    return client


@pytest.fixture
def script(app: Flask, database_url: str) -> FlaskClient:
    """A client that sends an API key."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {create_key(database_url, create_user(database_url))}"
    return client


def last_change(client: FlaskClient, product_id: int = 1) -> Any:
    """Return the last change of a product, without its time, which must be `updated_at`."""
    change = read_json(client.get(f"/api/products/{product_id}/last-change"))
    assert change.pop("at") == read_json(client.get(f"/api/products/{product_id}"))["updated_at"]
    return change


@pytest.mark.parametrize(("name", "expected"), [("editor", PERSON), ("script", KEY)])
def test_jobs_have_the_name_of_who_is_signed_in(
    request: pytest.FixtureRequest, runner: ImportRunner, name: str, expected: str
) -> None:
    client = request.getfixturevalue(name)
    first = upload_and_run(client, runner, FILE, started_by="the boss")
    undo = request_action(client, first["task_id"], "undo", started_by="the boss")
    second = get_import(client, upload(client, FILE))
    assert [job["started_by"] for job in (first, undo, second)] == [expected] * 3


def test_jobs_of_local_have_the_given_name_or_the_address(client: FlaskClient, runner: ImportRunner) -> None:
    named = upload_and_run(client, runner, FILE, started_by="nightly")
    undo = request_action(client, named["task_id"], "undo", started_by="night shift")
    plain = get_import(client, upload(client, FILE))
    assert [job["started_by"] for job in (named, undo, plain)] == ["nightly", "night shift", "127.0.0.1"]


def test_edits(editor: FlaskClient, script: FlaskClient) -> None:
    create_product(editor, "A")
    assert last_change(editor) == {"by": {"type": "user", "name": PERSON}, "how": "page", "import": None}
    read_json(script.put("/api/products/1", json={"name": "new"}))
    assert last_change(editor) == {"by": {"type": "key", "name": KEY}, "how": "api", "import": None}
    read_json(editor.put("/api/products/1", json={"name": "new", "description": "x", "started_from": "api"}))
    assert last_change(editor) == {"by": {"type": "user", "name": PERSON}, "how": "api", "import": None}
    # No change.
    read_json(editor.put("/api/products/1", json={"name": "new"}))
    assert last_change(editor)["how"] == "api"
    read_error(editor.get("/api/products/2/last-change"), 404, "product_not_found")


def test_an_edit_says_whether_the_page_or_a_script_made_it(client: FlaskClient) -> None:
    local = {"by": {"type": "local", "name": "local"}, "import": None}
    create_product(client, "A")
    assert last_change(client) == {**local, "how": "api"}
    read_json(client.put("/api/products/1", json={"name": "new", "started_from": "page"}))
    assert last_change(client) == {**local, "how": "page"}


def test_imports_and_undos(editor: FlaskClient, script: FlaskClient, runner: ImportRunner) -> None:
    create_product(editor, "A", name="old")
    create_product(editor, "B", name="old")
    task_id = upload_and_run(script, runner, FILE)["task_id"]
    assert last_change(editor) == {"by": {"type": "key", "name": KEY}, "how": "import", "import": task_id}
    assert last_change(editor, 2)["how"] == "page"
    undo = request_action(editor, task_id, "undo")["task_id"]
    run_job(editor, runner, undo)
    assert last_change(editor) == {"by": {"type": "user", "name": PERSON}, "how": "undo", "import": undo}
    read_json(editor.put("/api/products/1", json={"name": "newer"}))
    assert last_change(editor)["how"] == "page"


def test_an_import_of_local_has_the_name_in_its_history(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, FILE, started_by="nightly")["task_id"]
    assert last_change(client) == {"by": {"type": "local", "name": "nightly"}, "how": "import", "import": task_id}


def test_bulk_changes(editor: FlaskClient, script: FlaskClient) -> None:
    create_product(script, "A")
    create_product(script, "B")
    body: dict[str, Any] = {"action": "deactivate", "ids": [1]}
    task_id = read_json(editor.post("/api/products/bulk", json=body))["task_id"]
    assert last_change(editor) == {"by": {"type": "user", "name": PERSON}, "how": "bulk", "import": task_id}
    assert last_change(editor, 2)["how"] == "api"
    body = {"action": "activate", "filter": {}}
    task_id = read_json(script.post("/api/products/bulk", json=body))["task_id"]
    assert last_change(editor) == {"by": {"type": "key", "name": KEY}, "how": "bulk", "import": task_id}
    assert last_change(editor, 2)["how"] == "api"


def test_what_is_not_recorded_is_not_known(client: FlaskClient, runner: ImportRunner, database_url: str) -> None:
    create_product(client, "A")
    unknown = {"by": None, "how": None, "import": None}
    execute(database_url, "UPDATE products SET updated_at = clock_timestamp()")
    assert last_change(client) == unknown
    task_id = upload_and_run(client, runner, FILE)["task_id"]
    undo = request_action(client, task_id, "undo")["task_id"]
    run_job(client, runner, undo)
    execute(database_url, "DELETE FROM import_jobs WHERE kind = 'undo'")
    assert last_change(client) == {**unknown, "how": "undo"}
    other = upload_and_run(client, runner, "sku,name\nA,2\n")["task_id"]
    assert last_change(client)["import"] == other
    execute(database_url, "DELETE FROM import_changes")
    assert last_change(client) == unknown


def test_viewers_see_it(app: Flask, client: FlaskClient, database_url: str) -> None:
    create_product(client, "A")
    viewer = app.test_client()
    viewer.set_cookie("acme_session", create_session(database_url, create_user(database_url, "viewer")))
    assert last_change(viewer)["by"] == {"type": "local", "name": "local"}
    key = create_key(database_url, create_user(database_url), ["imports:read"])
    response = app.test_client().get("/api/products/1/last-change", headers={"Authorization": f"Bearer {key}"})
    read_error(response, 403, "forbidden")
