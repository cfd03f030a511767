"""The rows of uploads that can be resumed: which bytes have arrived, and which request may write the next ones.

A request acquires an upload by a new fence. Each of its writes names that fence, so a request that was replaced by a
newer one, in this process or in another, changes nothing any more.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

LIFETIME_HOURS = 24
EXPIRY_SQL = f"clock_timestamp() + interval '{LIFETIME_HOURS} hours'"
COLUMNS_SQL = (
    "id::text, filename, metadata, options, length_bytes, offset_bytes, state, fence::text, expires_at,"
    " finished_at IS NOT NULL"
)
OF_OWNER_SQL = (
    "actor_type = %(actor_type)s AND actor_id IS NOT DISTINCT FROM %(actor_id)s AND expires_at > clock_timestamp()"
)
OWNED_SQL = f"id = %(id)s AND {OF_OWNER_SQL}"
COUNT_UNFINISHED_SQL = f"SELECT count(*) FROM uploads WHERE finished_at IS NULL AND {OF_OWNER_SQL}"
INSERT_SQL = f"""
INSERT INTO uploads (id, actor_type, actor_id, filename, metadata, options, length_bytes, expires_at)
VALUES (%(id)s, %(actor_type)s, %(actor_id)s, %(filename)s, %(metadata)s, %(options)s, %(length)s, {EXPIRY_SQL})
RETURNING {COLUMNS_SQL}
"""
FIND_SQL = f"SELECT {COLUMNS_SQL} FROM uploads WHERE {OWNED_SQL}"
ACQUIRE_SQL = f"""
UPDATE uploads SET fence = %(fence)s, expires_at = CASE WHEN finished_at IS NULL THEN {EXPIRY_SQL} ELSE expires_at END
WHERE {OWNED_SQL} RETURNING {COLUMNS_SQL}
"""
HOLDS_FENCE_SQL = "id = %(id)s AND fence = %(fence)s AND finished_at IS NULL"
CHECK_FENCE_SQL = f"SELECT FROM uploads WHERE {HOLDS_FENCE_SQL}"
SAVE_SQL = f"""
UPDATE uploads SET offset_bytes = %(offset)s, state = %(state)s, expires_at = {EXPIRY_SQL} WHERE {HOLDS_FENCE_SQL}
RETURNING {COLUMNS_SQL}
"""
FINISH_SQL = f"""
UPDATE uploads SET offset_bytes = length_bytes, state = '{{}}', finished_at = clock_timestamp() WHERE {HOLDS_FENCE_SQL}
"""
DELETE_SQL = f"DELETE FROM uploads WHERE {OWNED_SQL} RETURNING {COLUMNS_SQL}"
DELETE_FENCED_SQL = f"DELETE FROM uploads WHERE {HOLDS_FENCE_SQL}"
DELETE_EXPIRED_SQL = f"DELETE FROM uploads WHERE expires_at < clock_timestamp() RETURNING {COLUMNS_SQL}"
LIST_UNFINISHED_SQL = "SELECT id::text FROM uploads WHERE finished_at IS NULL"


class FenceLost(Exception):
    """A newer request has acquired the upload, or it was removed."""


class ResumableUpload(NamedTuple):
    """An upload as its row has it: the columns of `COLUMNS_SQL`, in that order."""

    id: str
    filename: str
    metadata: str
    options: dict[str, Any]
    length: int
    offset: int
    state: dict[str, Any]
    fence: str | None
    expires_at: datetime
    is_finished: bool

    @property
    def stored_name(self) -> str:
        """The name of the file in the storage."""
        return f"{self.id}.upload"


class Owner(NamedTuple):
    """Whose upload it is: the type and the id of an actor."""

    actor_type: str
    actor_id: int | None


def create(
    cursor: Cursor, owner: Owner, *, filename: str, metadata: str, options: dict[str, Any], length: int
) -> ResumableUpload:
    """Insert an upload of `length` bytes and return it."""
    values = {"id": str(uuid.uuid4()), "filename": filename, "metadata": metadata, "length": length}
    cursor.execute(INSERT_SQL, {**values, **owner._asdict(), "options": Json(options)})
    return ResumableUpload(*cursor.fetchone() or ())


def count_unfinished(cursor: Cursor, owner: Owner) -> int:
    """Return how many uploads of the owner wait for bytes."""
    cursor.execute(COUNT_UNFINISHED_SQL, owner._asdict())
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def find(cursor: Cursor, upload_id: str, owner: Owner) -> ResumableUpload | None:
    """Return an upload, if the owner has it and it has not expired."""
    cursor.execute(FIND_SQL, {"id": upload_id, **owner._asdict()})
    row = cursor.fetchone()
    return ResumableUpload(*row) if row else None


def acquire(cursor: Cursor, upload_id: str, owner: Owner) -> ResumableUpload | None:
    """Return an upload with a new fence, if the owner has it and it has not expired. Older requests lose theirs."""
    cursor.execute(ACQUIRE_SQL, {"id": upload_id, "fence": str(uuid.uuid4()), **owner._asdict()})
    row = cursor.fetchone()
    return ResumableUpload(*row) if row else None


def check_fence(cursor: Cursor, upload: ResumableUpload) -> None:
    """Raise `FenceLost` if the request may no longer write."""
    cursor.execute(CHECK_FENCE_SQL, {"id": upload.id, "fence": upload.fence})
    if cursor.fetchone() is None:
        raise FenceLost


def save(cursor: Cursor, upload: ResumableUpload, offset: int, state: dict[str, Any]) -> ResumableUpload:
    """Record a checkpoint of the storage, and return the upload as it is now; raises `FenceLost`."""
    cursor.execute(SAVE_SQL, {"id": upload.id, "fence": upload.fence, "offset": offset, "state": Json(state)})
    row = cursor.fetchone()
    if row is None:
        raise FenceLost
    return ResumableUpload(*row)


def finish(cursor: Cursor, upload: ResumableUpload) -> None:
    """Record, in the transaction that inserts the import, that the file is complete; raises `FenceLost`."""
    cursor.execute(FINISH_SQL, {"id": upload.id, "fence": upload.fence})
    if cursor.rowcount != 1:
        raise FenceLost


def delete(cursor: Cursor, upload_id: str, owner: Owner) -> ResumableUpload | None:
    """Delete an upload and return it, if the owner has it and it has not expired."""
    cursor.execute(DELETE_SQL, {"id": upload_id, **owner._asdict()})
    row = cursor.fetchone()
    return ResumableUpload(*row) if row else None


def delete_fenced(cursor: Cursor, upload: ResumableUpload) -> None:
    """Delete an upload that the request may write."""
    cursor.execute(DELETE_FENCED_SQL, {"id": upload.id, "fence": upload.fence})


def delete_expired(cursor: Cursor) -> list[ResumableUpload]:
    """Delete the uploads that have expired, and return those of them that were not finished."""
    cursor.execute(DELETE_EXPIRED_SQL)
    expired = [ResumableUpload(*row) for row in cursor.fetchall()]
    return [upload for upload in expired if not upload.is_finished]


def list_unfinished(cursor: Cursor) -> set[str]:
    """Return the ids of the uploads whose files must stay."""
    cursor.execute(LIST_UNFINISHED_SQL)
    return {upload_id for (upload_id,) in cursor.fetchall()}
