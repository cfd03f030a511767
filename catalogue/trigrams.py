"""The extension pg_trgm, whose operator class the search index of texts needs."""

from __future__ import annotations

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

OPERATOR_CLASS = "gin_trgm_ops"
# An administrator may have created it in a schema that is not in the search_path, such as `extensions` of Supabase.
FIND_SCHEMA_SQL = """
SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE'), current_user
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'
"""
CREATE_EXTENSION_SQL = "CREATE EXTENSION IF NOT EXISTS pg_trgm"


class MissingExtension(Exception):
    """The database lacks pg_trgm, or the role may not use it. The message says what to ask the administrator for."""


def find_trigrams(cursor: Cursor) -> sql.Composable:
    """Return the operator class for trigrams with its schema; create the extension if it is missing.

    Raises `MissingExtension`. The cursor's connection commits each statement.
    """
    cursor.execute(FIND_SCHEMA_SQL)
    found = cursor.fetchone()
    if found is None:
        _create_extension(cursor)
        cursor.execute(FIND_SCHEMA_SQL)
        found = cursor.fetchone()
    if found is None:
        raise MissingExtension("the extension pg_trgm was dropped while an index was built")
    schema, may_use, role = found
    if not may_use:
        raise MissingExtension(
            f"ask an administrator to run GRANT USAGE ON SCHEMA {schema} TO {role}; pg_trgm is in that schema"
        )
    return sql.Identifier(schema, OPERATOR_CLASS)


def _create_extension(cursor: Cursor) -> None:
    try:
        cursor.execute(CREATE_EXTENSION_SQL)
    except errors.InsufficientPrivilege:
        raise MissingExtension(
            "the role may not create extensions; ask an administrator to run CREATE EXTENSION pg_trgm in this database"
        ) from None
    except (errors.FeatureNotSupported, errors.UndefinedFile):
        raise MissingExtension(
            "the server lacks the extension pg_trgm; install PostgreSQL's contrib package on its machine"
        ) from None
