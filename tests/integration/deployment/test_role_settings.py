"""Settings of the role that administrators and providers choose do not change what the product does."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from app import create_app
from catalogue import search_indexes
from catalogue.search_indexes import IndexBuildError
from database.connect import SESSION_SETTINGS, Component, connected
from database.migrate import upgrade_database
from importer.jobs.repository import Job
from importer.pipeline.run import Observer
from models import db
from support.api import create_product, read_json
from support.database import execute, url_of
from support.imports import list_products, request_action, run_job, upload_and_run
from support.jobs import create_runner, delay_slices
from support.pooler import running_pooler
from support.waiting import wait_for

# The setting of the role, and the time of a slice, which is longer. Behind a pooler, a transaction has the settings of
# the role until its first statement has replaced them, which may take a busy machine a while.
TIMEOUT_MS = 1_000
SLICE_SECONDS = 1.3
HOSTILE_SETTINGS = {
    "timezone": "Australia/Lord_Howe",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": f"{TIMEOUT_MS}ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": f"{TIMEOUT_MS}ms",
}
# PgBouncer keeps connections, and cannot shield a session from these.
HOSTILE_SESSION_SETTINGS = {"idle_session_timeout": f"{TIMEOUT_MS}ms", "client_encoding": "LATIN1"}
ROWS = 45
FILE = "sku,name\n" + "".join(f"R-{number:03},größer 5 €\n" for number in range(ROWS))
EXIT_STATUS = 3
READ_INDEX_CONDITION_SQL = """
SELECT pg_get_expr(indpred, indrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE relname LIKE 'products\\_search\\_joined%'
"""


@contextmanager
def role_with_database(server_url: str, settings: dict[str, str], schema_owner: bool = True) -> Iterator[str]:
    """Create a role with these settings and an empty database that it may use; the value is the URL for both."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    execute(server_url, f"CREATE ROLE {name} LOGIN")
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE template0")
    admin_url = url_of(server_url, name)
    try:
        if schema_owner:
            execute(admin_url, f"GRANT CREATE ON SCHEMA public TO {name}")
        for setting, value in settings.items():
            execute(server_url, f"ALTER ROLE {name} SET {setting} = '{value}'")
        yield admin_url.replace("//acme@", f"//{name}@", 1)
    finally:
        execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")
        execute(server_url, f"DROP ROLE {name}")


@contextmanager
def running_app(environment: dict[str, str]) -> Iterator[Flask]:
    application = create_app(config.load(environment))
    runs = application.extensions["bulk_runs"]
    runs.run_seconds = runs.wait_seconds = 120
    try:
        yield application
    finally:
        application.extensions["bulk_runs"].close()
        application.extensions["request_counts"].close()
        with application.app_context():
            db.engine.dispose()


class WaitInTransaction(Observer):
    """Let the transaction that reads the file be idle for longer than the timeout of the role."""

    def __init__(self, url: str) -> None:
        self.url = url

    def after_chunk(self, job: Job) -> None:
        asked_at = datetime.now(UTC)
        wait_for("the timeout", lambda: datetime.now(UTC) - asked_at > timedelta(milliseconds=1.5 * TIMEOUT_MS))


def assert_utc_and_recent(value: Any) -> None:
    """Check every timestamp in a response: it is in UTC, and within the minutes of this test."""
    if isinstance(value, dict):
        for name, item in value.items():
            if (name.endswith("_at") or name == "at") and isinstance(item, str):
                assert item.endswith("Z"), (name, item)
                age = datetime.now(UTC) - datetime.fromisoformat(item)
                is_future = name in {"undo_until", "expires_at"} or "expires" in name
                assert is_future or timedelta(minutes=-1) < age < timedelta(minutes=10), (name, item)
            assert_utc_and_recent(item)
    elif isinstance(value, list):
        for item in value:
            assert_utc_and_recent(item)


@pytest.mark.thorough("direct")
@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "behind a pooler"])
def test_everything_works_with_hostile_settings_of_the_role(
    server_url: str, environment: dict[str, str], pooled: bool
) -> None:
    settings = HOSTILE_SETTINGS | ({} if pooled else HOSTILE_SESSION_SETTINGS)
    with role_with_database(server_url, settings) as url:
        upgrade_database(url)
        execute(url_of(server_url, database_of(url)), "CREATE EXTENSION pg_trgm")
        with (
            running_pooler(url) if pooled else nullcontext(url) as url_of_product,
            running_app(
                {**environment, "DATABASE_URL": url_of_product + ("?pgbouncer=true" if pooled else "")}
            ) as application,
        ):
            check_product(application, url, pooled=pooled)


def check_product(application: Flask, url: str, *, pooled: bool) -> None:
    client = application.test_client()
    settings: config.Settings = application.config["SETTINGS"]
    runner = create_runner(settings, slice_rows=20, chunk_rows=20, writers=2, observer=WaitInTransaction(url))
    webhook = {"url": "http://127.0.0.1:9/x", "event_type": "*"}
    read_json(client.post("/api/webhooks", json=webhook), 201)

    started_at = datetime.now(UTC)
    delay_slices(url, SLICE_SECONDS)
    job = upload_and_run(client, runner, FILE)
    assert (job["status"], job["created_count"], job["error_message"]) == ("completed", ROWS, None)
    assert_utc_and_recent(job)
    assert_utc_and_recent(read_json(client.get("/api/imports")))
    assert_utc_and_recent(list_products(client, job["task_id"]))

    product = create_product(client, "Z-1", name="größer 5 €")
    etag = client.get(f"/api/products/{product['id']}").headers["ETag"]
    assert etag == f'"{product["updated_at"]}"'
    changed = client.put(f"/api/products/{product['id']}", json={"name": "ß"}, headers={"If-Match": etag})
    assert_utc_and_recent(read_json(changed))
    assert_utc_and_recent(read_json(client.get(f"/api/products/{product['id']}/history")))
    assert_utc_and_recent(read_json(client.get("/api/audit")))
    assert_utc_and_recent(read_json(client.get("/api/webhooks/1/deliveries")))
    assert "größer 5 €" in client.get("/api/products/export").text

    # The pages by time have each product once, and filters by time find what changed since.
    skus: list[str] = []
    after = None
    while True:
        query = {"sort_by": "updated_at", "sort_order": "desc", "per_page": 20, "after": after}
        page = read_json(client.get("/api/products", query_string={k: v for k, v in query.items() if v}))
        skus += [found["sku"] for found in page["products"]]
        after = page["pagination"]["next"]
        if after is None:
            break
    assert skus[0] == "Z-1"
    assert sorted(skus) == sorted([*(f"R-{number:03}" for number in range(ROWS)), "Z-1"])
    assert count_since(client, started_at) == ROWS + 1
    assert count_since(client, datetime.fromisoformat(read_json(changed)["updated_at"])) == 1
    assert count_since(client, datetime.now(UTC) + timedelta(minutes=1)) == 0

    bulk = read_json(client.post("/api/products/bulk", json={"action": "deactivate", "filter": {"q": "größer"}}))
    for task_id in (bulk["task_id"], job["task_id"]):
        undo = request_action(client, task_id, "undo")
        assert run_job(client, runner, undo["task_id"])["updated_count"] == ROWS
    # Behind a pooler, no transaction can replace the timeouts for CREATE INDEX CONCURRENTLY.
    assert pooled or search_indexes.build_indexes(settings.require_database_url())


def count_since(client: FlaskClient, time: datetime) -> int:
    query = {"changed_since": time.isoformat()}
    total: int = read_json(client.get("/api/products", query_string=query))["pagination"]["total"]
    return total


def test_each_session_has_the_settings_of_the_product(server_url: str) -> None:
    settings = HOSTILE_SETTINGS | HOSTILE_SESSION_SETTINGS
    with (
        role_with_database(server_url, settings) as url,
        connected(url, Component.WEB) as connection,
        connection.cursor() as cursor,
    ):
        for name, value in {**SESSION_SETTINGS, "client_encoding": "UTF8"}.items():
            cursor.execute("SELECT current_setting(%s)", [name])
            assert (name, cursor.fetchone()) == (name, (value,))


@pytest.mark.parametrize("schema", ["public", "extensions"])
def test_indexes_use_pg_trgm_in_the_schema_where_an_administrator_has_created_it(server_url: str, schema: str) -> None:
    with role_with_database(server_url, {}) as url:
        upgrade_database(url)
        admin_url = url_of(server_url, database_of(url))
        execute(admin_url, f"CREATE SCHEMA IF NOT EXISTS {schema}")
        execute(admin_url, f"CREATE EXTENSION pg_trgm SCHEMA {schema}")
        if schema == "extensions":
            with pytest.raises(IndexBuildError) as caught:
                search_indexes.build_indexes(url, ["text"])
            role = database_of(url)
            assert str(caught.value) == (
                f"text: ask an administrator to run GRANT USAGE ON SCHEMA extensions TO {role};"
                " pg_trgm is in that schema"
            )
            execute(admin_url, f"GRANT USAGE ON SCHEMA extensions TO {role}")
        execute(url, "INSERT INTO products (sku, name) SELECT 'S-' || n, 'lamp ' || n FROM generate_series(1, 500) n")
        assert search_indexes.build_indexes(url, ["text"])
        # A search uses the index although the schema is not in the search_path.
        ((condition,),) = execute(url, READ_INDEX_CONDITION_SQL)
        search = f"SELECT id FROM products WHERE {condition} AND name LIKE '%lamp 47%'"
        forced = "BEGIN; DROP INDEX products_updated_at_idx; SET enable_seqscan = off; SET enable_indexscan = off"
        plan = execute(url, f"{forced}; EXPLAIN {search}")
        assert any("products_search_joined" in line for (line,) in plan), plan


def test_a_role_without_the_right_to_create_extensions_is_told_whom_to_ask(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with role_with_database(server_url, {}) as url, caplog.at_level(logging.WARNING):
        upgrade_database(url)
        with pytest.raises(IndexBuildError) as caught:
            search_indexes.build_indexes(url)
        assert str(caught.value) == (
            "text: the role may not create extensions; ask an administrator to run CREATE EXTENSION pg_trgm in this"
            " database"
        )
        indexes = execute(url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'products\\_search\\_%'")
        assert indexes == [(len(search_indexes.KIND_OF_PART) - 1,)]
        execute(url_of(server_url, database_of(url)), "CREATE EXTENSION pg_trgm")
        assert search_indexes.build_indexes(url, ["text"])


@pytest.mark.parametrize(
    ("settings", "owner", "sentence"),
    [
        (
            {"default_transaction_read_only": "on"},
            True,
            "error: DATABASE_URL: the database accepts no changes, because default_transaction_read_only is on. Find"
            " out why, such as a full disk, and turn it off for the role, the database or the server\n",
        ),
        (
            {},
            False,
            "error: DATABASE_URL: the role may not create or change the tables (permission denied for schema public)."
            " Let an administrator run GRANT CREATE, USAGE ON SCHEMA public for it, or make it the owner of the"
            " tables\n",
        ),
    ],
    ids=["read only", "without rights"],
)
def test_a_role_that_cannot_work_stops_the_start_with_one_sentence(
    server_url: str,
    environment: dict[str, str],
    settings: dict[str, str],
    owner: bool,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with role_with_database(server_url, settings, owner) as url, pytest.raises(SystemExit) as caught:
        create_app(config.load({**environment, "DATABASE_URL": url}))
    assert caught.value.code == EXIT_STATUS
    assert capsys.readouterr().err == sentence


def database_of(url: str) -> str:
    return str(psycopg2.extensions.parse_dsn(url)["dbname"])
