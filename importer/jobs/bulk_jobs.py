"""Creates the job of a bulk change."""

from __future__ import annotations

import uuid

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from catalogue.bulk import BulkChange
from importer.jobs import repository
from importer.jobs.log_messages import log_message
from monitoring.context import current_request_id

# A job that the caller works on itself counts as announced. So the reaper sends no message for it before the caller has
# its lease.
CREATE_BULK_JOB_SQL = """
INSERT INTO import_jobs (task_id, kind, filename, stored_name, file_size, bulk, bulk_input, started_from, started_by,
    request_id, announced_at)
VALUES (%(task_id)s, 'bulk', %(title)s, '', 0, %(bulk)s, %(bulk_input)s, %(started_from)s, %(started_by)s,
    %(request_id)s, CASE WHEN %(announced)s THEN clock_timestamp() END)
RETURNING id
"""


def create_bulk_job(
    cursor: Cursor, change: BulkChange, *, started_from: str, started_by: str, announced: bool = True
) -> str:
    """Create the job of a bulk change in the caller's transaction, and return its task id.

    `started_from` is one of `models.ORIGINS`; `started_by` names the client.
    """
    task_id = str(uuid.uuid4())
    values = {
        "task_id": task_id,
        "title": change.title,
        "bulk": Json(change.to_json()),
        "bulk_input": Json(change.input_json()),
        "started_from": started_from,
        "started_by": started_by,
        "request_id": current_request_id(),
        "announced": announced,
    }
    cursor.execute(CREATE_BULK_JOB_SQL, values)
    (job_id,) = cursor.fetchone() or (0,)
    message = log_message("bulk_requested", change=change.name, selection=change.scope)
    repository.append_log(cursor, job_id, "requested", message)
    return task_id
