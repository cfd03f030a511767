"""The upkeep of the table of products: it is vacuumed, and a bloated index is replaced, before indexes are built."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from catalogue import search_indexes, table_upkeep
from catalogue.search_indexes import IndexBuildError
from support.database import execute
from support.search_indexes import create_products, open_transaction, touch
from support.waiting import wait_for

ROWS = 2_000
INDEX_SQL = "SELECT pg_relation_size(%s), pg_relation_filenode(%s)"
LIST_INVALID_SQL = (
    "SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid"
    " WHERE indrelid = 'products'::regclass AND NOT indisvalid"
)
FIND_REINDEX_SQL = (
    "SELECT pid FROM pg_stat_activity WHERE query ~ '^REINDEX' AND state = 'active' AND datname = current_database()"
)


def test_a_build_vacuums_only_after_many_changes(database_url: str) -> None:
    def read_statistics() -> tuple[int, int]:
        columns = "vacuum_count, n_ins_since_vacuum + n_dead_tup"
        statement = f"SELECT {columns} FROM pg_stat_user_tables WHERE relname = 'products'"
        ((vacuums, rows),) = execute(database_url, statement)
        return vacuums, rows

    create_products(database_url, 1_000)
    wait_for("the statistics", lambda: read_statistics()[1] == 1_000)
    assert search_indexes.build_indexes(database_url)
    assert read_statistics() == (1, 0)
    touch(database_url, 40)
    wait_for("the statistics", lambda: read_statistics()[1] == 40)
    assert search_indexes.build_indexes(database_url)
    assert read_statistics()[0] == 1
    touch(database_url, 80)
    wait_for("the statistics", lambda: read_statistics()[1] >= 80)
    assert search_indexes.build_indexes(database_url)
    assert read_statistics()[0] == 2


def create_bloat(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change all products so often that the index on `updated_at` is bloated."""
    monkeypatch.setattr(table_upkeep, "MIN_BLOATED_BYTES", 0)
    create_products(url, ROWS)
    while read_index(url)[0] < 2 * table_upkeep.MAX_BLOAT * table_upkeep.ENTRY_BYTES * ROWS:
        touch(url, ROWS)


def read_index(url: str) -> tuple[int, int]:
    """Return the bytes of the index on `updated_at`, and the number of its file, which another index does not share."""
    ((size, file_number),) = execute(url, INDEX_SQL, (table_upkeep.UPDATED_AT_INDEX,) * 2)
    return size, file_number


def test_a_bloated_index_is_replaced_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create_bloat(database_url, monkeypatch)
    bloated_size, bloated_file = read_index(database_url)
    assert search_indexes.build_indexes(database_url)
    size, file_number = read_index(database_url)
    assert size < bloated_size / 2
    assert file_number != bloated_file
    assert search_indexes.build_indexes(database_url)
    assert read_index(database_url) == (size, file_number)


def test_a_small_or_new_index_stays(database_url: str) -> None:
    create_products(database_url, ROWS)
    before = read_index(database_url)
    assert search_indexes.build_indexes(database_url)
    assert read_index(database_url) == before


def test_what_a_cancelled_replacement_leaves_is_removed_by_the_next_build(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_bloat(database_url, monkeypatch)
    bloated = read_index(database_url)
    with ThreadPoolExecutor(1) as threads:
        with open_transaction(database_url):
            build = threads.submit(search_indexes.build_indexes, database_url)
            wait_for("a REINDEX that waits for the transaction", lambda: execute(database_url, FIND_REINDEX_SQL))
            execute(database_url, f"SELECT pg_cancel_backend(pid) FROM ({FIND_REINDEX_SQL}) reindex")
            wait_for("the end of the REINDEX", lambda: not execute(database_url, FIND_REINDEX_SQL))
        with pytest.raises(IndexBuildError, match="reindex: canceling statement due to user request"):
            build.result()
    assert execute(database_url, LIST_INVALID_SQL) == [(f"{table_upkeep.UPDATED_AT_INDEX}_ccnew",)]
    assert read_index(database_url) == bloated
    assert search_indexes.build_indexes(database_url)
    assert execute(database_url, LIST_INVALID_SQL) == []
    assert read_index(database_url)[0] < bloated[0] / 2
