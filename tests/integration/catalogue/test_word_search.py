"""Search by words: random searches find what plain Python finds, whatever the strategy and the search indexes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue import index_generations, search, search_indexes
from catalogue.filters import Filter
from catalogue.sampling import sample_share
from catalogue.search_indexes import TEXT_INDEX
from catalogue.search_thresholds import Thresholds
from catalogue.sorting import SORT_KEYS, Sorting
from catalogue.text_matches import TEXT_COLUMNS
from database.skus import clean_sku
from support.database import execute
from support.search_strategies import THRESHOLDS

WORDS = [
    "lamp",
    "Lampe",
    "am",
    "BLUE",
    "100%",
    "a_b",
    "x\\y",
    "t-shirt",
    '5"',
    "Ärmel",
    "茶",
    "oak,",
    "-",
    "lamp lampe",
]
ROWS = 300
INDEXES = ["without indexes", "with indexes", "with lagging indexes", "without the index of texts"]
# Every search visits all matches on pages of this size.
PER_PAGE = 150


@dataclass(frozen=True)
class Wanted:
    """A text to look for, as a person means it."""

    text: str
    excluded: bool = False

    def written(self) -> str:
        """Return the text as a person writes it in a search."""
        quoted = f'"{self.text}"' if " " in self.text or self.text[0] in '-"' else self.text
        return f"-{quoted}" if self.excluded else quoted

    def is_met(self, *values: str) -> bool:
        """Return whether one of the values has the text, or none does if it is excluded."""
        return any(self.text.lower() in value.lower() for value in values) != self.excluded


# Parts of words and of neighbouring words. Quotes enclose a text with a space, so it cannot have others.
texts = (
    st.builds(
        lambda words, start, length: " ".join(words)[start : start + length].strip(),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
        st.integers(0, 4),
        st.integers(1, 9),
    )
    .filter(bool)
    .filter(lambda text: '"' not in text or (" " not in text and text[0] not in '-"'))
)
queries = st.lists(st.builds(Wanted, texts, st.booleans()), max_size=4)
# A minus is plain in the filters of single fields.
field_filters = st.lists(st.builds(Wanted, texts), max_size=2)


@pytest.fixture(params=INDEXES)
def cursor(request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cursor]:
    """A cursor on a random catalogue, with search indexes in one of their states."""
    chance = random.Random(request.param)

    def create(first: int, rows: int) -> None:
        values = [
            (f"{chance.choice(WORDS)}-{first + n}", *(" ".join(chance.choices(WORDS, k=k)) for k in (2, 4)), n % 3 > 0)
            for n in range(rows)
        ]
        columns = [list(column) for column in zip(*values, strict=True)]
        execute(
            database_url,
            "INSERT INTO products (sku, name, description, active)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bool[])",
            columns,
        )

    create(0, ROWS // 2 if request.param == "with lagging indexes" else ROWS)
    execute(database_url, "ANALYZE products")
    if request.param != "without indexes":
        kinds = [kind for kind in search_indexes.KINDS if kind != "text" or request.param != INDEXES[-1]]
        assert search_indexes.build_indexes(database_url, kinds)
    if request.param == "with lagging indexes":
        monkeypatch.setattr(index_generations, "SMALL_CATALOGUE_ROWS", 0)
        create(ROWS, ROWS // 10)
        assert search_indexes.build_indexes(database_url)
        create(2 * ROWS, ROWS // 2)
        execute(database_url, "UPDATE products SET name = 'lamp oak', updated_at = clock_timestamp() WHERE id % 5 = 0")
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        yield cursor


# The catalogue stays the same while hypothesis tries searches.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=queries,
    column=st.sampled_from(TEXT_COLUMNS),
    field_filter=field_filters,
    active=st.sampled_from([None, None, True, False]),
    sorting=st.builds(Sorting, st.sampled_from(list(SORT_KEYS)), st.booleans()),
)
def test_a_search_finds_what_plain_python_finds(
    cursor: Cursor,
    query: list[Wanted],
    column: str,
    field_filter: list[Wanted],
    active: bool | None,
    sorting: Sorting,
) -> None:
    cursor.execute(f"SELECT id, sku, name, description, active FROM products ORDER BY {sorting.key.expression}, id")
    expected = [
        row[0]
        for row in cursor.fetchall()
        if all(wanted.is_met(*row[1:4]) for wanted in query)
        and all(wanted.is_met(row[1 + TEXT_COLUMNS.index(column)]) for wanted in field_filter)
        and active in {None, row[4]}
    ]
    if sorting.descending:
        expected.reverse()
    texts = {"q": " ".join(map(Wanted.written, query)), column: " ".join(map(Wanted.written, field_filter))}
    product_filter = Filter(**texts, active=active)
    cursor.execute(sql.SQL("SELECT count(*) FROM products WHERE {}").format(product_filter.condition()))
    assert cursor.fetchone() == (len(expected),)
    for thresholds in THRESHOLDS.values():
        found: list[int] = []
        after = None
        while after or not found:
            page = search.find_page(
                cursor, product_filter, sorting, per_page=PER_PAGE, after=after, thresholds=thresholds
            )
            found += [product.id for product in page.products]
            after = page.next
            if not page.products:
                break
        assert found == expected
        assert page.total_is_estimate or page.total == len(expected)


def test_the_index_looks_for_several_words_wherever_they_are(database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku, name, description)"
        " SELECT 'sku-' || n, 'commonplace', 'row ' || n % 97 || ' odd ' || n % 89 FROM generate_series(1, 9700) n",
    )
    assert search_indexes.build_indexes(database_url)
    product_filter = Filter(q='commonplace "row 17" "odd 33" sku')
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        generations, _ = search_indexes.read_state(cursor)
        condition = product_filter.indexed_condition().as_string(cursor)
        indexed = generations[TEXT_INDEX][0].condition.as_string(cursor)
        cursor.execute(f"EXPLAIN SELECT id FROM products WHERE {indexed} AND {condition}")
        (scan,) = [line for (line,) in cursor.fetchall() if "Index Cond" in line]
        assert all(text in scan for text in ("row 17", "odd 33", "commonplace", "sku"))
        page = search.find_page(cursor, product_filter, Sorting())
        assert [product.id for product in page.products] == [211, 8844]


def test_the_index_of_a_large_catalogue_looks_for_the_rarest_words(database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku, name, description)"
        " SELECT 'sku-' || n, 'commonplace', CASE WHEN n % 50 = 0 THEN 'rare' ELSE 'odd' END || n % 2"
        " FROM generate_series(1, 8000) n",
    )
    assert search_indexes.build_indexes(database_url)
    product_filter = Filter(q="commonplace odd1 missing rare -sku")
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        sampled = sample_share(cursor, product_filter, 8000, tells_matches=True)
        shares = dict(zip((match.text for match in product_filter.matches), sampled.of_matches, strict=True))
        assert list(shares) == ["commonplace", "missing", "odd1", "rare", "sku"]
        # A text that the sample does not have may exist.
        assert 0 < shares["missing"] < shares["rare"] < 0.05 < 0.4 < shares["odd1"] < 0.6 < shares["commonplace"]
        condition = product_filter.indexed_condition(sampled.of_matches, enough=0.0001).as_string(cursor)
        generations, _ = search_indexes.read_state(cursor)
        indexed = generations[TEXT_INDEX][0].condition.as_string(cursor)
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN SELECT id FROM products WHERE {indexed} AND {condition}")
        (scan,) = [line for (line,) in cursor.fetchall() if "Index Cond" in line]
        assert scan.index("missing") < scan.index("rare")
        assert "odd1" not in scan
        assert "commonplace" not in scan


@pytest.mark.parametrize("text", ["\x1f", "a\x1fb", "b\x1fcc", "abc\x1fabc", "Ünï", "u\u0308nï", "lam\u200bp abc"])
def test_unusual_characters_are_found_in_one_column_only(database_url: str, text: str) -> None:
    """The index joins the columns with the character U+001F, and SKUs are compared without invisible characters."""
    texts = ["a\x1fb", "cc", "abc", "abc\x1fabc", "Ünï", "u\u0308nï", "lam\u200bp abc", "lamp abc"]
    values = [(f"{number}-{clean_sku(sku)}", name) for number, (sku, name) in enumerate(product(texts, texts))]
    execute(
        database_url,
        "INSERT INTO products (sku, name, description)"
        " SELECT sku, name, reverse(name) FROM unnest(%s::text[], %s::text[]) given (sku, name)",
        [list(column) for column in zip(*values, strict=True)],
    )
    found = []
    for with_indexes in (False, True):
        if with_indexes:
            assert search_indexes.build_indexes(database_url)
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            for column in ("q", *TEXT_COLUMNS):
                texts_of_filter: dict[str, Any] = {column: f'"{text}"'}
                page = search.find_page(cursor, Filter(**texts_of_filter), Sorting(), per_page=100)
                found.append([one.id for one in page.products])
    assert found[:4] == found[4:]
    assert [number for number, (sku, name) in enumerate(values, 1) if text.lower() in name.lower()] == found[2]


SMALL = Thresholds(small_catalogue_rows=0)
NEIGHBOURS = ["", "a", "Q", "7", "-", "\n", "é", "茶", "–", "\u0301"]


@pytest.mark.parametrize("lagging", [False, True])
def test_a_pair_of_letters_is_found_whatever_stands_beside_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, lagging: bool
) -> None:
    monkeypatch.setattr(index_generations, "SMALL_CATALOGUE_ROWS", 0)
    words = [before + "qZ" + after for before, after in product(NEIGHBOURS, repeat=2)]
    # The Kelvin sign is a K in lower case.
    words += ["\u212az", "a\u212azé", "\u0130z", "qé", "zq", "q-z"]
    texts = [
        *((word, "", "") for word in words),
        *(("", word, "") for word in words),
        *(("", "", word) for word in words),
    ]
    values = [(f"{n:03}–{sku}" if n % 2 else f"{sku}–{n:03}", *others) for n, (sku, *others) in enumerate(texts)]
    pairs = product(("q", *TEXT_COLUMNS), ("qz", "KZ", "IZ", "zq"))
    filters = [Filter(**dict[str, Any]([wanted])) for wanted in pairs]
    filters += [Filter(q="qz 00"), Filter(q="zx qz"), Filter(q='qz -"\n"', active=True)]

    def insert(rows: list[tuple[str, ...]]) -> None:
        columns = [list(column) for column in zip(*rows, strict=True)]
        execute(
            database_url,
            "INSERT INTO products (sku, name, description) SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])",
            columns,
        )

    def find(product_filter: Filter, thresholds: Thresholds = SMALL) -> list[int]:
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            page = search.find_page(cursor, product_filter, Sorting(), per_page=500, thresholds=thresholds)
            assert page.total == len(page.products)
            return [one.id for one in page.products]

    insert(values)
    expected = [find(product_filter) for product_filter in filters]
    assert len(expected[0]) == 3 * len(NEIGHBOURS) ** 2
    if lagging:
        execute(database_url, "TRUNCATE products RESTART IDENTITY")
        for start in (0, 100, 200):
            insert(values[start : start + 100])
            assert search_indexes.build_indexes(database_url)
        insert(values[300:])
    else:
        assert search_indexes.build_indexes(database_url)
    assert [find(product_filter) for product_filter in filters] == expected
    many_mixed = replace(SMALL, max_mixed_rows=10)
    assert [find(product_filter, many_mixed) for product_filter in filters] == expected
    # Without the index of mixed texts, the search reads the table.
    name = "SELECT relname FROM pg_class WHERE relname LIKE 'products\\_search\\_mixed%'"
    execute(database_url, f"DROP INDEX {', '.join(one for (one,) in execute(database_url, name))}")
    assert [find(product_filter) for product_filter in filters] == expected


def test_a_rare_pair_of_letters_is_looked_for_in_indexes_alone(database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku, name, description)"
        " SELECT 'sku-' || n, 'lamp', CASE n WHEN 7 THEN 'aqza' WHEN 8 THEN 'éqzé' ELSE '' END"
        " FROM generate_series(1, 20000) n",
    )
    assert search_indexes.build_indexes(database_url)
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOAD 'auto_explain'")
        cursor.execute("SET auto_explain.log_min_duration = 0; SET client_min_messages = log")
        for max_mixed_rows, uses_indexes in ((1, True), (0, False)):
            connection.notices.clear()
            thresholds = replace(SMALL, max_mixed_rows=max_mixed_rows)
            page = search.find_page(cursor, Filter(q="qz"), Sorting(), thresholds=thresholds)
            assert [one.id for one in page.products] == [7, 8]
            plan = "".join(connection.notices).partition("TABLESAMPLE")[2]
            assert ("using products_search_mixed" in plan) == ("Scan on products_search_joined" in plan) == uses_indexes
            assert ("Seq Scan on products" in plan) != uses_indexes
