"""Drops the tables of deletions of all products that no entry of the change log names any more.

A table and its entry are created in one transaction (importer/pipeline/deletion.py). Whatever removes the entry, such
as the end of UNDO_DAYS or the deletion of the job, need not know about the table.
"""

from __future__ import annotations

import contextlib

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection

from database.connect import SET_TABLE_LOCK_LIMIT_SQL, transaction
from models import DELETED_TABLE_PREFIX

FIND_UNNAMED_TABLES_SQL = """
SELECT relname FROM pg_class c
WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND starts_with(relname, %s)
    AND NOT EXISTS (SELECT FROM import_changes WHERE deleted_table = relname)
"""


def drop_unnamed_tables(connection: Connection) -> None:
    """Drop the tables that no entry names; leave one that another transaction is reading for the next time."""
    with transaction(connection) as cursor:
        cursor.execute(FIND_UNNAMED_TABLES_SQL, (DELETED_TABLE_PREFIX,))
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        with contextlib.suppress(errors.LockNotAvailable), transaction(connection) as cursor:
            cursor.execute(SET_TABLE_LOCK_LIMIT_SQL)
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))
