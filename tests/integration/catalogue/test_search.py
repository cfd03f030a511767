"""Search: every filter, sorting, page and page token, with every strategy, with and without search indexes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor

from catalogue import index_generations, search, search_indexes
from catalogue.filters import Filter
from catalogue.sorting import SORT_KEYS, Sorting
from catalogue.text_matches import TEXT_COLUMNS
from support.database import execute
from support.search_strategies import EXACT_COUNTS, THRESHOLDS

WORDS = ["lamp", "Lampe", "BLUE", "100%", "a_b", "Straße", "İstanbul", "茶", "x\\y", "", "chair"]
# Names in both parts of the index, some of which share all but their last letter.
LONG_NAMES = [letter * 499 + end for letter in "Äß🧦" for end in "ZaÅ"] + ["茶" * 333, "茶" * 334]
FILTERS = [
    Filter(),
    Filter(active=False),
    Filter(active=True),
    Filter(q="lamp"),
    Filter(q="LAMP", active=True),
    Filter(name="blue"),
    Filter(description="chair", name="lamp"),
    Filter(sku="k-1"),
    Filter(sku="22"),
    Filter(q="0%"),
    Filter(q="a_b"),
    Filter(q="x\\y"),
    Filter(q="茶"),
    Filter(q="straße"),
    Filter(q="no such product"),
]
PER_PAGE = 90
SORTINGS = [Sorting(by, descending) for by in SORT_KEYS for descending in (False, True)]

STRATEGIES = list(THRESHOLDS)
INDEXES = [
    "without indexes",
    "with indexes",
    "with outdated indexes",
    "with an incomplete generation",
    "with indexes of different ages",
]


@pytest.fixture
def cursor(database_url: str) -> Iterator[Cursor]:
    """A cursor on a catalogue of 600 products, many of which share names, times and states."""
    chance = random.Random(3)
    names = WORDS + LONG_NAMES
    rows = [
        (f"{chance.choice('kKx')}-{number}", chance.choice(names), " ".join(chance.choices(WORDS, k=2)), number % 3 > 0)
        for number in range(600)
    ]
    for offset in range(0, len(rows), 100):
        values = list(itertools.chain.from_iterable(rows[offset : offset + 100]))
        placeholders = ",".join(["(%s,%s,%s,%s)"] * 100)
        execute(database_url, f"INSERT INTO products (sku, name, description, active) VALUES {placeholders}", values)
    execute(database_url, "ANALYZE products")
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.fixture(params=INDEXES)
def indexes(request: pytest.FixtureRequest, database_url: str, cursor: Cursor, monkeypatch: pytest.MonkeyPatch) -> str:
    """The state of the search indexes."""
    if request.param != "without indexes":
        assert search_indexes.build_indexes(database_url)
    if request.param == "with outdated indexes":
        monkeypatch.setattr(index_generations, "SMALL_CATALOGUE_ROWS", 0)
        for rows in (60, 9):
            sql = f"UPDATE products SET name = 'lamp {rows}', updated_at = clock_timestamp() WHERE id % 600 < {rows}"
            execute(database_url, sql)
            assert search_indexes.build_indexes(database_url)
        assert {len(chain) for chain in search_indexes.find_generations(cursor).values()} == {3}
        execute(database_url, "UPDATE products SET name = 'Lamp new', updated_at = clock_timestamp() WHERE id % 7 = 0")
        execute(
            database_url, "INSERT INTO products (sku, name) SELECT 'new-' || n, 'blue' FROM generate_series(1,40) n"
        )
        execute(database_url, "DELETE FROM products WHERE id % 11 = 0")
    if request.param == "with an incomplete generation":
        for part in ("joined", "longname"):
            pattern = f"products_search_{part}_%"
            ((name,),) = execute(database_url, "SELECT relname FROM pg_class WHERE relname LIKE %s", (pattern,))
            execute(database_url, f"DROP INDEX {name}")
    if request.param == "with indexes of different ages":
        execute(database_url, "UPDATE products SET active = NOT active, updated_at = clock_timestamp() WHERE id < 200")
        assert search_indexes.build_indexes(database_url, ["text"])
        execute(database_url, "UPDATE products SET name = 'lamp', updated_at = clock_timestamp() WHERE id < 100")
        assert search_indexes.build_indexes(database_url, ["name"])
    return str(request.param)


def find_ids(cursor: Cursor, product_filter: Filter, sorting: Sorting) -> list[int]:
    """Return the ids of all matches in order, by a plain query that shares no code with the search."""
    direction = "DESC" if sorting.descending else "ASC"
    conditions, values = ["true"], []
    for column in TEXT_COLUMNS:
        if text := getattr(product_filter, column):
            conditions.append(f"strpos(lower({column}), lower(%s)) > 0")
            values.append(text)
    if product_filter.q:
        in_any_column = " OR ".join(f"strpos(lower({column}), lower(%s)) > 0" for column in TEXT_COLUMNS)
        conditions.append(f"({in_any_column})")
        values += [product_filter.q] * len(TEXT_COLUMNS)
    if product_filter.active is not None:
        conditions.append(f"active = {product_filter.active}")
    cursor.execute(
        f"SELECT id FROM products WHERE {' AND '.join(conditions)}"
        f" ORDER BY {sorting.key.expression} {direction}, id {direction}",
        values,
    )
    return [row[0] for row in cursor.fetchall()]


@pytest.mark.thorough("fetches everything")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_page_is_right_by_number_and_by_token(cursor: Cursor, strategy: str, indexes: str) -> None:
    # Each filter is tried with an eighth of the sortings; other parameters of this test try the others.
    start = STRATEGIES.index(strategy) + INDEXES.index(indexes)
    for number, product_filter in enumerate(FILTERS):
        for sorting in SORTINGS[(start + number) % 8 :: 8]:
            check_pages(cursor, product_filter, sorting, strategy, indexes)


def check_pages(cursor: Cursor, product_filter: Filter, sorting: Sorting, strategy: str, indexes: str) -> None:
    ids = find_ids(cursor, product_filter, sorting)
    thresholds = THRESHOLDS[strategy]
    after = None
    for page in range(1, len(ids) // PER_PAGE + 3):
        expected_ids = ids[(page - 1) * PER_PAGE : page * PER_PAGE]
        has_next = page * PER_PAGE < len(ids)
        by_number = search.find_page(
            cursor, product_filter, sorting, page=page, per_page=PER_PAGE, thresholds=thresholds
        )
        assert [product.id for product in by_number.products] == expected_ids
        assert bool(by_number.next) == has_next
        check_total(by_number, len(ids), strategy, indexes)
        if page == 1 or after:
            by_token = search.find_page(
                cursor, product_filter, sorting, per_page=PER_PAGE, after=after, thresholds=thresholds
            )
            assert [product.id for product in by_token.products] == expected_ids
            assert (by_token.page, bool(by_token.next)) == (page, has_next)
            after = by_token.next
    exact = search.find_page(cursor, product_filter, sorting, exact_total=True, thresholds=thresholds)
    assert (exact.total, exact.total_is_estimate) == (len(ids), False)


def check_total(page: search.ProductPage, total: int, strategy: str, indexes: str) -> None:
    if page.total_is_estimate:
        assert strategy != EXACT_COUNTS
        # The sample is the whole table here, but the number of rows per page is from the ANALYZE before the changes.
        assert page.total == pytest.approx(total, rel=0.4 if indexes == "with outdated indexes" else 0.15)
    else:
        assert page.total == total


@pytest.mark.parametrize("with_indexes", [False, True])
def test_an_empty_catalogue_has_empty_pages(database_url: str, with_indexes: bool) -> None:
    if with_indexes:
        assert search_indexes.build_indexes(database_url)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        for product_filter, sorting in itertools.product(FILTERS, SORTINGS):
            page = search.find_page(cursor, product_filter, sorting, page=1, per_page=PER_PAGE)
            assert (page.products, page.total, page.next) == ([], 0, None)
    connection.close()
