"""Many products, the bulk calls of the API that change them, and transactions that get in their way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
from flask.testing import FlaskClient
from psycopg2.extensions import cursor as Cursor

from support.database import execute
from support.jobs import read_products

# The selection of a bulk call that means every product.
ALL_PRODUCTS: dict[str, Any] = {"filter": {}}


def create_products(url: str, count: int) -> list[int]:
    """Create products P-0, P-1 and so on, named "name 0" and so on, every second one inactive; return their ids."""
    rows = execute(
        url,
        "INSERT INTO products (sku, name, description, active) SELECT 'P-' || i, 'name ' || i, 'text', i %% 2 = 0"
        " FROM generate_series(0, %s) i ORDER BY i RETURNING id",
        [count - 1],
    )
    return [row[0] for row in rows]


def read_active(url: str) -> dict[str, bool]:
    """Return whether each product is active, keyed by SKU, in key order."""
    return {sku: active for sku, _, _, active in read_products(url)}


def change(client: FlaskClient, action: str, **selection: Any) -> Any:
    """Make a bulk call, which must succeed, and return its JSON, without the id of its job and the undo deadline."""
    answer = run_change(client, action, **selection)
    del answer["task_id"], answer["undo_until"]
    return answer


def run_change(client: FlaskClient, action: str, **values: Any) -> Any:
    """Make a bulk call, which must succeed, and return its JSON."""
    answer = client.post("/api/products/bulk", json={"action": action, **values})
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def request_change(client: FlaskClient, action: str, **values: Any) -> Any:
    """Make a bulk call that leaves its job to a worker, and return the job."""
    answer = client.post("/api/products/bulk", json={"action": action, **values}, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async"), answer.get_json()
    return answer.get_json()


@contextlib.contextmanager
def open_transaction(url: str) -> Iterator[Cursor]:
    """Yield a cursor in a transaction that is committed at the end of the block."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        with connection.cursor() as cursor:
            yield cursor
        connection.commit()


def is_waiting_for_lock(url: str, statement: str) -> bool:
    """Return whether a statement that begins with the text `statement` is waiting for a lock."""
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND starts_with(ltrim(query, E' \\n'), %s)",
        [statement],
    )
    return bool(rows)


def read_rows(url: str) -> list[Any]:
    """Return every product as its row in JSON, in key order, without the time at which it changed."""
    rows = execute(url, 'SELECT to_jsonb(p) FROM products p ORDER BY lower(sku) COLLATE "C"')
    return [{**row, "updated_at": None, "restored": None} for (row,) in rows]


def find_deleted_tables(url: str) -> list[str]:
    """Return the names of the tables with the products of deletions of all."""
    query = "SELECT tablename::text FROM pg_tables WHERE starts_with(tablename, 'deleted_products_')"
    return [name for (name,) in execute(url, query)]
