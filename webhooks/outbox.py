"""The deliveries in PostgreSQL: which are due, who works on them, what became of them.

Every webhook is worked on by one deliverer at a time, which holds a lease on it: that keeps its deliveries in order,
and one that dies is followed by another. A delivery itself is never taken out: it is pending until an attempt's result
is written. Who dies in between leaves it to be sent again, under the same id.
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
from webhooks.retry_policy import FAILED_FOR_DAYS, GIVE_UP_WEBHOOK_DAYS, Verdict
from webhooks.sender import Answer

log = logging.getLogger(__name__)

DELIVERIES_CHANNEL = "webhook_deliveries"
SETTINGS_CHANNEL = "webhook_settings"
ATTEMPTS_CHANNEL = "webhook_attempts"

PRUNED_AT_ONCE = 200

DUE = "d.webhook_id = w.id AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()"
HOLDERS = f"SELECT DISTINCT lease_holder FROM webhooks WHERE {LEASE_IS_VALID_SQL} AND lease_token <> %s"
CLAIM = f"""
UPDATE webhooks w SET {ACQUIRE_LEASE_SQL}
FROM (
    SELECT id FROM webhooks w
    WHERE enabled AND NOT id = ANY (%(held)s)
        AND (lease_token IS NULL OR NOT {LEASE_IS_VALID_SQL} OR lease_holder = ANY (%(gone)s))
        AND EXISTS (SELECT FROM webhook_deliveries d WHERE {DUE})
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) free WHERE w.id = free.id RETURNING w.id
"""
RENEW = f"""
UPDATE webhooks SET {EXTEND_LEASE_SQL}
WHERE id = ANY (%(held)s) AND lease_token = %(token)s RETURNING id
"""
RELEASE = f"""
UPDATE webhooks SET {RELEASE_LEASE_SQL}
WHERE id = ANY (%(held)s) AND lease_token = %(token)s
"""
RECEIVERS = """
SELECT id, url, secret,
    CASE WHEN previous_secret_expires_at > clock_timestamp() THEN previous_secret END, previous_secret_expires_at
FROM webhooks WHERE id = ANY (%s) AND enabled
"""
# Those that wait for a lease that somebody else holds are looked for every now and then.
NEXT_DUE = """
SELECT extract(epoch FROM min(d.next_attempt_at) - clock_timestamp())::float
FROM webhooks w CROSS JOIN LATERAL (
    SELECT next_attempt_at FROM webhook_deliveries
    WHERE webhook_id = w.id AND status = 'pending' ORDER BY next_attempt_at LIMIT 1
) d WHERE w.enabled AND (lease_token IS NULL OR lease_token = %s)
"""
DUE_OF_EACH = f"""
SELECT due.* FROM unnest(%(held)s::bigint[]) w (id) CROSS JOIN LATERAL (
    SELECT d.id, d.webhook_id, 'evt_' || replace(e.uid::text, '-', '') || d.label, coalesce(d.body, e.body), d.tries,
        d.parts_left IS NOT NULL,
        e.task_id IS NOT NULL AND e.created_at > clock_timestamp() - make_interval(secs => %(patience)s)
    FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
    WHERE {DUE} AND NOT d.id = ANY (%(in_hand)s)
    ORDER BY d.next_attempt_at, d.event_id, d.position, d.id LIMIT %(limit)s
) due
"""

ATTEMPTED = """
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
    RETURNING d.webhook_id, r.status, r.error IS NOT NULL AS went_wrong
), hours AS (
    INSERT INTO webhook_hours AS h (webhook_id, hour, delivered, failed, failed_attempts)
    SELECT webhook_id, date_trunc('hour', clock_timestamp()), count(*) FILTER (WHERE status = 'delivered'),
        count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE went_wrong)
    FROM written GROUP BY webhook_id ORDER BY webhook_id
    ON CONFLICT (webhook_id, hour) DO UPDATE SET delivered = h.delivered + excluded.delivered,
        failed = h.failed + excluded.failed, failed_attempts = h.failed_attempts + excluded.failed_attempts
)
SELECT webhook_id, bool_and(went_wrong) FROM written GROUP BY webhook_id
"""
ATTEMPTED_ROW = "(%s, %s, %s, %s::float, %s, %s, %s::json, %s::bigint, %s, %s::json, %s, %s)"
RECOVERED = "UPDATE webhooks SET failing_since = NULL WHERE id = ANY (%s) AND failing_since IS NOT NULL"
FAILING = """
UPDATE webhooks SET failing_since = clock_timestamp() WHERE id = ANY (%s) AND failing_since IS NULL
"""
FAILING_TOO_LONG = """
UPDATE webhooks SET enabled = false, disabled_reason = %s, updated_at = clock_timestamp()
WHERE id = ANY (%s) AND enabled AND failing_since < clock_timestamp() - make_interval(days => %s)
"""
DISABLE = """
UPDATE webhooks SET enabled = false, disabled_reason = %s, updated_at = clock_timestamp() WHERE id = %s AND enabled
"""
PRUNE = """
DELETE FROM webhook_events WHERE id IN (
    SELECT id FROM webhook_events WHERE created_at < clock_timestamp() - make_interval(days => %s)
    ORDER BY created_at LIMIT %s
)
"""
PRUNE_HOURS = "DELETE FROM webhook_hours WHERE hour < clock_timestamp() - make_interval(days => %s)"


@dataclass(frozen=True)
class Receiver:
    """Where a webhook's requests go; `previous_until` is when the second secret ends, in UTC."""

    id: int
    url: str
    secret: str | None
    previous_secret: str | None
    previous_until: datetime | None

    def secrets(self) -> list[str]:
        """The secrets that sign at the moment, the newer one first."""
        previous = self.previous_secret if self.previous_until and self.previous_until > _now() else None
        return [secret for secret in (self.secret, previous) if secret]


@dataclass(frozen=True)
class Delivery:
    """A delivery that is due. One that `is_uncut` has no body: it stands for many that are not written yet, and
    `can_wait` says whether that may be left until no import runs."""

    id: int
    webhook_id: int
    message_id: str
    body: str
    tries: int
    is_uncut: bool = False
    can_wait: bool = False


@dataclass(frozen=True)
class Attempt:
    """A request that was made for a delivery, and what came of it."""

    delivery: Delivery
    at: datetime
    url: str
    headers: dict[str, str]
    answer: Answer
    verdict: Verdict


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Lease:
    """What a deliverer holds its webhooks by."""

    token: str
    seconds: float

    def claim(self, cursor: Cursor, held: Collection[int], limit: int) -> list[int]:
        """Takes the lease of webhooks beside `held` that have something to do; returns their ids.

        A lease whose holder was a process of this machine that is gone need not run out first.
        """
        cursor.execute(HOLDERS, (self.token,))
        gone = [holder for (holder,) in cursor.fetchall() if holder_has_ended(holder)]
        values = {"holder": current_holder(), "gone": gone, "limit": limit}
        cursor.execute(CLAIM, self._values(held) | values)
        return [row[0] for row in cursor.fetchall()]

    def renew(self, cursor: Cursor, held: Collection[int]) -> set[int]:
        """Renews the leases of `held`; returns those that are still ours."""
        cursor.execute(RENEW, self._values(held))
        return {row[0] for row in cursor.fetchall()}

    def release(self, cursor: Cursor, held: Collection[int]) -> None:
        """Gives leases back before they run out."""
        cursor.execute(RELEASE, self._values(held))

    def seconds_to_next(self, cursor: Cursor) -> float | None:
        """In how many seconds the next delivery that nobody else looks after is due; None where there is none."""
        cursor.execute(NEXT_DUE, (self.token,))
        row = cursor.fetchone()
        return row[0] if row else None

    def _values(self, held: Collection[int]) -> dict[str, Any]:
        return {"token": self.token, "lease_seconds": self.seconds, "held": list(held)}


def receivers(cursor: Cursor, ids: Collection[int]) -> dict[int, Receiver]:
    """The webhooks with these ids that are switched on."""
    cursor.execute(RECEIVERS, (list(ids),))
    return {row[0]: Receiver(*row) for row in cursor.fetchall()}


def due(
    cursor: Cursor, webhook_ids: Collection[int], in_hand: Collection[int], *, limit: int, patience: float
) -> dict[int, list[Delivery]]:
    """At most `limit` due deliveries of each webhook beside those `in_hand`, each in the order of their events.

    `patience`: for how many seconds the products of an import may wait for it to end.
    """
    found: dict[int, list[Delivery]] = {id: [] for id in webhook_ids}
    values = {"held": list(webhook_ids), "in_hand": list(in_hand), "limit": limit, "patience": patience}
    cursor.execute(DUE_OF_EACH, values)
    for row in cursor.fetchall():
        delivery = Delivery(*row)
        found[delivery.webhook_id].append(delivery)
    return found


def write(cursor: Cursor, attempts: Sequence[Attempt]) -> None:
    """Writes attempts and what they mean for their deliveries and webhooks, in the caller's transaction.

    A delivery that somebody else has finished meanwhile only gets the attempt.
    """
    rows = execute_values(
        cursor, ATTEMPTED, [_row(attempt) for attempt in attempts], ATTEMPTED_ROW, page_size=len(attempts), fetch=True
    )
    if recovered := [webhook_id for webhook_id, failing in rows if not failing]:
        cursor.execute(RECOVERED, (recovered,))
    if failing := [webhook_id for webhook_id, failing in rows if failing]:
        cursor.execute(FAILING, (failing,))
        reason = FAILED_FOR_DAYS.format(days=GIVE_UP_WEBHOOK_DAYS)
        cursor.execute(FAILING_TOO_LONG, (reason, failing, GIVE_UP_WEBHOOK_DAYS))
    for attempt in attempts:
        if attempt.verdict.disable:
            cursor.execute(DISABLE, (attempt.verdict.disable, attempt.delivery.webhook_id))


def _row(attempt: Attempt) -> tuple[Any, ...]:
    answer = attempt.answer
    return (
        attempt.delivery.id,
        attempt.delivery.tries + 1,
        attempt.verdict.status,
        attempt.verdict.delay_seconds,
        attempt.at,
        attempt.url,
        Json(attempt.headers),
        answer.status_code,
        answer.response_time_ms,
        Json(answer.response_headers),
        answer.response_text,
        answer.error,
    )


def prune(cursor: Cursor, days: int) -> int:
    """Removes some of the events that are older than `days`, with their deliveries; returns how many."""
    cursor.execute(PRUNE, (days, PRUNED_AT_ONCE))
    removed = int(cursor.rowcount)
    cursor.execute(PRUNE_HOURS, (days,))
    return removed
