"""Signs that a file is not the one that the client means: an earlier import of the same content, or unknown SKUs."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

from importer.jobs.repository import Job
from importer.notices import Notices

LOOKS_LIKE_ANOTHER_FILE = "looks_like_another_file"
# A file with fewer different SKUs is too small to judge.
MIN_KEYS = 20
# Files with this header used to match if at least this share of the SKUs of the last one existed; a file does not match
# if fewer than the second share exist.
USUAL_SHARE = 0.5
UNUSUAL_SHARE = 0.1

# An import that was undone left nothing behind.
FIND_SAME_CONTENT_SQL = """
SELECT filename, extract(epoch FROM clock_timestamp() - finished_at)::bigint FROM import_jobs
WHERE kind = 'import' AND status = 'completed' AND undone_by IS NULL
    AND file_sha256 = %s AND file_size = %s AND id <> %s
ORDER BY finished_at DESC LIMIT 1
"""
# The last import of a file with this header: how many of its different SKUs existed, and how many it had. Modes skip
# what they do not write: `create` skips existing products, `update` new ones.
FIND_LAST_MATCH_SQL = """
SELECT filename, keys - created_count - CASE mode WHEN 'update' THEN skipped_count ELSE 0 END, keys FROM (
    SELECT *, created_count + updated_count + unchanged_count AS keys FROM import_jobs
    WHERE kind = 'import' AND status = 'completed' AND id <> %s AND undone_by IS NULL AND file ->> 'header_key' = %s
) imports
WHERE keys >= %s ORDER BY finished_at DESC LIMIT 1
"""
HAS_PRODUCTS_SQL = "SELECT EXISTS (SELECT FROM products)"
UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60))


def notice_same_content(cursor: Cursor, job: Job, notices: Notices) -> None:
    """Add a notice if the content of the file was already imported."""
    if job.file_sha256 is None:
        return
    cursor.execute(FIND_SAME_CONTENT_SQL, (job.file_sha256, job.file_size, job.id))
    row = cursor.fetchone()
    if row:
        name, seconds = row
        age, unit = split_age(seconds)
        notices.add(
            LOOKS_LIKE_ANOTHER_FILE, details={"finding": "same_content", "name": name, "age": age, "unit": unit}
        )


def notice_unknown_skus(cursor: Cursor, job: Job, notices: Notices, *, keys: int, known: int) -> bool:
    """Add a notice if few SKUs of the file exist, and most of those of the last file with this header existed.

    `keys` is the number of different SKUs, `known` how many of them exist. Returns whether it added one.
    """
    if keys < MIN_KEYS or known >= UNUSUAL_SHARE * keys:
        return False
    cursor.execute("SELECT file ->> 'header_key' FROM import_jobs WHERE id = %s", (job.id,))
    (header_key,) = cursor.fetchone() or (None,)
    cursor.execute(FIND_LAST_MATCH_SQL, (job.id, header_key, MIN_KEYS))
    row = cursor.fetchone()
    if row is None or row[1] < USUAL_SHARE * row[2]:
        return False
    cursor.execute(HAS_PRODUCTS_SQL)
    if cursor.fetchone() != (True,):
        return False
    notices.add(LOOKS_LIKE_ANOTHER_FILE, count=keys - known, details={"finding": "unknown_skus", "name": row[0]})
    return True


def split_age(seconds: int) -> tuple[int, str]:
    """Return a duration as a whole number of its largest unit; 0 minutes if it is less than one."""
    unit, unit_seconds = next((pair for pair in UNITS if seconds >= pair[1]), UNITS[-1])
    return seconds // unit_seconds, unit
