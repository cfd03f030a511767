"""Attacks on requests: keys in the wrong place, changed keys, odd paths, methods and headers."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from access.tokens import ALPHABET
from support.api import read_error, read_json
from support.database import execute
from support.sign_in import create_key, create_session, create_user


@pytest.fixture
def key(app: Flask, database_url: str) -> str:
    """An API key of an administrator, with all scopes."""
    return create_key(database_url, create_user(database_url))


def bearer(key: str) -> dict[str, str]:
    """Return the header that sends a key."""
    return {"Authorization": f"Bearer {key}"}


def test_every_changed_character_makes_a_key_useless(client: FlaskClient, key: str) -> None:
    read_json(client.get("/api/products", headers=bearer(key)))
    for position, character in enumerate(key):
        other = ALPHABET[(ALPHABET.find(character) + 1) % len(ALPHABET)]
        changed = key[:position] + other + key[position + 1 :]
        read_error(client.get("/api/products", headers=bearer(changed)), 401, "unauthenticated")


@pytest.mark.parametrize(
    "change", [str.swapcase, str.upper, str.lower, "x{}".format, "{}x".format, "{0}{0}".format, "{0},{0}".format]
)
def test_other_forms_of_a_key_are_useless(client: FlaskClient, key: str, change: object) -> None:
    assert callable(change)
    read_error(client.get("/api/products", headers=bearer(change(key))), 401, "unauthenticated")


def test_a_key_counts_only_in_its_header(app: Flask, key: str) -> None:
    for query in (f"key={key}", f"api_key={key}", f"access_token={key}", f"token={key}"):
        read_error(app.test_client().get(f"/api/products?{query}"), 401, "unauthenticated")
    for headers in ({"X-API-Key": key}, {"Cookie": f"acme_session={key}"}, {"Proxy-Authorization": f"Bearer {key}"}):
        read_error(app.test_client().get("/api/products", headers=headers), 401, "unauthenticated")
    for scheme in ("Basic", "Token", "Digest", "acme", ""):
        headers = {"Authorization": f"{scheme} {key}"}
        read_error(app.test_client().get("/api/products", headers=headers), 401, "unauthenticated")
    read_error(app.test_client().post("/api/products", json={"sku": "A", "key": key}), 401, "unauthenticated")


def test_a_bad_key_is_not_replaced_by_a_session(app: Flask, database_url: str, key: str) -> None:
    client = app.test_client()
    client.set_cookie("acme_session", create_session(database_url, create_user(database_url)))
    read_error(client.get("/api/products", headers=bearer(key[:-1])), 401, "unauthenticated")
    execute(database_url, "UPDATE api_keys SET revoked_at = clock_timestamp()")
    read_error(client.get("/api/products", headers=bearer(key)), 401, "unauthenticated")


@pytest.mark.parametrize(
    "path",
    [
        *("//api/products", "/api//products", "/api/./products", "/./api/products", "/api/x/../products"),
        *(
            "/api/products/",
            "/api/products/.",
            "/API/products",
            "/api/Products",
            "/api/products;x=1",
            "/api%2Fproducts",
        ),
        *("/api/products%00", "/api/%2e/products", "/api/x/%2e%2e/products", "/static/../api/products", "/api"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_other_spellings_of_a_path_do_not_reach_a_call(app: Flask, key: str, path: str, method: str) -> None:
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method}
    response = app.test_client().open("/", environ_overrides=environ)
    assert response.status_code in {308, 401, 404, 405}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "GET "])
def test_other_methods_are_refused_too(app: Flask, key: str, method: str) -> None:
    for path in ("/api/products", "/api/users", "/api/webhooks/1"):
        response = app.test_client().open(path, method=method)
        assert response.status_code in {401, 405}, (method, path)
        assert not response.data or response.json is not None


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_header_does_not_change_the_method(app: Flask, database_url: str, name: str) -> None:
    viewer = app.test_client()
    viewer.set_cookie("acme_session", create_session(database_url, create_user(database_url, "viewer")))
    execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
    read_json(viewer.get("/api/products?_method=DELETE", headers={name: "DELETE"}))
    read_error(viewer.post("/api/products/bulk", headers={name: "GET"}), 403, "forbidden")
    assert execute(database_url, "SELECT sku FROM products") == [("A",)]


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../config.py", "/static/%2e%2e/config.py", "/static/..%2fconfig.py", "/static//etc/passwd"),
        *("/static/....//config.py", "/static/%00", "/static/js/../../app.py", "/static/..\\config.py", "/../app.py"),
    ],
)
def test_static_paths_stay_in_their_folder(app: Flask, path: str) -> None:
    response = app.test_client().open("/", environ_overrides={"PATH_INFO": path.replace("%2e", ".")})
    assert response.status_code in {308, 404}


@pytest.mark.parametrize("value", ["x" * 100_000, "acme_" + "x" * 38, "\xff" * 50, "=;=;=", "a" * 43])
def test_huge_and_odd_credentials_are_no_server_error(app: Flask, key: str, value: str) -> None:
    for headers in (
        {"Authorization": f"Bearer {value}"},
        {"Authorization": value},
        {"Cookie": f"acme_session={value}"},
    ):
        read_error(app.test_client().get("/api/products", headers=headers), 401, "unauthenticated")


def test_names_and_browsers_cannot_inject_headers(app: Flask, database_url: str) -> None:
    user_id = create_user(database_url)
    admin = app.test_client()
    admin.set_cookie("acme_session", create_session(database_url, user_id))
    name = "Eve\r\nSet-Cookie: acme_session=x\u2028\t<b>"
    created = admin.post("/api/users", json={"email": "eve@example.com", "name": name, "role": "viewer"})
    person = read_json(created, 201)
    assert "\r" not in person["name"]
    assert "\n" not in person["name"]
    path = f"/api/users/{person['id']}"
    responses = [created, admin.get(path), admin.delete(path)]
    keys = admin.post("/api/keys", json={"name": name, "scopes": ["admin"]})
    responses += [keys, admin.delete(f"/api/keys/{read_json(keys, 201)['id']}")]
    for response in responses:
        assert "Set-Cookie" not in response.headers
    for given in ("x" * 10_000, "\xff\xfe", ""):
        admin.get("/api/account/sessions", headers={"User-Agent": given})


def test_the_host_in_a_link_is_one_that_the_server_answers_to(app: Flask, database_url: str) -> None:
    admin = app.test_client()
    admin.set_cookie("acme_session", create_session(database_url, create_user(database_url)))
    body = {"email": "eve@example.com", "name": "Eve", "role": "viewer"}
    evil = {"Host": "evil.test", "X-Forwarded-Host": "evil.test"}
    read_error(admin.post("/api/users", json=body, headers=evil), 400, "untrusted_host")
    del evil["Host"]
    link = read_json(admin.post("/api/users", json=body, headers=evil), 201)["invitation"]["link"]
    assert link.startswith("http://localhost/#/invitation/")


def test_an_editor_cannot_give_a_key_more_than_the_role_has(app: Flask, database_url: str) -> None:
    editor = app.test_client()
    editor.set_cookie("acme_session", create_session(database_url, create_user(database_url, "editor")))
    for scopes in (["admin"], ["webhooks"], ["products:read", "admin"]):
        read_error(editor.post("/api/keys", json={"name": "K", "scopes": scopes}), 403, "forbidden", "scopes")
    for invalid in ([], ["*"], "admin", ["Admin"], [None], None, ["admin", "admin"]):
        read_error(editor.post("/api/keys", json={"name": "K", "scopes": invalid}), 400, "invalid_parameter", "scopes")
    own = read_json(editor.post("/api/keys", json={"name": "K", "scopes": ["products:write"]}), 201)
    # A key cannot make more keys, and one loses its rights with its owner.
    read_error(editor.post("/api/keys", headers=bearer(own["key"]), json={}), 403, "forbidden")
    execute(database_url, "UPDATE users SET role = 'viewer'")
    read_error(app.test_client().post("/api/products", headers=bearer(own["key"]), json={}), 403, "forbidden")


def test_a_key_of_an_administrator_manages_people_but_no_passwords(app: Flask, database_url: str, key: str) -> None:
    client = app.test_client()
    invited = read_json(
        client.post("/api/users", headers=bearer(key), json={"email": "b@example.com", "name": "B", "role": "viewer"}),
        201,
    )
    path = f"/api/users/{invited['id']}"
    read_json(client.put(path, headers=bearer(key), json={"role": "editor"}))
    read_error(client.post(f"{path}/reset", headers=bearer(key)), 403, "forbidden")
    read_error(client.put("/api/account/password", headers=bearer(key), json={}), 403, "forbidden")
    read_json(client.delete(path, headers=bearer(key)))


def test_a_key_makes_nobody_an_administrator(app: Flask, database_url: str, key: str) -> None:
    script = app.test_client()
    body = {"email": "b@example.com", "name": "B", "role": "admin"}
    read_error(script.post("/api/users", headers=bearer(key), json=body), 403, "forbidden")
    viewer, admin = create_user(database_url, "viewer"), create_user(database_url, "admin")
    read_error(script.put(f"/api/users/{viewer}", headers=bearer(key), json={"role": "admin"}), 403, "forbidden")
    # With a provider, whoever has the address of an administrator who was invited becomes this administrator.
    change = {"email": "eve@example.com"}
    read_error(script.put(f"/api/users/{admin}", headers=bearer(key), json=change), 403, "forbidden")
    assert execute(database_url, "SELECT count(*) FROM users WHERE role = 'admin'") == [(2,)]
    assert execute(database_url, "SELECT count(*) FROM users WHERE email LIKE '%%eve%%'") == [(0,)]
    # Taking rights away, and everything for others, is allowed.
    read_json(script.put(f"/api/users/{viewer}", headers=bearer(key), json={"role": "editor", **change}))
    read_json(script.put(f"/api/users/{admin}", headers=bearer(key), json={"role": "admin", "name": "Ada"}))
    execute(database_url, "UPDATE users SET password_hash = 'x'")
    read_json(script.put(f"/api/users/{admin}", headers=bearer(key), json={"disabled": True}))
    person = app.test_client()
    person.set_cookie("acme_session", create_session(database_url, create_user(database_url)))
    read_json(person.post("/api/users", json=body), 201)


def test_a_scope_that_this_version_does_not_know_grants_nothing(app: Flask, database_url: str) -> None:
    key = create_key(database_url, create_user(database_url), ["products:read", "galaxy:destroy"])
    who = read_json(app.test_client().get("/api/session", headers=bearer(key)))
    assert who["scopes"] == ["products:read"]
