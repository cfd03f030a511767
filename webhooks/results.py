"""The results of attempts in PostgreSQL: what they change in deliveries, webhooks and hourly counts.

A transaction locks the rows of webhooks first, then those of deliveries. Here it takes only locks that are free: rows
that another transaction holds are left for later, so one result never delays the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

from database.connect import LIMIT_WAITS_SQL
from webhooks.outbox import Attempt
from webhooks.retry_policy import DISABLE_WEBHOOK_DAYS, FAILED_FOR_DAYS_MESSAGE

# The lock of a webhook keeps it from being removed, and lets others renew its lease and change it.
LOCK_DELIVERIES_SQL = f"""
{LIMIT_WAITS_SQL};
WITH webhook AS MATERIALIZED (
    SELECT id, failing_since IS NOT NULL AS is_failing,
        coalesce(failing_since < clock_timestamp() - make_interval(days => %(days)s), false) AS is_failing_for_days
    FROM webhooks WHERE id = ANY (%(webhooks)s) FOR KEY SHARE SKIP LOCKED
)
SELECT d.id, d.webhook_id, w.is_failing, w.is_failing_for_days
FROM webhook w JOIN webhook_deliveries d ON d.webhook_id = w.id
WHERE d.id = ANY (%(deliveries)s) FOR NO KEY UPDATE OF d SKIP LOCKED
"""
LOCK_WEBHOOKS_SQL = "SELECT id FROM webhooks WHERE id = ANY (%s) FOR NO KEY UPDATE SKIP LOCKED"
FIND_DELIVERIES_SQL = "SELECT id FROM webhook_deliveries WHERE id = ANY (%s)"
WRITE_ATTEMPTS_SQL = """
WITH results (delivery_id, tries, status, delay, at, url, request_headers, status_code, response_time_ms,
    response_headers, response_text, error) AS (VALUES %s),
attempts AS (
    INSERT INTO webhook_attempts (delivery_id, at, url, request_headers, status_code, response_time_ms,
        response_headers, response_text, error)
    SELECT delivery_id, at, url, request_headers, status_code, response_time_ms, response_headers, response_text, error
    FROM results JOIN webhook_deliveries d ON d.id = delivery_id ORDER BY at
), written AS (
    UPDATE webhook_deliveries d SET status = r.status, tries = r.tries,
        next_attempt_at = clock_timestamp() + make_interval(secs => r.delay),
        finished_at = CASE WHEN r.status <> 'pending' THEN clock_timestamp() END
    FROM results r WHERE d.id = r.delivery_id AND d.status = 'pending'
    RETURNING d.webhook_id, r.status, r.error IS NOT NULL AS has_error
), hours AS (
    INSERT INTO webhook_hours AS h (webhook_id, hour, delivered, failed, failed_attempts)
    SELECT webhook_id, date_trunc('hour', clock_timestamp(), 'UTC'), count(*) FILTER (WHERE status = 'delivered'),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE has_error)
    FROM written GROUP BY webhook_id ORDER BY webhook_id
    ON CONFLICT (webhook_id, hour) DO UPDATE SET delivered = h.delivered + excluded.delivered,
        failed = h.failed + excluded.failed, failed_attempts = h.failed_attempts + excluded.failed_attempts
)
SELECT webhook_id, bool_and(has_error) FROM written GROUP BY webhook_id
"""
ATTEMPT_ROW_SQL = "(%s, %s, %s, %s::float, %s, %s, %s::json, %s::bigint, %s, %s::json, %s, %s)"
MARK_WORKING_SQL = "UPDATE webhooks SET failing_since = NULL WHERE id = ANY (%s) AND failing_since IS NOT NULL"
MARK_FAILING_SQL = """
UPDATE webhooks SET failing_since = clock_timestamp() WHERE id = ANY (%s) AND failing_since IS NULL
"""
DISABLE_FAILING_SQL = """
UPDATE webhooks SET enabled = false, disabled_reason = %s, updated_at = clock_timestamp()
WHERE id = ANY (%s) AND enabled AND failing_since < clock_timestamp() - make_interval(days => %s)
"""
DISABLE_WEBHOOK_SQL = """
UPDATE webhooks SET enabled = false, disabled_reason = %s, updated_at = clock_timestamp() WHERE id = %s AND enabled
"""


def write_attempts(cursor: Cursor, attempts: Sequence[Attempt]) -> set[int]:
    """Write attempts and their effect on deliveries and webhooks, in the caller's transaction.

    If a delivery is no longer pending, its attempt is written and nothing else changes. If a delivery was deleted, its
    attempt is dropped. Returns the ids of the deliveries that another transaction has locked, or whose webhook it has
    locked: nothing is written for them, and the caller should try again.
    """
    wanted = {attempt.delivery.id for attempt in attempts}
    values = {
        "webhooks": sorted({attempt.delivery.webhook_id for attempt in attempts}),
        "deliveries": sorted(wanted),
        "days": DISABLE_WEBHOOK_DAYS,
    }
    cursor.execute(LOCK_DELIVERIES_SQL, values)
    locked: set[int] = set()
    is_failing: dict[int, bool] = {}
    failing_for_days = set()
    for delivery_id, webhook_id, failing, for_days in cursor.fetchall():
        locked.add(delivery_id)
        is_failing[webhook_id] = failing
        if for_days:
            failing_for_days.add(webhook_id)
    writable = [attempt for attempt in attempts if attempt.delivery.id in locked]
    unchangeable = _lock_webhooks(cursor, writable, is_failing, failing_for_days)
    writable = [attempt for attempt in writable if attempt.delivery.webhook_id not in unchangeable]
    if writable:
        _write(cursor, writable, is_failing, failing_for_days)
    written = {attempt.delivery.id for attempt in writable}
    if written == wanted:
        return set()
    cursor.execute(FIND_DELIVERIES_SQL, (sorted(wanted - written),))
    return {id for (id,) in cursor.fetchall()}


def _lock_webhooks(
    cursor: Cursor, attempts: Sequence[Attempt], is_failing: dict[int, bool], failing_for_days: set[int]
) -> set[int]:
    """Lock the webhooks that the attempts change; return the ids of those that another transaction has locked."""
    fails: dict[int, bool] = {}
    changing = set()
    for attempt in attempts:
        id = attempt.delivery.webhook_id
        fails[id] = fails.get(id, True) and attempt.response.error is not None
        if attempt.outcome.disabled_reason:
            changing.add(id)
    for id, all_fail in fails.items():
        if all_fail != is_failing[id] or (all_fail and id in failing_for_days):
            changing.add(id)
    if not changing:
        return set()
    cursor.execute(LOCK_WEBHOOKS_SQL, (sorted(changing),))
    return changing - {id for (id,) in cursor.fetchall()}


def _write(
    cursor: Cursor, attempts: Sequence[Attempt], is_failing: dict[int, bool], failing_for_days: set[int]
) -> None:
    """Write attempts whose deliveries are locked."""
    rows = execute_values(
        cursor,
        WRITE_ATTEMPTS_SQL,
        [_row(attempt) for attempt in attempts],
        ATTEMPT_ROW_SQL,
        page_size=len(attempts),
        fetch=True,
    )
    # Most attempts change nothing in their webhook, and then nothing is written to it.
    if working := sorted(id for id, fails in rows if not fails and is_failing[id]):
        cursor.execute(MARK_WORKING_SQL, (working,))
    if failing := sorted(id for id, fails in rows if fails and not is_failing[id]):
        cursor.execute(MARK_FAILING_SQL, (failing,))
    if disabled := sorted(id for id, fails in rows if fails and id in failing_for_days):
        reason = FAILED_FOR_DAYS_MESSAGE.format(days=DISABLE_WEBHOOK_DAYS)
        cursor.execute(DISABLE_FAILING_SQL, (reason, disabled, DISABLE_WEBHOOK_DAYS))
    for attempt in attempts:
        if attempt.outcome.disabled_reason:
            cursor.execute(DISABLE_WEBHOOK_SQL, (attempt.outcome.disabled_reason, attempt.delivery.webhook_id))


def _row(attempt: Attempt) -> tuple[Any, ...]:
    response = attempt.response
    return (
        attempt.delivery.id,
        attempt.delivery.tries + 1,
        attempt.outcome.status,
        attempt.outcome.delay_seconds,
        attempt.at,
        attempt.url,
        Json(attempt.headers),
        response.status_code,
        response.response_time_ms,
        Json(response.response_headers),
        response.response_text,
        response.error,
    )
