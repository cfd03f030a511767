"""The outbox in PostgreSQL: due deliveries, the leases of webhooks, and the results of attempts.

A dispatcher holds a lease on each webhook that it serves. So the deliveries of a webhook stay in order, and another
dispatcher takes over when the holder dies. A delivery stays pending until the result of its attempt is written. If the
dispatcher dies before that, the delivery is sent again with the same message id.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json, execute_values

from database.lease import (
    ACQUIRE_LEASE_SQL,
    EXTEND_LEASE_SQL,
    LEASE_IS_VALID_SQL,
    RELEASE_LEASE_SQL,
    current_holder,
    holder_has_ended,
)
from webhooks.retry_policy import DISABLE_WEBHOOK_DAYS, FAILED_FOR_DAYS_MESSAGE, Outcome
from webhooks.sender import Response

log = logging.getLogger(__name__)

DELIVERIES_CHANNEL = "webhook_deliveries"
SETTINGS_CHANNEL = "webhook_settings"
ATTEMPTS_CHANNEL = "webhook_attempts"

EVENTS_PER_PRUNE = 200

IS_DUE_SQL = "d.webhook_id = w.id AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()"
FIND_HOLDERS_SQL = f"SELECT DISTINCT lease_holder FROM webhooks WHERE {LEASE_IS_VALID_SQL} AND lease_token <> %s"
ACQUIRE_LEASES_SQL = f"""
UPDATE webhooks w SET {ACQUIRE_LEASE_SQL}
FROM (
    SELECT id FROM webhooks w
    WHERE enabled AND NOT id = ANY (%(held)s)
        AND (lease_token IS NULL OR NOT {LEASE_IS_VALID_SQL} OR lease_holder = ANY (%(ended)s))
        AND EXISTS (SELECT FROM webhook_deliveries d WHERE {IS_DUE_SQL})
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) free WHERE w.id = free.id RETURNING w.id
"""
RENEW_LEASES_SQL = f"""
UPDATE webhooks SET {EXTEND_LEASE_SQL}
WHERE id = ANY (%(held)s) AND lease_token = %(token)s RETURNING id
"""
RELEASE_LEASES_SQL = f"""
UPDATE webhooks SET {RELEASE_LEASE_SQL}
WHERE id = ANY (%(held)s) AND lease_token = %(token)s
"""
READ_RECEIVERS_SQL = """
SELECT id, url, secret,
    CASE WHEN previous_secret_expires_at > clock_timestamp() THEN previous_secret END, previous_secret_expires_at
FROM webhooks WHERE id = ANY (%s) AND enabled
"""
# Webhooks whose lease another dispatcher holds are left out. The regular check finds them once the lease is free.
SECONDS_TO_NEXT_SQL = """
SELECT extract(epoch FROM min(d.next_attempt_at) - clock_timestamp())::float
FROM webhooks w CROSS JOIN LATERAL (
    SELECT next_attempt_at FROM webhook_deliveries
    WHERE webhook_id = w.id AND status = 'pending' ORDER BY next_attempt_at LIMIT 1
) d WHERE w.enabled AND (lease_token IS NULL OR lease_token = %s)
"""
READ_DUE_SQL = f"""
SELECT due.* FROM unnest(%(held)s::bigint[]) w (id) CROSS JOIN LATERAL (
    SELECT d.id, d.webhook_id, 'evt_' || replace(e.uid::text, '-', '') || d.label, coalesce(d.body, e.body), d.tries,
        d.parts_left IS NOT NULL,
        e.task_id IS NOT NULL AND e.created_at > clock_timestamp() - make_interval(secs => %(import_wait_seconds)s)
    FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
    WHERE {IS_DUE_SQL} AND NOT d.id = ANY (%(loaded)s)
    ORDER BY d.next_attempt_at, d.event_id, d.position, d.id LIMIT %(limit)s
) due
"""

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
    SELECT webhook_id, date_trunc('hour', clock_timestamp()), count(*) FILTER (WHERE status = 'delivered'),
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
DELETE_OLD_EVENTS_SQL = """
DELETE FROM webhook_events WHERE id IN (
    SELECT id FROM webhook_events WHERE created_at < clock_timestamp() - make_interval(days => %s)
    ORDER BY created_at LIMIT %s
)
"""
DELETE_OLD_HOURS_SQL = "DELETE FROM webhook_hours WHERE hour < clock_timestamp() - make_interval(days => %s)"


@dataclass(frozen=True)
class Receiver:
    """The receiver of a webhook. `previous_until` is when the previous secret expires, in UTC."""

    id: int
    url: str
    secret: str | None
    previous_secret: str | None
    previous_until: datetime | None

    def secrets(self) -> list[str]:
        """Return the active secrets, the newest first."""
        previous = self.previous_secret if self.previous_until and self.previous_until > _now() else None
        return [secret for secret in (self.secret, previous) if secret]


@dataclass(frozen=True)
class Delivery:
    """A delivery that is due.

    If `is_unexpanded` is true, the delivery has no body: it stands for deliveries that the expander has yet to write.
    `can_wait` tells whether the expansion may wait until no import is running.
    """

    id: int
    webhook_id: int
    message_id: str
    body: str
    tries: int
    is_unexpanded: bool = False
    can_wait: bool = False


@dataclass(frozen=True)
class Attempt:
    """A request for a delivery, its response and its outcome."""

    delivery: Delivery
    at: datetime
    url: str
    headers: dict[str, str]
    response: Response
    outcome: Outcome


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class WebhookLease:
    """The lease that a dispatcher holds on its webhooks: one fencing token for all of them."""

    token: str
    seconds: float

    def acquire(self, cursor: Cursor, held: Collection[int], limit: int) -> list[int]:
        """Acquire the lease of up to `limit` more webhooks that have due deliveries; return their ids.

        If the holder of a lease was a process of this machine that has ended, the lease is free before it expires.
        """
        cursor.execute(FIND_HOLDERS_SQL, (self.token,))
        ended = [holder for (holder,) in cursor.fetchall() if holder_has_ended(holder)]
        values = {"holder": current_holder(), "ended": ended, "limit": limit}
        cursor.execute(ACQUIRE_LEASES_SQL, self._values(held) | values)
        return [row[0] for row in cursor.fetchall()]

    def renew(self, cursor: Cursor, held: Collection[int]) -> set[int]:
        """Renew the leases of `held`; return the ids of those that are still held."""
        cursor.execute(RENEW_LEASES_SQL, self._values(held))
        return {row[0] for row in cursor.fetchall()}

    def release(self, cursor: Cursor, held: Collection[int]) -> None:
        """Release leases before they expire."""
        cursor.execute(RELEASE_LEASES_SQL, self._values(held))

    def seconds_to_next(self, cursor: Cursor) -> float | None:
        """Return the seconds until the next delivery is due; None if none is pending.

        Deliveries of webhooks that another dispatcher leases do not count.
        """
        cursor.execute(SECONDS_TO_NEXT_SQL, (self.token,))
        row = cursor.fetchone()
        return row[0] if row else None

    def _values(self, held: Collection[int]) -> dict[str, Any]:
        return {"token": self.token, "lease_seconds": self.seconds, "held": list(held)}


def read_receivers(cursor: Cursor, ids: Collection[int]) -> dict[int, Receiver]:
    """Return the receivers of the enabled webhooks among `ids`, by webhook id."""
    cursor.execute(READ_RECEIVERS_SQL, (list(ids),))
    return {row[0]: Receiver(*row) for row in cursor.fetchall()}


def read_due(
    cursor: Cursor, webhook_ids: Collection[int], loaded: Collection[int], *, limit: int, import_wait_seconds: float
) -> dict[int, list[Delivery]]:
    """Return at most `limit` due deliveries of each webhook, in the order of their events, by webhook id.

    Deliveries whose ids are in `loaded` are left out. `can_wait` is set for deliveries of an import whose event is
    younger than `import_wait_seconds`.
    """
    due: dict[int, list[Delivery]] = {id: [] for id in webhook_ids}
    values = {
        "held": list(webhook_ids),
        "loaded": list(loaded),
        "limit": limit,
        "import_wait_seconds": import_wait_seconds,
    }
    cursor.execute(READ_DUE_SQL, values)
    for row in cursor.fetchall():
        delivery = Delivery(*row)
        due[delivery.webhook_id].append(delivery)
    return due


def write_attempts(cursor: Cursor, attempts: Sequence[Attempt]) -> None:
    """Write attempts and their effect on deliveries and webhooks, in the caller's transaction.

    If a delivery is no longer pending, its attempt is written and nothing else changes.
    """
    rows = execute_values(
        cursor,
        WRITE_ATTEMPTS_SQL,
        [_row(attempt) for attempt in attempts],
        ATTEMPT_ROW_SQL,
        page_size=len(attempts),
        fetch=True,
    )
    if recovered := [webhook_id for webhook_id, failing in rows if not failing]:
        cursor.execute(MARK_WORKING_SQL, (recovered,))
    if failing := [webhook_id for webhook_id, failing in rows if failing]:
        cursor.execute(MARK_FAILING_SQL, (failing,))
        reason = FAILED_FOR_DAYS_MESSAGE.format(days=DISABLE_WEBHOOK_DAYS)
        cursor.execute(DISABLE_FAILING_SQL, (reason, failing, DISABLE_WEBHOOK_DAYS))
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


def prune(cursor: Cursor, days: int) -> int:
    """Delete up to `EVENTS_PER_PRUNE` events older than `days`, with their deliveries, and all old hourly counts.

    Returns the number of deleted events.
    """
    cursor.execute(DELETE_OLD_EVENTS_SQL, (days, EVENTS_PER_PRUNE))
    deleted = int(cursor.rowcount)
    cursor.execute(DELETE_OLD_HOURS_SQL, (days,))
    return deleted
