"""The list of the audit log: filters, pages, the file, and how entries end."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from access import retention
from access.retention import AccessRetention
from support.api import create_product, read_error, read_json
from support.audit import read_actions
from support.database import execute
from support.sign_in import create_key, create_session, create_user

INSERT_SQL = """
INSERT INTO audit_entries (at, actor_type, actor_id, actor_name, action, target_type, target_id, outcome)
SELECT timestamptz '2026-01-01 00:00Z' + n / 3 * interval '1 second', (ARRAY['user', 'key', 'local'])[n %% 3 + 1],
    CASE WHEN n %% 3 < 2 THEN n %% 7 END, 'name ' || n, 'product.' || (ARRAY['created', 'updated'])[n %% 2 + 1],
    'product', n %% 10, CASE WHEN n %% 50 = 0 THEN 'refused' ELSE 'success' END
FROM generate_series(1, %s) n
"""
PRODUCT_PATH = "/api/audit?target=product:1"


def list_all(client: FlaskClient, **parameters: Any) -> list[Any]:
    """Return the entries of all pages; the pages must be full, except for the last one."""
    entries: list[Any] = []
    after = None
    while True:
        query = {**parameters, "per_page": 7, **({"after": after} if after else {})}
        page = read_json(client.get("/api/audit", query_string=query))
        entries += page["entries"]
        after = page["pagination"]["next"]
        if after is None:
            return entries
        assert len(page["entries"]) == 7


def test_an_entry_as_json(client: FlaskClient) -> None:
    product = create_product(client, "A-1", name="Lamp")
    body = read_json(client.get("/api/audit"))
    (entry,) = body["entries"]
    at, request_id = entry.pop("at"), entry.pop("request_id")
    assert datetime.fromisoformat(at) - datetime.now(UTC) < timedelta(minutes=1)
    assert len(request_id) == 32
    assert entry == {
        "id": 1,
        "actor": {"type": "local", "id": None, "name": "local"},
        "action": "product.created",
        "target": {"type": "product", "id": str(product["id"]), "name": "A-1"},
        "outcome": "success",
        "address": "127.0.0.1",
        "changes": {"sku": [None, "A-1"], "name": [None, "Lamp"]},
    }
    assert body["pagination"] == {"per_page": 50, "next": None}


def test_pages_have_every_entry_once_also_while_others_are_written(client: FlaskClient, database_url: str) -> None:
    execute(database_url, INSERT_SQL, (30,))
    first = read_json(client.get("/api/audit?per_page=10"))
    execute(database_url, INSERT_SQL, (5,))
    ids = [entry["id"] for entry in first["entries"]]
    after = first["pagination"]["next"]
    while after:
        page = read_json(client.get("/api/audit", query_string={"per_page": 10, "after": after}))
        ids += [entry["id"] for entry in page["entries"]]
        after = page["pagination"]["next"]
    assert set(range(1, 31)) <= set(ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("parameters", "condition"),
    [
        ({"actor": "user"}, "actor_type = 'user'"),
        ({"actor": "user:3"}, "actor_type = 'user' AND actor_id = 3"),
        ({"actor": "local"}, "actor_type = 'local'"),
        ({"action": "product.updated"}, "action = 'product.updated'"),
        ({"action": "product"}, "false"),
        ({"target": "product"}, "true"),
        ({"target": "product:4"}, "target_id = '4'"),
        ({"target": "webhook:4"}, "false"),
        ({"outcome": "refused"}, "outcome = 'refused'"),
        ({"since": "2026-01-01T00:00:20Z"}, "at >= '2026-01-01 00:00:20Z'"),
        ({"until": "2026-01-01T01:00:20+01:00"}, "at < '2026-01-01 00:00:20Z'"),
        (
            {"actor": "key", "target": "product:4", "since": "2026-01-01T00:00:05Z", "until": "2026-01-01T00:00:30Z"},
            "actor_type = 'key' AND target_id = '4' AND at >= '2026-01-01 00:00:05Z' AND at < '2026-01-01 00:00:30Z'",
        ),
        ({"actor": "", "action": "", "unknown": "1"}, "true"),
    ],
    ids=str,
)
def test_filters(client: FlaskClient, database_url: str, parameters: dict[str, str], condition: str) -> None:
    execute(database_url, INSERT_SQL, (100,))
    expected = execute(database_url, f"SELECT id FROM audit_entries WHERE {condition} ORDER BY at DESC, id DESC")
    assert [entry["id"] for entry in list_all(client, **parameters)] == [row[0] for row in expected]
    lines = list(csv.DictReader(io.StringIO(client.get("/api/audit/export", query_string=parameters).text)))
    assert [int(line["id"]) for line in lines] == [row[0] for row in expected]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("actor", value) for value in ("nobody", "user:", "user:x", f"user:{2**63}", f"user:{10**30}")),
        *(("target", value) for value in ("Product", "product:", ":1", "x" * 300, "product:\0")),
        ("action", "x" * 65),
        ("action", "\0"),
        ("outcome", "good"),
        *(("since", value) for value in ("yesterday", "2026-01-01", "2026-01-01T00:00:00")),
        ("since", "0001-01-01T00:00:00+23:00"),
        ("until", "9999-12-31T23:59:59-23:00"),
        *(("after", value) for value in ("1", "x-1", "-", "1-", f"{10**18}-1", f"1-{2**63}", "\uff11-1")),
        *(("per_page", value) for value in ("0", "501", "x", "-1")),
    ],
    ids=str,
)  # fmt: skip
def test_unusable_parameters_are_refused(client: FlaskClient, name: str, value: str) -> None:
    read_error(client.get("/api/audit", query_string={name: value}), 400, "invalid_parameter", name)
    if name not in {"after", "per_page"}:
        read_error(client.get("/api/audit/export", query_string={name: value}), 400, "invalid_parameter", name)


def test_only_administrators_read_it(client: FlaskClient, app: Flask, database_url: str) -> None:
    for role, status in (("viewer", 403), ("editor", 403), ("admin", 200)):
        own = app.test_client()
        own.set_cookie("acme_session", create_session(database_url, create_user(database_url, role)))
        assert [own.get(path).status_code for path in ("/api/audit", "/api/audit/export")] == [status] * 2
    admin = create_user(database_url, "admin")
    for scopes, status in ((["webhooks", "products:read"], 403), (["admin"], 200)):
        headers = {"Authorization": f"Bearer {create_key(database_url, admin, scopes)}"}
        assert client.get("/api/audit", headers=headers).status_code == status


def test_the_file_has_all_entries_and_no_formulas(client: FlaskClient, database_url: str) -> None:
    execute(database_url, INSERT_SQL, (2500,))
    execute(
        database_url,
        "INSERT INTO audit_entries (actor_type, actor_name, action, target_type, target_name, changes)"
        """ VALUES ('user', '=cmd()', 'x.y', 'product', '''@SUM(A1), "x"', '{"name": ["=1", "é\\n"]}')""",
    )
    response = client.get("/api/audit/export?bom=true")
    assert (response.mimetype, response.headers["Content-Disposition"]) == (
        "text/csv",
        "attachment; filename=audit.csv",
    )
    assert response.data.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(response.data.decode("utf-8-sig"), newline="")))
    assert len(lines) == 2501
    assert (lines[0]["actor_name"], lines[0]["target_name"]) == ("'=cmd()", "''@SUM(A1), \"x\"")
    assert json.loads(lines[0]["changes"]) == {"name": ["=1", "é\n"]}
    assert [int(line["id"]) for line in lines[1:]] == list(range(2500, 0, -1))
    read_json(client.get("/api/audit"))
    assert read_actions(database_url, "audit.") == ["audit.exported"]


@pytest.mark.parametrize(
    ("parameters", "index"),
    [
        ({}, "audit_entries_at_idx"),
        ({"since": "2026-01-01T00:00:20Z", "until": "2026-01-01T00:01:20Z"}, "audit_entries_at_idx"),
        ({"action": "product.rare"}, "audit_entries_action_idx"),
        ({"target": "product:4"}, "audit_entries_target_idx"),
        ({"actor": "user:3"}, "audit_entries_actor_idx"),
        ({"outcome": "failed"}, "audit_entries_outcome_idx"),
    ],
    ids=str,
)
def test_a_page_of_any_filter_is_read_from_an_index(
    client: FlaskClient, app: Flask, database_url: str, parameters: dict[str, str], index: str
) -> None:
    from werkzeug.datastructures import MultiDict

    from api.access.audit import _select
    from api.access.audit_schemas import AuditQuerySchema
    from models import db

    execute(database_url, INSERT_SQL, (20_000,))
    execute(database_url, "ANALYZE audit_entries")
    with app.app_context():
        query = AuditQuerySchema().load(MultiDict(parameters))
        statement = _select(query.filter, None).limit(51).compile(db.engine, compile_kwargs={"literal_binds": True})
    plan = "\n".join(row[0] for row in execute(database_url, f"EXPLAIN {statement}"))
    assert f"using {index}" in plan
    assert "Sort" not in plan


def test_retention_deletes_old_entries_and_what_has_ended(client: FlaskClient, database_url: str) -> None:
    execute(database_url, INSERT_SQL, (retention.BATCH_ENTRIES + 5,))
    create_product(client, "A-1")
    create_session(database_url, create_user(database_url))
    create_session(database_url, create_user(database_url))
    execute(database_url, "UPDATE user_sessions SET expires_at = clock_timestamp() WHERE id = 1")
    for table, columns, values in (
        ("user_links", "token_hash, purpose, expires_at", "'\\x00', 'setup', clock_timestamp() - interval '8 days'"),
        ("user_links", "token_hash, purpose, expires_at", "'\\x01', 'setup', clock_timestamp()"),
        ("sign_in_failures", "subject, failures, failed_at", "'old', 1, clock_timestamp() - interval '2 days'"),
        ("sign_in_failures", "subject, failures, failed_at", "'new', 1, clock_timestamp()"),
    ):
        execute(database_url, f"INSERT INTO {table} ({columns}) VALUES ({values})")
    kept = AccessRetention(audit_days=36_500, session_idle_seconds=3600)
    with closing(psycopg2.connect(database_url)) as connection:
        assert retention.delete_expired(connection, kept, seconds=60)
        assert len(execute(database_url, "SELECT FROM audit_entries")) == retention.BATCH_ENTRIES + 6
        old = AccessRetention(audit_days=1, session_idle_seconds=3600)
        assert not retention.delete_expired(connection, old, seconds=0)
        assert len(execute(database_url, "SELECT FROM audit_entries")) == 6
        assert retention.delete_expired(connection, old, seconds=0)
    assert read_actions(database_url) == ["product.created"]
    execute(database_url, "UPDATE product_edits SET at = at - interval '2 days'")
    with closing(psycopg2.connect(database_url)) as connection:
        assert retention.delete_expired(connection, kept, seconds=60)
        assert execute(database_url, "SELECT product_id FROM product_edits") == [(1,)]
        assert retention.delete_expired(connection, old, seconds=60)
        assert not execute(database_url, "SELECT product_id FROM product_edits")
    for table, count in (("user_sessions", 1), ("user_links", 1), ("sign_in_failures", 1)):
        assert len(execute(database_url, f"SELECT FROM {table}")) == count
    # The permission to delete ended with the transaction.
    with pytest.raises(psycopg2.errors.RaiseException):
        execute(database_url, "DELETE FROM audit_entries")
