"""Saved views: their lists, who may change which, and what happens when two people save at the same time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.session_cookie import COOKIE_NAME
from catalogue.views import MAX_VIEWS
from support.api import read_error, read_json
from support.audit import read_entries
from support.database import execute
from support.sign_in import create_key, create_session, create_user
from support.threads import Threads

FILTER = {"q": 'lamp -"dark wood"', "active": False}
VIEW = {
    "name": "Lamps",
    "filter": FILTER,
    "sort_by": "updated_at",
    "sort_order": "desc",
    "columns": ["sku", "active"],
    "widths": {"sku": 200},
}


def sign_in(app: Flask, database_url: str, role: str) -> FlaskClient:
    """Return the client of a new person with this role, who is signed in."""
    client = app.test_client()
    client.set_cookie(COOKIE_NAME, create_session(database_url, create_user(database_url, role)))
    return client


def save(client: FlaskClient, name: str, **values: Any) -> Any:
    """Save a view and return it."""
    return read_json(client.post("/api/views", json={"name": name, **values}), 201)


def names(client: FlaskClient) -> list[str]:
    """Return the names of the views that a client may open, in their order."""
    return [view["name"] for view in read_json(client.get("/api/views"))["views"]]


def test_a_view_keeps_what_was_saved_and_changes_what_is_given(client: FlaskClient, database_url: str) -> None:
    view = read_json(client.post("/api/views", json={**VIEW, "name": "  Lamps \n of  today "}), 201)
    # Without accounts there is one list, that of everyone.
    assert {**VIEW, "name": "Lamps of today", "shared": True, "problem": None, "created_by": "local"}.items() <= (
        view.items()
    )
    assert read_json(client.get("/api/views")) == {"views": [view]}
    path = f"/api/views/{view['id']}"
    renamed = read_json(client.put(path, json={"name": "All", "filter": {"q": " ", "sku": " A "}, "shared": False}))
    expected = {**view, "name": "All", "filter": {"sku": "A"}, "updated_at": renamed["updated_at"]}
    assert (renamed, renamed["updated_at"] > view["updated_at"]) == (expected, True)
    assert read_json(client.put(path, json={"name": "All"})) == renamed
    plain = save(client, "Plain")
    assert {"filter": {}, "sort_by": "id", "sort_order": "asc", "columns": None, "widths": {}}.items() <= plain.items()
    # All columns are the same as no choice, also of columns that a later version adds.
    every = {"columns": ["active", "updated_at", "name", "description"]}
    assert read_json(client.put(path, json=every))["columns"] is None
    assert names(client) == ["All", "Plain"]
    assert read_json(client.delete(path)) == {"message": "The view All was deleted."}
    for response in (client.put(path, json={"name": "x"}), client.delete(path)):
        read_error(response, 404, "view_not_found")
    entries = read_entries(database_url, "view.")
    assert [(entry["action"], entry["target_name"]) for entry in entries] == [
        ("view.created", "Lamps of today"),
        ("view.updated", "All"),
        ("view.created", "Plain"),
        ("view.updated", "All"),
        ("view.deleted", "All"),
    ]
    assert entries[0]["changes"]["filter"] == [None, FILTER]
    assert entries[1]["changes"] == {"name": ["Lamps of today", "All"], "filter": [FILTER, {"sku": "A"}]}


def test_values_that_no_view_can_have_are_refused(client: FlaskClient) -> None:
    for values, field in (
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": None}, "name"),
        ({"filter": {"skuu": "a"}}, "filter.skuu"),
        ({"filter": {"active": "true"}}, "filter.active"),
        ({"filter": {"q": " ".join(map(str, range(100)))}}, "filter.q"),
        ({"filter": []}, "filter"),
        ({"sort_by": "description"}, "sort_by"),
        ({"sort_order": "up"}, "sort_order"),
        ({"columns": ["price"]}, "columns"),
        ({"columns": [["sku"]]}, "columns"),
        ({"widths": {"sku": 5}}, "widths.sku"),
        ({"widths": {"sku": True}}, "widths.sku"),
        ({"widths": {"active": 90}}, "widths.active"),
        ({"widths": None}, "widths"),
        ({"shared": "yes"}, "shared"),
    ):
        body: dict[str, Any] = {**({} if field == "name" else {"name": "x"}), **values}
        read_error(client.post("/api/views", json=body), 400, "invalid_parameter", field)
    assert names(client) == []


def test_everyone_sees_shared_views_and_their_own(app: Flask, client: FlaskClient, database_url: str) -> None:
    early = save(client, "Before accounts")
    viewer, editor, other = (sign_in(app, database_url, role) for role in ("viewer", "editor", "editor"))
    shared = save(editor, "Lamps", shared=True)
    # Names are unique in each list, not between lists.
    own = save(editor, "lamps")
    viewers_own = save(viewer, "LAMPS")
    assert (own["shared"], viewers_own["shared"], early["shared"]) == (False, False, True)
    assert names(editor) == ["Before accounts", "Lamps", "lamps"]
    assert names(viewer) == ["Before accounts", "Lamps", "LAMPS"]
    assert names(other) == ["Before accounts", "Lamps"]

    # A viewer changes nothing that others see.
    path = f"/api/views/{shared['id']}"
    for response in (
        viewer.post("/api/views", json={"name": "New", "shared": True}),
        viewer.put(path, json={"name": "New"}),
        viewer.put(path, json={"shared": False}),
        viewer.delete(path),
        viewer.put(f"/api/views/{viewers_own['id']}", json={"shared": True}),
    ):
        assert "editor" in read_error(response, 403, "forbidden")
    read_json(viewer.put(f"/api/views/{viewers_own['id']}", json={"name": "Mine"}))
    read_json(viewer.delete(f"/api/views/{viewers_own['id']}"))

    # Nobody sees or changes the views of others, not even an administrator.
    admin = sign_in(app, database_url, "admin")
    for person in (other, admin):
        read_error(person.put(f"/api/views/{own['id']}", json={"name": "x"}), 404, "view_not_found")
        read_error(person.delete(f"/api/views/{own['id']}"), 404, "view_not_found")

    # Another editor takes a shared view into the own list, and gives it back.
    assert read_json(other.put(path, json={"shared": False}))["shared"] is False
    assert names(editor) == ["Before accounts", "lamps"]
    assert read_json(other.put(path, json={"shared": True, "name": "Given"}))["shared"] is True
    assert names(editor) == ["Before accounts", "Given", "lamps"]

    # The views of a person go with the person, shared ones stay.
    execute(database_url, "DELETE FROM users WHERE id IN (SELECT owner_id FROM saved_views)")
    assert names(admin) == ["Before accounts", "Given"]


def test_a_key_has_the_views_of_its_owner_and_needs_the_scope_to_change_them(app: Flask, database_url: str) -> None:
    owner_id = create_user(database_url, "admin")
    reading, writing, importing = (app.test_client() for _ in range(3))
    for script, scopes in ((reading, ["products:read"]), (writing, ["products:read", "products:write"])):
        script.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {create_key(database_url, owner_id, scopes)}"
    importing.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {create_key(database_url, owner_id, ['imports:read'])}"
    view = save(writing, "Lamps")
    assert (view["shared"], names(reading)) == (False, ["Lamps"])
    for response in (
        reading.post("/api/views", json={"name": "x"}),
        reading.put(f"/api/views/{view['id']}", json={"name": "x"}),
        reading.delete(f"/api/views/{view['id']}"),
    ):
        assert "products:write" in read_error(response, 403, "forbidden")
    read_error(importing.get("/api/views"), 403, "forbidden")
    read_error(app.test_client().get("/api/views"), 401, "unauthenticated")


def test_of_two_people_who_save_one_name_at_the_same_time_one_succeeds(app: Flask, database_url: str) -> None:
    clients = [sign_in(app, database_url, "editor") for _ in range(4)]
    responses: list[TestResponse] = []

    def post(client: FlaskClient) -> None:
        responses.append(client.post("/api/views", json={"name": "Ünsere", "shared": True}))

    with Threads() as threads:
        for client in clients:
            threads.start(post, client)
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
    refused = next(response for response in responses if response.status_code == 409)
    assert "Ünsere" in read_error(refused, 409, "duplicate_name", "name")
    # Sharing or renaming a view meets the same name.
    own = save(clients[0], "ÜNSERE")
    other = save(clients[0], "Other", shared=True)
    for view, values in ((own, {"shared": True}), (other, {"name": "ünsere"})):
        read_error(clients[0].put(f"/api/views/{view['id']}", json=values), 409, "duplicate_name", "name")
    assert names(clients[1]) == ["Other", "Ünsere"]


def test_a_change_of_an_older_version_is_refused(app: Flask, database_url: str) -> None:
    first, second = (sign_in(app, database_url, "editor") for _ in range(2))
    view = save(first, "Lamps", shared=True)
    path, version = f"/api/views/{view['id']}", {"If-Match": f'"{view["updated_at"]}"'}
    latest = read_json(second.put(path, json={"filter": {"q": "lamp"}}, headers=version))
    read_error(first.put(path, json={"filter": {"q": "sofa"}}, headers=version), 412, "precondition_failed")
    assert read_json(first.get("/api/views"))["views"] == [latest]
    assert read_json(first.put(path, json={"filter": {}}, headers={"If-Match": f'W/"{latest["updated_at"]}"'}))


def test_a_filter_that_is_not_valid_any_more_says_so_and_stays(client: FlaskClient, database_url: str) -> None:
    view = save(client, "Lamps")
    stored = {"q": "lamp", "price": 3}
    execute(database_url, "UPDATE saved_views SET filter = %s", (json.dumps(stored),))
    (shown,) = read_json(client.get("/api/views"))["views"]
    assert (shown["filter"], shown["problem"].startswith("price: This filter does not exist.")) == (stored, True)
    # The rest of the view can be changed, and a new filter ends the problem.
    path = f"/api/views/{view['id']}"
    assert read_json(client.put(path, json={"name": "Old lamps"}))["filter"] == stored
    assert read_json(client.put(path, json={"filter": {"q": "lamp"}}))["problem"] is None


def test_a_list_has_a_limit(client: FlaskClient, database_url: str) -> None:
    view = save(client, "Lamps")
    execute(
        database_url,
        "INSERT INTO saved_views (name, filter, sort_by, sort_order, widths, created_by)"
        " SELECT 'V ' || i, '{}', 'id', 'asc', '{}', 'local' FROM generate_series(2, %s) i",
        (MAX_VIEWS,),
    )
    read_error(client.post("/api/views", json={"name": "One more"}), 409, "too_many_views")
    read_json(client.delete(f"/api/views/{view['id']}"))
    save(client, "One more")


@pytest.mark.parametrize("body", ["[]", "{", "null", '"x"'])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: str) -> None:
    response = client.post("/api/views", data=body, content_type="application/json")
    assert response.status_code == 400
