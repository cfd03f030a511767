"""Applies the migrations, each in a transaction of its own.

An advisory lock makes processes that start at the same time take turns.
"""

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.pool import NullPool

from database.advisory_locks import MIGRATION_KEY
from database.connect import (
    ENGINE_URL,
    READ_COMMITTED_SQL,
    SET_IDLE_LIMIT_SQL,
    SET_TABLE_LOCK_LIMIT_SQL,
    Component,
    connect,
)
from database.migrate import TURN_SECONDS, check_server_version, describe_oldest_revision
from models import SEARCH_INDEX_PREFIX, STAGING_TABLE_PREFIX, Base


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leave staging tables out of the comparison with the models: they belong to their jobs."""
    return not (kind == "table" and name is not None and name.startswith(STAGING_TABLE_PREFIX))


def include_object(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """Leave two kinds of indexes out of the comparison with the models.

    Search indexes come and go at run time. The unique index on SKUs would look changed, because reflection drops the
    collation of an expression; a test checks that index.
    """
    return not (
        kind == "index" and name is not None and (name == "products_sku_key" or name.startswith(SEARCH_INDEX_PREFIX))
    )


engine = create_engine(
    ENGINE_URL, poolclass=NullPool, creator=lambda: connect(context.config.attributes["url"], Component.MIGRATIONS)
)


def limit_waits(connection: Connection) -> None:
    """Limit how long a migration waits for locks at the start of its transaction, but not how long it runs."""
    driver_connection = connection.connection.dbapi_connection
    # Indexes are built concurrently outside of a transaction, in `op.get_context().autocommit_block()`.
    if driver_connection is None or driver_connection.autocommit:
        return
    with contextlib.closing(driver_connection.cursor()) as cursor:
        cursor.execute(f"{READ_COMMITTED_SQL}; {SET_IDLE_LIMIT_SQL}")
        cursor.execute(f"{SET_TABLE_LOCK_LIMIT_SQL}; SET LOCAL statement_timeout = 0")


def record_oldest_revision(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Record in the database which revision a process must know at least to use the tables."""
    for head in heads:
        for script in context.script.iterate_revisions(head, "base"):
            if ctx.connection and getattr(script.module, "phase", "contract") == "contract":
                comment = describe_oldest_revision(script.revision)
                ctx.connection.exec_driver_sql(f"COMMENT ON TABLE alembic_version IS '{comment}'")
                break


with engine.connect() as turn, engine.connect() as connection, turn.begin():
    check_server_version(turn)
    turn.execute(text(f"SET LOCAL statement_timeout = '{TURN_SECONDS}s'"))
    # The lock belongs to a transaction, not to a session, so it also works with a transaction pooler. The
    # transaction is one of its own, because each migration has another one.
    turn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_KEY})
    turn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    event.listen(connection, "begin", limit_waits)
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        include_object=include_object,
        transaction_per_migration=True,
        on_version_apply=record_oldest_revision,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
engine.dispose()
