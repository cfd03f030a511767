"""The results of attempts in PostgreSQL: what they change in deliveries, webhooks and hourly counts.

A transaction locks the rows of webhooks first, then those of deliveries. Here it takes only locks that are free: rows
that another transaction holds are left for later, so one result never delays the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        coalesce(failing_since < clock_timestamp() - make_interval(days => %(days)s), false) AS is_failing_for_days,
        last_error
    FROM webhooks WHERE id = ANY (%(webhooks)s) FOR KEY SHARE SKIP LOCKED
)
SELECT d.id, d.webhook_id, w.is_failing, w.is_failing_for_days, w.last_error
FROM webhook w JOIN webhook_deliveries d ON d.webhook_id = w.id
WHERE d.id = ANY (%(deliveries)s) FOR NO KEY UPDATE OF d SKIP LOCKED
"""
LOCK_WEBHOOKS_SQL = "SELECT id FROM webhooks WHERE id = ANY (%s) FOR NO KEY UPDATE SKIP LOCKED"
FIND_DELIVERIES_SQL = "SELECT id FROM webhook_deliveries WHERE id = ANY (%s)"
WRITE_ATTEMPTS_SQL = """
WITH results (delivery_id, tries, status, delay, at, url, request_headers, status_code, response_time_ms,
    rounded_time_ms, response_headers, response_text, error) AS (VALUES %s),
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
), response_times AS (
    INSERT INTO webhook_response_times AS t (webhook_id, hour, response_time_ms, requests)
    SELECT webhook_id, date_trunc('hour', clock_timestamp(), 'UTC'), rounded_time_ms, count(*)
    FROM results JOIN webhook_deliveries d ON d.id = delivery_id
    GROUP BY webhook_id, rounded_time_ms ORDER BY webhook_id, rounded_time_ms
    ON CONFLICT (webhook_id, hour, response_time_ms) DO UPDATE SET requests = t.requests + excluded.requests
)
SELECT webhook_id, bool_and(has_error) FROM written GROUP BY webhook_id
"""
ATTEMPT_ROW_SQL = "(%s, %s, %s, %s::float, %s, %s, %s::json, %s::bigint, %s, %s, %s::json, %s, %s)"
MARK_WORKING_SQL = """
UPDATE webhooks SET failing_since = NULL, last_error = NULL WHERE id = ANY (%s) AND failing_since IS NOT NULL
"""
MARK_FAILING_SQL = """
UPDATE webhooks w SET failing_since = coalesce(failing_since, clock_timestamp()), last_error = failing.error
FROM unnest(%s::bigint[], %s::text[]) failing (id, error) WHERE w.id = failing.id
"""
DISABLE_FAILING_SQL = """
UPDATE webhooks SET enabled = false, disabled_reason = %s, updated_at = clock_timestamp()
WHERE id = ANY (%s) AND enabled AND failing_since < clock_timestamp() - make_interval(days => %s)
"""
DISABLE_WEBHOOK_SQL = """
UPDATE webhooks SET enabled = false, disabled_reason = %s, updated_at = clock_timestamp() WHERE id = %s AND enabled
"""

# Response times from this on are rounded for the chart, so that an hour has few rows.
ROUNDED_FROM_MS = 100
ROUNDED_DIGITS = 2


@dataclass(frozen=True)
class WebhookState:
    """What a webhook's row says before the results of attempts are written."""

    is_failing: bool
    is_failing_for_days: bool
    last_error: str | None


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
    states: dict[int, WebhookState] = {}
    for delivery_id, webhook_id, *state in cursor.fetchall():
        locked.add(delivery_id)
        states[webhook_id] = WebhookState(*state)
    writable = [attempt for attempt in attempts if attempt.delivery.id in locked]
    unchangeable = _lock_webhooks(cursor, writable, states)
    writable = [attempt for attempt in writable if attempt.delivery.webhook_id not in unchangeable]
    if writable:
        _write(cursor, writable, states)
    written = {attempt.delivery.id for attempt in writable}
    if written == wanted:
        return set()
    cursor.execute(FIND_DELIVERIES_SQL, (sorted(wanted - written),))
    return {id for (id,) in cursor.fetchall()}


def _lock_webhooks(cursor: Cursor, attempts: Sequence[Attempt], states: Mapping[int, WebhookState]) -> set[int]:
    """Lock the webhooks that the attempts change; return the ids of those that another transaction has locked."""
    changing = {attempt.delivery.webhook_id for attempt in attempts if attempt.outcome.disabled_reason}
    failing = _last_errors(attempts)
    for id in {attempt.delivery.webhook_id for attempt in attempts}:
        state = states[id]
        if (
            id in failing and (failing[id] != state.last_error or state.is_failing_for_days or not state.is_failing)
        ) or (id not in failing and state.is_failing):
            changing.add(id)
    if not changing:
        return set()
    cursor.execute(LOCK_WEBHOOKS_SQL, (sorted(changing),))
    return changing - {id for (id,) in cursor.fetchall()}


def _last_errors(attempts: Sequence[Attempt]) -> dict[int, str]:
    """Return the last error of each webhook whose attempts have all failed, by webhook id."""
    working = {attempt.delivery.webhook_id for attempt in attempts if attempt.response.error is None}
    return {
        attempt.delivery.webhook_id: attempt.response.error
        for attempt in sorted(attempts, key=lambda attempt: attempt.at)
        if attempt.response.error is not None and attempt.delivery.webhook_id not in working
    }


def _write(cursor: Cursor, attempts: Sequence[Attempt], states: Mapping[int, WebhookState]) -> None:
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
    if working := sorted(id for id, fails in rows if not fails and states[id].is_failing):
        cursor.execute(MARK_WORKING_SQL, (working,))
    errors = _last_errors(attempts)
    failing = sorted(id for id, fails in rows if fails and id in errors)
    if changed := [id for id in failing if not states[id].is_failing or errors[id] != states[id].last_error]:
        cursor.execute(MARK_FAILING_SQL, (changed, [errors[id] for id in changed]))
    if disabled := [id for id in failing if states[id].is_failing_for_days]:
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
        _round_time(response.response_time_ms),
        Json(response.response_headers),
        response.response_text,
        response.error,
    )


def _round_time(response_time_ms: int) -> int:
    """Round a response time to `ROUNDED_DIGITS` digits; shorter ones than `ROUNDED_FROM_MS` stay as they are."""
    if response_time_ms < ROUNDED_FROM_MS:
        return response_time_ms
    return round(response_time_ms, ROUNDED_DIGITS - len(str(response_time_ms)))
