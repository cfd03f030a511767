"""Search by words: random searches find what plain Python finds, whatever the strategy and the search indexes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
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
from catalogue.search_indexes import TEXT_INDEX
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
