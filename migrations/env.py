"""Applies the migrations in one transaction.

An advisory lock makes processes that start at the same time take turns.
"""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from database.advisory_locks import MIGRATION_KEY
from database.connect import ENGINE_URL, READ_COMMITTED_SQL, SET_IDLE_LIMIT_SQL, Component, connect
from database.migrate import check_server_version
from models import SEARCH_INDEX_PREFIX, STAGING_TABLE_PREFIX, Base

LOCK_TIMEOUT_SECONDS = 60


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
with engine.connect() as connection:
    check_server_version(connection)
    connection.rollback()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        include_object=include_object,
    )
    with context.begin_transaction():
        connection.execute(text(f"{READ_COMMITTED_SQL}; {SET_IDLE_LIMIT_SQL}"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        # The lock belongs to the transaction, not to the session, so it also works with a transaction pooler.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_KEY})
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        context.run_migrations()
    connection.commit()
engine.dispose()
