"""Databases of the test server, and statements outside of the product's own connections."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor

from embedded.postgres import EmbeddedPostgres

# The migrations build this database once. The database of each test is a copy of it.
TEMPLATE_DATABASE = "template_of_tests"
# A folder in memory. Each test writes a copy of the template, and several servers run at the same time.
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108
MEMORY_BYTES = 8 << 30


def create_server(folder: Path, *, settings: Mapping[str, str] | None = None) -> EmbeddedPostgres:
    """Return a server whose cluster is in `folder`.

    Its programs are those in TEST_POSTGRES_BIN, if that is set, so tests can run on another version of PostgreSQL.
    """
    programs = os.environ.get("TEST_POSTGRES_BIN")
    return EmbeddedPostgres(folder, settings=settings, programs=Path(programs) if programs else None)


def find_fast_folder() -> Path | None:
    """Return a folder in memory if there is one with enough space, otherwise None for the default."""
    try:
        has_space = shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_BYTES
    except OSError:
        return None
    return MEMORY_FOLDER if has_space and os.access(MEMORY_FOLDER, os.W_OK) else None


def url_of(server_url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    head, _, query = server_url.partition("?")
    return f"{head.rpartition('/')[0]}/{database}" + (f"?{query}" if query else "")


@contextlib.contextmanager
def temporary_database(server_url: str, cursor: Cursor) -> Iterator[str]:
    """Create a database with the tables of the product, and drop it at the end; `cursor` is one of the server."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    cursor.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE_DATABASE} STRATEGY file_copy")
    yield url_of(server_url, name)
    cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    """Run one statement in autocommit mode and return its rows; an empty list if it returns none."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            if cursor.description:
                return cursor.fetchall()
            # psycopg2 fetches no rows that have no columns.
            return [()] * cursor.rowcount if (cursor.statusmessage or "").startswith("SELECT") else []
    finally:
        connection.close()
