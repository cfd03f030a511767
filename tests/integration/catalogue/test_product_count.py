"""The number of products: right in every transaction, whoever writes them and however."""

from __future__ import annotations

import io
import logging
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from catalogue import product_count, search
from catalogue.filters import Filter
from catalogue.search_thresholds import DEFAULT_THRESHOLDS
from catalogue.sorting import Sorting
from database.advisory_locks import PRODUCT_COUNT_KEY, SEARCH_INDEX_BUILD_KEY, try_lock
from support.database import execute
from support.search_indexes import create_products, running_builder
from support.waiting import wait_for

COMPARE_SQL = f"SELECT {product_count.PRODUCT_COUNT_SQL}, (SELECT count(*) FROM products)"
INSERT_SQL = "INSERT INTO products (sku) SELECT '{prefix}-' || n FROM generate_series(1, {rows}) n"
INSERT_TEN_SQL = INSERT_SQL.format(prefix="a", rows=10)
INSERT_SEVEN_SQL = INSERT_SQL.format(prefix="b", rows=7)
DELETE_THREE_SQL = (
    "DELETE FROM products WHERE id IN (SELECT min(id) + n FROM products, generate_series(0, 2) n GROUP BY n)"
)
# Inserts a product itself, in the middle of a statement that inserts others.
CREATE_NESTED_SQL = """
CREATE FUNCTION add_another(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO products (sku) VALUES ($1 || '-other');
    RETURN $1;
END $$
"""
IS_WAITING_SQL = "SELECT FROM pg_stat_activity WHERE query ~ 'begin_counting' AND wait_event_type = 'Lock'"
ROUNDS = 30


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection with open transactions."""
    with closing(psycopg2.connect(database_url)) as connection:
        yield connection


def read_counts(url: str) -> tuple[int | None, int]:
    """Return the recorded number of products and the real one."""
    ((recorded, real),) = execute(url, COMPARE_SQL)
    return recorded, real


def count_entries(url: str) -> int:
    ((entries,),) = execute(url, "SELECT count(*) FROM product_counts")
    return int(entries)


def undo_upgrade(url: str) -> None:
    """Make the catalogue one whose products were never counted, as an upgrade leaves it."""
    for name in ("products_begin_count", "products_end_count", "products_end_count_of_truncate"):
        execute(url, f"DROP TRIGGER {name} ON products")
    execute(url, "TRUNCATE product_counts")


@contextmanager
def without_triggers(url: str) -> Iterator[None]:
    """Turn the triggers of the products off, as some restorations of a backup do."""
    execute(url, "ALTER TABLE products DISABLE TRIGGER USER")
    yield
    execute(url, "ALTER TABLE products ENABLE TRIGGER USER")


def keep_up(url: str, *, check: bool = False) -> None:
    with closing(psycopg2.connect(url)) as connection:
        product_count.keep_up(connection, check=check)


def test_a_new_catalogue_has_no_products(database_url: str) -> None:
    assert read_counts(database_url) == (0, 0)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([INSERT_TEN_SQL], 10),
        ([INSERT_TEN_SQL, DELETE_THREE_SQL], 7),
        ([INSERT_TEN_SQL, "DELETE FROM products WHERE sku = 'none'"], 10),
        ([INSERT_TEN_SQL, "UPDATE products SET name = 'x'"], 10),
        ([INSERT_TEN_SQL, "TRUNCATE products"], 0),
        ([INSERT_TEN_SQL, "TRUNCATE products", INSERT_SEVEN_SQL], 7),
        ([INSERT_TEN_SQL, f"{INSERT_TEN_SQL} ON CONFLICT DO NOTHING"], 10),
        (
            [
                INSERT_TEN_SQL,
                "INSERT INTO products (sku) VALUES ('A-1'), ('new')"
                """ ON CONFLICT (lower(sku) COLLATE "C") DO UPDATE SET name = 'again'""",
            ],
            11,
        ),
        (["INSERT INTO products (sku) VALUES ('one')"], 1),
        (
            [
                INSERT_TEN_SQL,
                f"WITH gone AS ({DELETE_THREE_SQL} RETURNING id), new AS ({INSERT_SEVEN_SQL} RETURNING id)"
                " SELECT FROM gone, new",
            ],
            14,
        ),
        (
            [
                f"WITH one AS ({INSERT_TEN_SQL} RETURNING id), two AS ({INSERT_SEVEN_SQL} RETURNING id)"
                " SELECT FROM one, two"
            ],
            17,
        ),
        (
            [
                "MERGE INTO products p USING (VALUES ('a'), ('b')) v (sku) ON p.sku = v.sku"
                " WHEN NOT MATCHED THEN INSERT (sku) VALUES (v.sku)"
            ],
            2,
        ),
        (
            [
                CREATE_NESTED_SQL,
                "INSERT INTO products (sku) SELECT add_another('n-' || n) FROM generate_series(1, 5) n",
            ],
            10,
        ),
        (["DO $$ BEGIN INSERT INTO products (sku) VALUES ('a'); INSERT INTO products (sku) VALUES ('b'); END $$"], 2),
    ],
)
@pytest.mark.parametrize("transactions", ["one", "several"])
def test_each_statement_is_counted(
    database_url: str, connection: Connection, statements: list[str], expected: int, transactions: str
) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            if transactions == "several":
                connection.commit()
        cursor.execute(COMPARE_SQL)
        assert cursor.fetchone() == (expected, expected)
    connection.commit()
    assert read_counts(database_url) == (expected, expected)


def test_statements_that_are_undone_are_not_counted(database_url: str, connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"{INSERT_TEN_SQL}; SAVEPOINT one; {INSERT_SEVEN_SQL}; {DELETE_THREE_SQL}")
        cursor.execute(f"ROLLBACK TO one; {DELETE_THREE_SQL}; SAVEPOINT two")
        with pytest.raises(errors.UniqueViolation):
            cursor.execute("INSERT INTO products (sku) VALUES ('new'), ('a-10')")
        cursor.execute("ROLLBACK TO two; INSERT INTO products (sku) VALUES ('new')")
        cursor.execute(COMPARE_SQL)
        assert cursor.fetchone() == (8, 8)
        assert read_counts(database_url) == (0, 0)
    connection.commit()
    assert read_counts(database_url) == (8, 8)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE products; {INSERT_SEVEN_SQL}")
    connection.rollback()
    assert read_counts(database_url) == (8, 8)


def test_an_error_that_a_function_catches_is_not_counted(database_url: str) -> None:
    execute(
        database_url,
        """
        DO $$ BEGIN
            INSERT INTO products (sku) VALUES ('a');
            BEGIN
                INSERT INTO products (sku) VALUES ('b'), ('A');
            EXCEPTION WHEN unique_violation THEN
                INSERT INTO products (sku) VALUES ('c');
            END;
            DELETE FROM products WHERE sku = 'a';
        END $$
        """,
    )
    assert read_counts(database_url) == (1, 1)


def test_copied_products_are_counted(database_url: str, connection: Connection) -> None:
    with connection, connection.cursor() as cursor:
        cursor.copy_expert("COPY products (sku) FROM STDIN", io.StringIO("".join(f"c-{n}\n" for n in range(2500))))
    assert read_counts(database_url) == (2500, 2500)


def test_a_role_that_may_only_write_products_can_write_them(database_url: str, connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE clerk; GRANT INSERT, SELECT, DELETE, TRUNCATE ON products TO clerk; SET ROLE clerk")
        cursor.execute(f"{INSERT_TEN_SQL}; {DELETE_THREE_SQL}")
        cursor.execute("RESET ROLE")
        cursor.execute(COMPARE_SQL)
        assert cursor.fetchone() == (7, 7)
        cursor.execute("SET ROLE clerk; TRUNCATE products; RESET ROLE")
        cursor.execute(COMPARE_SQL)
        assert cursor.fetchone() == (0, 0)
    connection.rollback()


def test_the_number_is_right_at_every_moment(database_url: str) -> None:
    """Writers insert and delete while entries are merged and corrected."""

    def write(number: int) -> None:
        chance = random.Random(number)
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            for turn in range(ROUNDS):
                cursor.execute(INSERT_SQL.format(prefix=f"{number}-{turn}", rows=chance.randint(1, 30)))
                cursor.execute("SAVEPOINT before; DELETE FROM products WHERE id %% 7 = %s", (chance.randint(0, 6),))
                if chance.random() < 0.3:
                    cursor.execute("ROLLBACK TO before")
                connection.rollback() if chance.random() < 0.2 else connection.commit()

    def maintain(number: int) -> None:
        for turn in range(ROUNDS):
            with closing(psycopg2.connect(database_url)) as connection, connection, connection.cursor() as cursor:
                if turn % 3 == number:
                    cursor.execute("TRUNCATE products")
                cursor.execute(product_count.MERGE_ENTRIES_SQL)
            keep_up(database_url, check=True)

    with ThreadPoolExecutor(5) as threads:
        works = [threads.submit(write, number) for number in range(3)]
        works += [threads.submit(maintain, number) for number in range(2)]
        while not all(work.done() for work in works):
            recorded, real = read_counts(database_url)
            assert recorded == real
        for work in works:
            work.result()
    keep_up(database_url)
    recorded, real = read_counts(database_url)
    assert recorded == real


def test_many_entries_are_merged(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_count, "MAX_ENTRIES", 6)
    for number in range(5):
        create_products(database_url, 2, first=1 + 2 * number)
    keep_up(database_url)
    assert count_entries(database_url) == 6
    execute(database_url, "DELETE FROM products WHERE sku = 'k-1'")
    keep_up(database_url)
    assert count_entries(database_url) == 1
    assert read_counts(database_url) == (9, 9)


@pytest.mark.parametrize("cause", ["no entry", "unknown", "statistics are off", "a trigger is off"])
def test_an_unknown_number_is_counted(database_url: str, caplog: pytest.LogCaptureFixture, cause: str) -> None:
    statements = {
        "no entry": "TRUNCATE product_counts",
        "unknown": "INSERT INTO product_counts (change) VALUES (NULL)",
        "statistics are off": "SET track_counts = off; INSERT INTO products (sku) VALUES ('another')",
        "a trigger is off": "INSERT INTO products (sku) VALUES ('another'); DELETE FROM products WHERE id < 4",
    }
    create_products(database_url, 20)
    if cause == "a trigger is off":
        execute(database_url, "ALTER TABLE products DISABLE TRIGGER products_begin_count")
    execute(database_url, statements[cause])
    recorded, real = read_counts(database_url)
    assert recorded is None
    with caplog.at_level(logging.WARNING):
        keep_up(database_url)
    assert caplog.messages == []
    assert read_counts(database_url) == (real, real)
    keep_up(database_url)
    assert read_counts(database_url) == (real, real)


def test_a_wrong_number_is_corrected(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    create_products(database_url, 20)
    with without_triggers(database_url):
        execute(database_url, "DELETE FROM products WHERE id % 4 = 0")
    keep_up(database_url)
    assert read_counts(database_url) == (20, 15)
    with caplog.at_level(logging.WARNING):
        keep_up(database_url, check=True)
    assert read_counts(database_url) == (15, 15)
    assert caplog.messages == ["The recorded number of products was wrong by -5. It is correct now."]


@pytest.mark.parametrize("rows", [0, 20])
def test_after_an_upgrade_a_worker_counts_the_products(database_url: str, rows: int) -> None:
    create_products(database_url, rows)
    undo_upgrade(database_url)
    create_products(database_url, 5, first=100)
    assert read_counts(database_url) == (None, rows + 5)
    keep_up(database_url)
    assert read_counts(database_url) == (rows + 5, rows + 5)
    create_products(database_url, 5, first=200)
    assert read_counts(database_url) == (rows + 10, rows + 10)


def test_triggers_that_are_missing_are_created_again(database_url: str) -> None:
    create_products(database_url, 20)
    execute(database_url, "DROP TRIGGER products_begin_count ON products; DROP TRIGGER products_end_count ON products")
    execute(database_url, "DELETE FROM products")
    keep_up(database_url)
    assert read_counts(database_url) == (0, 0)
    create_products(database_url, 5)
    assert read_counts(database_url) == (5, 5)


def test_a_worker_waits_for_a_moment_without_writers_and_builds(database_url: str, connection: Connection) -> None:
    create_products(database_url, 20)
    undo_upgrade(database_url)
    with connection.cursor() as cursor:
        assert try_lock(cursor, SEARCH_INDEX_BUILD_KEY)
        keep_up(database_url)
        assert read_counts(database_url)[0] is None
        connection.rollback()
        cursor.execute("DELETE FROM products WHERE sku = 'k-1'")
        with pytest.raises(errors.LockNotAvailable):
            keep_up(database_url)
        with running_builder(database_url):
            wait_for("the attempt", lambda: execute(database_url, IS_WAITING_SQL))
            connection.commit()
            wait_for("the number of products", lambda: read_counts(database_url) == (19, 19), seconds=100)


def test_only_one_process_corrects_the_number(database_url: str, connection: Connection) -> None:
    execute(database_url, "INSERT INTO product_counts (change) VALUES (NULL)")
    with connection.cursor() as cursor:
        assert try_lock(cursor, PRODUCT_COUNT_KEY)
        keep_up(database_url)
        assert read_counts(database_url) == (None, 0)
    connection.commit()
    keep_up(database_url)
    assert read_counts(database_url) == (0, 0)


def test_a_running_worker_keeps_the_number(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_count, "MAX_ENTRIES", 3)
    create_products(database_url, 20)
    with without_triggers(database_url):
        execute(database_url, "DELETE FROM products WHERE id % 4 = 0")
    with running_builder(database_url):
        wait_for("the correction", lambda: read_counts(database_url) == (15, 15))
        for number in range(5):
            create_products(database_url, 1, first=100 + number)
        wait_for("the merged entries", lambda: count_entries(database_url) == 1)
    assert read_counts(database_url) == (20, 20)


@pytest.mark.parametrize("is_large", [False, True])
def test_the_list_of_all_products_does_not_count_them(
    connection: Connection, database_url: str, is_large: bool
) -> None:
    create_products(database_url, 20)
    with without_triggers(database_url):
        execute(database_url, "DELETE FROM products WHERE id % 4 = 0")
    thresholds = replace(DEFAULT_THRESHOLDS, max_counted_rows=0) if is_large else DEFAULT_THRESHOLDS
    with connection.cursor() as cursor:
        page = search.find_page(cursor, Filter(), Sorting("id"), per_page=10, thresholds=thresholds)
        assert (page.total, page.total_is_estimate) == (20, False)
        cursor.execute("INSERT INTO product_counts (change) VALUES (NULL)")
        page = search.find_page(cursor, Filter(), Sorting("id"), per_page=10, thresholds=thresholds)
        assert page.total_is_estimate == is_large
        assert page.total == 15 or is_large
        page = search.find_page(cursor, Filter(), Sorting("id"), per_page=10, exact_total=True, thresholds=thresholds)
        assert (page.total, page.total_is_estimate) == (15, False)


@pytest.mark.parametrize("most_are_active", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
def test_products_in_the_commoner_state_are_all_but_the_others(
    connection: Connection, database_url: str, most_are_active: bool, is_known: bool
) -> None:
    create_products(database_url, 200)
    condition = "id % 5 = 0" if most_are_active else "id % 5 > 0"
    execute(database_url, f"UPDATE products SET active = false WHERE {condition}")
    execute(database_url, "ANALYZE products")
    if not is_known:
        execute(database_url, "INSERT INTO product_counts (change) VALUES (NULL)")
    thresholds = replace(DEFAULT_THRESHOLDS, max_fetched_rows=10)
    with connection.cursor() as cursor:
        for active in (False, True):
            page = search.find_page(cursor, Filter(active=active), Sorting("id"), thresholds=thresholds)
            assert page.total == (160 if active is most_are_active else 40)
            others = search.find_page(cursor, Filter(active=active, name="2"), Sorting("id"), exact_total=True)
            cursor.execute("SELECT count(*) FROM products WHERE active = %s AND name LIKE '%%2%%'", (active,))
            assert cursor.fetchone() == (others.total,)


def test_the_commoner_state_is_not_counted(connection: Connection, database_url: str) -> None:
    create_products(database_url, 200)
    with without_triggers(database_url):
        execute(database_url, "DELETE FROM products WHERE id % 4 = 0")
    thresholds = replace(DEFAULT_THRESHOLDS, max_fetched_rows=10)
    with connection.cursor() as cursor:
        assert search.find_page(cursor, Filter(active=True), Sorting("id"), thresholds=thresholds).total == 200
        assert search.find_page(cursor, Filter(active=False), Sorting("id"), thresholds=thresholds).total == 0
