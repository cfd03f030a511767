"""Runs the migrations in one transaction, under a lock, so that processes that start together take turns."""

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from database.advisory_locks import MIGRATION_KEY
from models import SEARCH_INDEX_PREFIX, STAGING_TABLE_PREFIX, Base

LOCK_TIMEOUT_SECONDS = 60


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Staging tables belong to their job, not to the schema."""
    return not (kind == "table" and name is not None and name.startswith(STAGING_TABLE_PREFIX))


def include_object(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
    """Whether an object is compared with the models.

    Reflection leaves out the collation of an expression, so that the key's index would seem changed; a test holds it.
    Search indexes come and go with the catalogue.
    """
    return not (
        kind == "index" and name is not None and (name == "products_sku_key" or name.startswith(SEARCH_INDEX_PREFIX))
    )


engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        include_object=include_object,
    )
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL statement_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        # A lock of the transaction, not of the session: it works behind a transaction pooler too.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_KEY})
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        context.run_migrations()
    connection.commit()
engine.dispose()
