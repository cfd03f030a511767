"""Single migrations, and what they do to others who use the products meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from support.paths import ROOT

# Locks that keep others from reading or from writing.
BLOCKING_MODES = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
# Rows that were changed stay locked until the transaction ends.
MAX_CHANGED_ROWS = 1000
READ_TRACES_SQL = """
SELECT
    pg_relation_filenode('products'),
    (
        SELECT coalesce(array_agg(mode ORDER BY mode), '{}') FROM pg_locks
        WHERE pid = pg_backend_pid() AND granted AND relation = 'products'::regclass AND mode = ANY (%s)
    ),
    pg_stat_get_xact_tuples_returned('products'::regclass),
    pg_stat_get_xact_tuples_updated('products'::regclass) + pg_stat_get_xact_tuples_deleted('products'::regclass)
"""


def create_alembic_config(url: str) -> Config:
    """Return Alembic's configuration for the database at `url`."""
    alembic_config = Config()
    alembic_config.set_main_option("script_location", str(ROOT / "migrations"))
    alembic_config.attributes["url"] = url
    return alembic_config


@dataclass(frozen=True)
class ProductTraces:
    """What a transaction has done to the products so far."""

    filenode: int
    locks: tuple[str, ...]
    rows_read: int
    rows_changed: int


def read_traces(connection: Connection) -> ProductTraces:
    """Return what the transaction of this connection has done to the products so far."""
    row = connection.exec_driver_sql(READ_TRACES_SQL, (list(BLOCKING_MODES),)).one()
    filenode, locks, rows_read, rows_changed = row
    return ProductTraces(filenode, tuple(locks), rows_read, rows_changed)


def find_faults(before: ProductTraces, after: ProductTraces) -> list[str]:
    """Return why a transaction blocks others who use the products, for as long as it takes to go through all rows.

    It judges by what the transaction does, not by its time. A lock that is held for a moment only is no fault.
    """
    faults = []
    if after.filenode != before.filenode:
        faults.append("rewrites the table")
    if after.locks and after.rows_read > before.rows_read:
        faults.append(f"reads all rows while it holds {', '.join(after.locks)}")
    # Building an index reads the rows without counting them.
    if "ShareLock" in after.locks:
        faults.append("holds ShareLock, as building an index does without CONCURRENTLY")
    if after.rows_changed - before.rows_changed > MAX_CHANGED_ROWS:
        faults.append(f"changes more than {MAX_CHANGED_ROWS} rows in one transaction")
    return faults


def migrate_one(connection: Connection, config: Config, revision: str) -> ProductTraces:
    """Apply the migration `revision` to a database that has the one before.

    Return what it has done to the products, as of the end of its transaction. As in `migrations/env.py`, a migration
    may leave its transaction to build an index concurrently.
    """
    script = ScriptDirectory.from_config(config)
    traces = []

    def find_steps(current: str, _: MigrationContext) -> list[RevisionStep]:
        return script._upgrade_revs(revision, current)

    with EnvironmentContext(config, script, fn=find_steps) as environment:
        environment.configure(
            connection=connection,
            transaction_per_migration=True,
            on_version_apply=lambda **_: traces.append(read_traces(connection)),
        )
        with environment.begin_transaction():
            environment.run_migrations()
    connection.commit()
    (result,) = traces
    return result
