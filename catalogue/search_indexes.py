"""The search indexes: partial indexes that cost writers nothing and are rebuilt in the background.

Keeping a trigram index current with every row makes an import 5 to 13 times slower. So each search index covers only
the products that were last updated in a period of the past, which is part of its condition and of its name. Every write
sets `updated_at` to the current time, so the row leaves the indexes, and PostgreSQL adds no entry for its new version.
Only the undo of a deletion writes rows with an `updated_at` of the past; see `make_way`.

There are several kinds of search indexes, each with a chain of generations (catalogue/index_generations.py). A search
unites the generations of the kind that it needs, and reads the recent products, those updated since the last one ended,
through `products_updated_at_idx`. When there are too many recent products, a worker builds a new generation of each
kind and drops those that it replaces (catalogue/search_index_builder.py). Searches always give the right products, even
while indexes are built or dropped, if only some kinds could be built, or after a build was killed. Only their speed
varies.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue import search_index_builds
from catalogue.build_connection import BuildConnection, BuildYielded, JobWatch
from catalogue.index_generations import EPOCH, SMALL_CATALOGUE_ROWS, Generation, find_chain, parse_generation
from catalogue.index_plans import plan_generations
from catalogue.table_upkeep import keep_up
from catalogue.text_matches import JOINED_TEXTS, MIXED_SQL
from catalogue.trigrams import MissingExtension, find_trigrams
from database.advisory_locks import SEARCH_INDEX_BUILD_KEY, try_lock
from database.connect import SET_TABLE_LOCK_LIMIT_SQL, Component, connected
from database.server_cores import read_cores
from models import SEARCH_INDEX_PREFIX

log = logging.getLogger(__name__)

# A search reads every recent product; a thousand of them take about two milliseconds. A build reads the whole table.
# So a new generation is due when more than `USUAL_RECENT_SHARE` of all products are recent, at least `MIN_DUE_ROWS` and
# at most `MAX_RECENT_ROWS`. In a catalogue of many millions, it is due when more than `MAX_RECENT_SHARE` are. A build
# indexes all products of a small catalogue, so there it is due beyond `MAX_RECENT_ROWS` only. See `limit_recent`.
MAX_RECENT_ROWS = 10_000
MAX_RECENT_SHARE = 0.001
USUAL_RECENT_SHARE = 0.005
MIN_DUE_ROWS = 2_500

# If more than this share of all products gets a former `updated_at` back, the index of texts is built again.
MAX_RESTORED_SHARE = 0.1

# `client_connection_check_interval` makes PostgreSQL stop the build when its worker has died.
BUILD_SETTINGS_SQL = """
SET maintenance_work_mem = '256MB';
SET client_connection_check_interval = '1s';
SELECT set_config(
    'max_parallel_maintenance_workers',
    least(current_setting('max_parallel_maintenance_workers')::int, {parallel_workers})::text, false
)
"""
CREATE_INDEX_SQL = "CREATE INDEX CONCURRENTLY {} ON products {} WHERE {} AND {}"


@dataclass(frozen=True)
class IndexPart:
    """A PostgreSQL index that is a part of a search index, or the whole of it.

    The parts together cover all products, except for the index of mixed texts.

    `condition` is the SQL condition of the products that the part covers.
    """

    name: str
    definition: str
    condition: str = "true"


# The operator class of the extension pg_trgm. Its schema stands in its place in the definition of an index.
TRIGRAMS = "{trigrams}"
TEXT_INDEX, NAME_INDEX, SKU_INDEX, ACTIVE_INDEX, CREATED_INDEX = "text", "name", "sku", "active", "created"
MIXED_INDEX = "mixed"
# An entry of a B-tree has at most 2,704 bytes. A name has up to 2,000 bytes in UTF-8, and `lower()` makes it longer by
# half at most. So an entry cannot hold a name and its lower-case form if the name is long. Names beyond this length are
# in an index of their own.
MAX_INCLUDED_NAME_BYTES = 1000
# The kinds of search indexes, in the order in which they are built. The small ones of the sort orders are first: within
# a fraction of the time that the index of texts takes, they make the product list fast, and searches for common texts.
# The last one is for deep pages only.
SEARCH_INDEXES: dict[str, tuple[IndexPart, ...]] = {
    ACTIVE_INDEX: (IndexPart("active", "USING btree (active, id)"),),
    CREATED_INDEX: (IndexPart("created", "USING btree (created_at, id)"),),
    # The included columns allow index-only scans, without which deep pages would read the table.
    NAME_INDEX: (
        IndexPart(
            "name",
            'USING btree ((lower(name) COLLATE "C"), id) INCLUDE (name)',
            f"octet_length(name) <= {MAX_INCLUDED_NAME_BYTES}",
        ),
        IndexPart(
            "longname",
            'USING btree ((lower(name) COLLATE "C"), id)',
            f"octet_length(name) > {MAX_INCLUDED_NAME_BYTES}",
        ),
    ),
    # See catalogue/text_matches.py.
    MIXED_INDEX: (IndexPart("mixed", "USING btree (id)", MIXED_SQL),),
    TEXT_INDEX: (IndexPart("joined", f"USING gin (sku {TRIGRAMS}, name {TRIGRAMS}, {JOINED_TEXTS} {TRIGRAMS})"),),
    SKU_INDEX: (IndexPart("sku", 'USING btree ((lower(sku) COLLATE "C")) INCLUDE (sku, id)'),),
}
KINDS = tuple(SEARCH_INDEXES)
KIND_OF_PART = {part.name: kind for kind, parts in SEARCH_INDEXES.items() for part in parts}

LIST_INDEXES_SQL = """
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'products'::regclass AND c.relname ~ '^products_search_[a-z]+(_[0-9]+){1,2}$'
"""
# The planner's own estimate: the table's present size times the rows per page that the last ANALYZE found.
ESTIMATE_ROWS_SQL = """
SELECT (pg_relation_size(oid) / current_setting('block_size')::int
    * CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages ELSE 30 END)::bigint
FROM pg_class WHERE oid = 'products'::regclass
"""
READ_STATE_SQL = f"""
SELECT ARRAY(SELECT relname::text FROM ({LIST_INDEXES_SQL}) indexes WHERE indisvalid), ({ESTIMATE_ROWS_SQL})
"""
ESTIMATE_INDEXED_SQL = "SELECT coalesce(sum(reltuples), 0)::bigint FROM pg_class WHERE relname = ANY (%s)"
COUNT_RECENT_SQL = "SELECT count(*) FROM (SELECT FROM products WHERE updated_at >= %s LIMIT %s) recent"
MAX_REPORTED_RECENT_ROWS = 100_000

# The generations of each kind of search index that has any.
Generations = dict[str, tuple[Generation, ...]]


class IndexBuildError(Exception):
    """Some search indexes could not be built. The message says which, and why."""


@dataclass(frozen=True)
class SearchIndexHealth:
    """How current the search indexes are.

    `age_seconds` is the age of the oldest kind of index, None if a kind is missing. `recent_rows` is the number of
    products that it does not cover, counted up to `MAX_REPORTED_RECENT_ROWS`. `error` says why the last build failed.
    """

    age_seconds: float | None
    recent_rows: int
    error: str | None


def index_name(part: IndexPart, generation: Generation) -> str:
    """Return the name of an index: that of its part, and its period."""
    return f"{SEARCH_INDEX_PREFIX}{part.name}_{generation.suffix}"


def read_name(name: str) -> tuple[str, Generation]:
    """Return the part and the generation that are in the name of an index."""
    part, _, suffix = name.removeprefix(SEARCH_INDEX_PREFIX).partition("_")
    return part, parse_generation(suffix)


def find_generations(cursor: Cursor) -> Generations:
    """Return the complete generations of each kind of search index. A kind without any is left out."""
    cursor.execute(LIST_INDEXES_SQL)
    return _complete_generations({name for name, valid in cursor.fetchall() if valid})


def read_state(cursor: Cursor) -> tuple[Generations, int]:
    """Return what `find_generations` and `estimate_rows` return, in one round trip."""
    cursor.execute(READ_STATE_SQL)
    names, rows = cursor.fetchone() or ([], 0)
    return _complete_generations(set(names)), int(rows)


def _complete_generations(valid_names: set[str]) -> Generations:
    found = {generation for _, generation in map(read_name, valid_names)}
    chains = {
        kind: find_chain(one for one in found if all(index_name(part, one) in valid_names for part in parts))
        for kind, parts in SEARCH_INDEXES.items()
    }
    return {kind: chain for kind, chain in chains.items() if chain}


def _ends(generations: Generations) -> dict[str, datetime]:
    """Return where the recent products of each kind begin."""
    return {kind: generations[kind][-1].until if kind in generations else EPOCH for kind in KINDS}


def estimate_rows(cursor: Cursor) -> int:
    """Return about how many products there are, without counting them."""
    cursor.execute(ESTIMATE_ROWS_SQL)
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)


def estimate_indexed(cursor: Cursor, kind: str, chain: Sequence[Generation]) -> int:
    """Return about how many products are in the indexes of a kind, without counting them."""
    names = [index_name(part, generation) for part in SEARCH_INDEXES[kind] for generation in chain]
    cursor.execute(ESTIMATE_INDEXED_SQL, (names,))
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)


def find_outdated(cursor: Cursor) -> list[str]:
    """Return the kinds whose indexes leave out so many recent products that another generation is worth building."""
    limit = limit_recent(estimate_rows(cursor))
    ends = _ends(find_generations(cursor))
    outdated = {end for end in set(ends.values()) if _count_recent(cursor, end, limit + 1) > limit}
    return [kind for kind, end in ends.items() if end in outdated]


def limit_recent(catalogue_rows: int) -> int:
    """Return how many recent products a catalogue of this size may have before another generation is worth building."""
    usual_rows: float = MAX_RECENT_ROWS
    if catalogue_rows > SMALL_CATALOGUE_ROWS:
        usual_rows = min(MAX_RECENT_ROWS, max(MIN_DUE_ROWS, USUAL_RECENT_SHARE * catalogue_rows))
    return int(max(usual_rows, MAX_RECENT_SHARE * catalogue_rows))


def find_due(cursor: Cursor) -> list[str]:
    """Return the kinds to build now: those that are outdated, except those whose last build has just failed."""
    outdated = find_outdated(cursor)
    if not outdated:
        return []
    backing_off = search_index_builds.find_backing_off(cursor)
    return [kind for kind in outdated if kind not in backing_off]


def make_way(cursor: Cursor, restored_rows: int) -> None:
    """Drop the index of texts if `restored_rows` are many, before the undo of a deletion inserts these products.

    With their former `updated_at` they belong to the old generations. Their entries in the index of texts would take
    several times as long as everything else. The other kinds of search indexes cost little. The next build makes the
    index again. Raises `psycopg2.errors.LockNotAvailable` if others use the table for long.
    """
    if restored_rows <= max(MAX_RECENT_ROWS, MAX_RESTORED_SHARE * (estimate_rows(cursor) + restored_rows)):
        return
    cursor.execute(LIST_INDEXES_SQL)
    names = [name for name, _ in cursor.fetchall() if KIND_OF_PART.get(read_name(name)[0]) == TEXT_INDEX]
    # After a large deletion there often is an autovacuum of the table.
    cursor.execute(SET_TABLE_LOCK_LIMIT_SQL)
    for name in names:
        cursor.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(name)))


def check_health(cursor: Cursor) -> SearchIndexHealth:
    """Return how current the search indexes are, and what is wrong with them."""
    oldest = min(_ends(find_generations(cursor)).values())
    is_complete = oldest > EPOCH
    cursor.execute("SELECT extract(epoch FROM clock_timestamp() - %s)::float8", (oldest,))
    (age_seconds,) = cursor.fetchone() or (0.0,)
    return SearchIndexHealth(
        round(age_seconds, 3) if is_complete else None,
        _count_recent(cursor, oldest, MAX_REPORTED_RECENT_ROWS),
        search_index_builds.find_error(cursor),
    )


def count_recent(cursor: Cursor, chain: Sequence[Generation], limit: int) -> int:
    """Return how many products were updated since the last generation of a chain ended, at most `limit`."""
    return _count_recent(cursor, chain[-1].until, limit)


def _count_recent(cursor: Cursor, cutoff: datetime, limit: int) -> int:
    cursor.execute(COUNT_RECENT_SQL, (cutoff, limit))
    (recent,) = cursor.fetchone() or (0,)
    return int(recent)


def build_indexes(
    url: str, kinds: Iterable[str] = KINDS, *, pooled: bool = False, watch: JobWatch | None = None
) -> bool:
    """Build another generation of each of these kinds and drop those that it replaces; also keep up the table.

    Returns False, without building, if another process is building. Raises `IndexBuildError` if an index cannot be
    built; the others are built nevertheless. Readers and writers carry on meanwhile.
    `pooled` says that the database is behind a transaction pooler. The build then changes no session settings, because
    they would leak into other sessions. The process may be killed at any point; the next build removes what is left.

    With a `watch`, the build stops when a job starts, and raises `BuildYielded`. The kinds that it has finished count.
    """
    with _building(url, pooled=pooled, watch=watch) as build:
        if build is None:
            return False
        problems: dict[str, str] = {}
        try:
            _drop_unused(build)
            problems |= keep_up(build.connection, build.cursor, estimate_rows)
            for kind, generations in _plan(build.cursor, kinds).items():
                for generation in generations:
                    if problem := _try_build(build, kind, generation):
                        problems[kind] = problem
                        break
        except BuildYielded:
            if not problems:
                raise
    if problems:
        raise IndexBuildError("; ".join(f"{kind}: {problem}" for kind, problem in problems.items()))
    return True


@dataclass(frozen=True)
class _Build:
    """A build in progress: the connection for its long statements, and a cursor for the others."""

    connection: BuildConnection
    cursor: Cursor


@contextmanager
def _building(url: str, *, pooled: bool, watch: JobWatch | None) -> Iterator[_Build | None]:
    """Yield a build while no other process builds; None if another process is building."""
    with (
        connected(url, Component.SEARCH_INDEX) as lock_connection,
        connected(url, Component.SEARCH_INDEX) as connection,
        lock_connection,
        lock_connection.cursor() as lock_cursor,
    ):
        # The lock belongs to a transaction, because session locks do not work behind a pooler. The transaction stays
        # idle and holds no snapshot, so CREATE INDEX CONCURRENTLY and VACUUM do not wait for it.
        lock_cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if not try_lock(lock_cursor, SEARCH_INDEX_BUILD_KEY):
            yield None
            return
        connection.autocommit = True
        with connection.cursor() as cursor, BuildConnection(url, watch) as build_connection:
            if not pooled:
                settings = BUILD_SETTINGS_SQL.format(parallel_workers=_count_parallel_workers(cursor))
                build_connection.run(settings)
            yield _Build(build_connection, cursor)


def _count_parallel_workers(cursor: Cursor) -> int:
    """Return how many processes may help to build an index, so that a build uses at most half of the cores."""
    cores = read_cores(cursor)
    return max(0, cores // 2 - 1) if cores else 0


def _plan(cursor: Cursor, kinds: Iterable[str]) -> dict[str, list[Generation]]:
    """Return the generations to build now of each of these kinds. The last of each ends now."""
    cursor.execute("SELECT clock_timestamp()")
    (now,) = cursor.fetchone() or (EPOCH,)
    rows = estimate_rows(cursor)
    current = find_generations(cursor)
    # Most kinds have the same chain. Only the index of texts takes long enough to be divided.
    plans: dict[tuple[tuple[Generation, ...], bool], list[Generation]] = {}
    keys = {kind: (current.get(kind, ()), kind == TEXT_INDEX) for kind in kinds}
    for chain, divided in set(keys.values()):
        plans[chain, divided] = plan_generations(cursor, chain, now, rows, divided=divided)
    return {kind: plans[key] for kind, key in keys.items()}


def _try_build(build: _Build, kind: str, generation: Generation) -> str | None:
    """Build a generation of a kind, and record the result; return what is wrong if it cannot be built.

    Raises `psycopg2.Error` if the connection is lost. The attempt has been recorded by then, so an index whose build
    takes the server down is not built again at once. A build that yields to a job is no such attempt.
    """
    search_index_builds.record_start(build.cursor, kind)
    problem = None
    try:
        trigrams = find_trigrams(build.cursor) if kind == TEXT_INDEX else sql.SQL("")
        for part in SEARCH_INDEXES[kind]:
            build.connection.run(
                sql.SQL(CREATE_INDEX_SQL).format(
                    sql.Identifier(index_name(part, generation)),
                    sql.SQL(part.definition).format(trigrams=trigrams),
                    generation.condition,
                    sql.SQL(part.condition),
                )
            )
    except BuildYielded:
        # What is left of the index is dropped by the next build, because that would hold up the job.
        search_index_builds.record_yield(build.cursor, kind)
        raise
    except MissingExtension as error:
        problem = str(error)
        search_index_builds.record_failure(build.cursor, kind, problem)
    except psycopg2.Error as error:
        if build.connection.is_closed or build.cursor.connection.closed:
            raise
        problem = str(error).strip().partition("\n")[0]
        search_index_builds.record_failure(build.cursor, kind, problem)
    else:
        search_index_builds.record_success(build.cursor, kind)
    _drop_unused(build)
    return problem


def _drop_unused(build: _Build) -> None:
    """Drop every index that no search uses: an invalid, incomplete or replaced one, or one of an unknown kind."""
    generations = find_generations(build.cursor)
    build.cursor.execute(LIST_INDEXES_SQL)
    for name, valid in build.cursor.fetchall():
        part, generation = read_name(name)
        if not valid or generation not in generations.get(KIND_OF_PART.get(part, ""), ()):
            build.connection.run(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))
