"""Finding: every filter, order, page and cursor, by every way that leads to it, before and after indexes are built."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor

from catalogue import search, search_indexes
from catalogue.filters import Filter
from catalogue.sorting import KEYS, Order
from conftest import execute

WORDS = ["lamp", "Lampe", "BLUE", "100%", "a_b", "Straße", "İstanbul", "茶", "x\\y", "", "chair"]
FILTERS = [
    Filter(),
    Filter(active=False),
    Filter(active=True),
    Filter(q="lamp"),
    Filter(q="LAMP", active=True),
    Filter(name="blue"),
    Filter(description="chair", name="lamp"),
    Filter(sku="k-1"),
    Filter(q="0%"),
    Filter(q="a_b"),
    Filter(q="x\\y"),
    Filter(q="茶"),
    Filter(q="straße"),
    Filter(q="no such product"),
]
PER_PAGE = 90
ORDERS = [Order(by, descending) for by in KEYS for descending in (False, True)]

WAYS = ["counts everything", "walks from the first match on", "gives walks up"]
INDEXES = ["without indexes", "with indexes", "with indexes that are behind", "half built"]


@pytest.fixture
def cursor(database_url: str) -> Iterator[Cursor]:
    """A cursor on a catalogue of 600 products that often share names, times and states."""
    chance = random.Random(3)
    rows = [
        (f"{chance.choice('kKx')}-{number}", chance.choice(WORDS), " ".join(chance.choices(WORDS, k=2)), number % 3 > 0)
        for number in range(600)
    ]
    for offset in range(0, len(rows), 100):
        values = list(itertools.chain.from_iterable(rows[offset : offset + 100]))
        marks = ",".join(["(%s,%s,%s,%s)"] * 100)
        execute(database_url, f"INSERT INTO products (sku, name, description, active) VALUES {marks}", values)
    execute(database_url, "ANALYZE products")
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.fixture(params=WAYS)
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How much is much: chooses the ways a search goes."""
    if request.param != "counts everything":
        monkeypatch.setattr(search, "MANY", 25)
        monkeypatch.setattr(search, "SMALL_ROWS", 0)
        monkeypatch.setattr(search, "COUNTED_ROWS", 0)
        monkeypatch.setattr(search, "DEEP_ROWS", 40)
    if request.param == "gives walks up":
        monkeypatch.setattr(search, "WALK_ROWS", 5)
        monkeypatch.setattr(search, "LONGEST_WALK_ROWS", 70)
    return str(request.param)


@pytest.fixture(params=INDEXES)
def indexes(request: pytest.FixtureRequest, database_url: str, cursor: Cursor) -> str:
    """What the search indexes hold."""
    if request.param != "without indexes":
        assert search_indexes.build(database_url)
    if request.param == "with indexes that are behind":
        execute(database_url, "UPDATE products SET name = 'Lamp new', updated_at = clock_timestamp() WHERE id % 7 = 0")
        execute(
            database_url, "INSERT INTO products (sku, name) SELECT 'new-' || n, 'blue' FROM generate_series(1,40) n"
        )
        execute(database_url, "DELETE FROM products WHERE id % 11 = 0")
    if request.param == "half built":
        names = [
            name
            for (name,) in execute(
                database_url, "SELECT relname FROM pg_class WHERE relname LIKE 'products_search_text_%'"
            )
        ]
        execute(database_url, f"DROP INDEX {names[0]}")
    return str(request.param)


def expected(cursor: Cursor, wanted: Filter, order: Order) -> list[int]:
    """The ids of all that matches, in order: as a sentence of SQL without any of our ways."""
    direction = "DESC" if order.descending else "ASC"
    conditions, values = ["true"], []
    for column in ("sku", "name", "description"):
        if text := getattr(wanted, column):
            conditions.append(f"strpos(lower({column}), lower(%s)) > 0")
            values.append(text)
    if wanted.q:
        conditions.append(
            "(" + " OR ".join(f"strpos(lower({c}), lower(%s)) > 0" for c in ("sku", "name", "description")) + ")"
        )
        values += [wanted.q] * 3
    if wanted.active is not None:
        conditions.append(f"active = {wanted.active}")
    cursor.execute(
        f"SELECT id FROM products WHERE {' AND '.join(conditions)}"
        f" ORDER BY {order.key.expression} {direction}, id {direction}",
        values,
    )
    return [row[0] for row in cursor.fetchall()]


def test_every_page_by_number_and_by_cursor(cursor: Cursor, ways: str, indexes: str) -> None:
    # Every third order for each filter, and each test another third.
    start = WAYS.index(ways) + INDEXES.index(indexes)
    for number, wanted in enumerate(FILTERS):
        for order in ORDERS[(start + number) % 3 :: 3]:
            check_pages(cursor, wanted, order, ways, indexes)


def check_pages(cursor: Cursor, wanted: Filter, order: Order, ways: str, indexes: str) -> None:
    ids = expected(cursor, wanted, order)
    after = None
    for page in range(1, len(ids) // PER_PAGE + 3):
        there = ids[(page - 1) * PER_PAGE : page * PER_PAGE]
        more = page * PER_PAGE < len(ids)
        by_number = search.find(cursor, wanted, order, page=page, per_page=PER_PAGE)
        assert [product.id for product in by_number.products] == there
        assert bool(by_number.next) == more
        check_total(by_number, len(ids), ways, indexes)
        if page == 1 or after:
            by_cursor = search.find(cursor, wanted, order, per_page=PER_PAGE, after=after)
            assert [product.id for product in by_cursor.products] == there
            assert (by_cursor.page, bool(by_cursor.next)) == (page, more)
            after = by_cursor.next
    exact = search.find(cursor, wanted, order, exact_total=True)
    assert (exact.total, exact.total_is_estimate) == (len(ids), False)


def check_total(found: search.Found, total: int, ways: str, indexes: str) -> None:
    if found.total_is_estimate:
        assert ways != "counts everything"
        # The sample is the whole table here. How full the table is was last looked at before the changes.
        assert found.total == pytest.approx(total, rel=0.4 if indexes.endswith("behind") else 0.15)
    else:
        assert found.total == total


@pytest.mark.parametrize("built", [False, True])
def test_an_empty_catalogue_has_empty_pages(database_url: str, built: bool) -> None:
    if built:
        assert search_indexes.build(database_url)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        for wanted, order in itertools.product(FILTERS, ORDERS):
            found = search.find(cursor, wanted, order, page=1, per_page=PER_PAGE)
            assert (found.products, found.total, found.next) == ([], 0, None)
    connection.close()
