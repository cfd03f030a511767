"""The outbox in PostgreSQL: due deliveries and the leases of webhooks. `results` has the results of attempts.

A dispatcher holds a lease on each webhook that it serves. So the deliveries of a webhook stay in order, and another
dispatcher takes over when the holder dies. A delivery stays pending until the result of its attempt is written. If the
dispatcher dies before that, the delivery is sent again with the same message id.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from database.lease import (
    ACQUIRE_LEASE_SQL,
    EXTEND_LEASE_SQL,
    LEASE_IS_VALID_SQL,
    RELEASE_LEASE_SQL,
    current_holder,
    holder_has_ended,
)
from monitoring.metrics import LEASE_TAKEOVERS
from webhooks.retry_policy import Outcome
from webhooks.sender import Response

DELIVERIES_CHANNEL = "webhook_deliveries"
SETTINGS_CHANNEL = "webhook_settings"

IS_DUE_SQL = "d.webhook_id = w.id AND d.status = 'pending' AND d.next_attempt_at <= clock_timestamp()"
FIND_HOLDERS_SQL = f"SELECT DISTINCT lease_holder FROM webhooks WHERE {LEASE_IS_VALID_SQL} AND lease_token <> %s"
ACQUIRE_LEASES_SQL = f"""
UPDATE webhooks w SET {ACQUIRE_LEASE_SQL}
FROM (
    SELECT id, lease_token IS NOT NULL AS is_takeover FROM webhooks w
    WHERE enabled AND NOT id = ANY (%(held)s)
        AND (lease_token IS NULL OR NOT {LEASE_IS_VALID_SQL} OR lease_holder = ANY (%(ended)s))
        AND EXISTS (SELECT FROM webhook_deliveries d WHERE {IS_DUE_SQL})
    ORDER BY id <= %(after)s, id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
) free WHERE w.id = free.id RETURNING w.id, free.is_takeover
"""
# Skips the row of a webhook that a client has locked, so that the client does not delay the leases of other webhooks.
LOCK_HELD_SQL = """
SELECT id FROM webhooks WHERE id = ANY (%(held)s) AND lease_token = %(token)s FOR NO KEY UPDATE SKIP LOCKED
"""
RENEW_LEASES_SQL = f"UPDATE webhooks SET {EXTEND_LEASE_SQL} WHERE id IN ({LOCK_HELD_SQL}) RETURNING id"
RELEASE_LEASES_SQL = f"UPDATE webhooks SET {RELEASE_LEASE_SQL} WHERE id IN ({LOCK_HELD_SQL})"
FIND_HELD_SQL = "SELECT id FROM webhooks WHERE id = ANY (%(held)s) AND lease_token = %(token)s"
READ_RECEIVERS_SQL = """
SELECT id, url, secret,
    CASE WHEN previous_secret_expires_at > clock_timestamp() THEN previous_secret END,
    extract(epoch FROM previous_secret_expires_at - clock_timestamp())::float
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
# The first body of a webhook is always read, and further ones until their bytes reach a limit. Their sizes cost nothing
# to read, because PostgreSQL stores the size of a value beside it.
READ_DUE_SQL = f"""
SELECT due.* FROM unnest(%(held)s::bigint[]) w (id) CROSS JOIN LATERAL (
    SELECT id, webhook_id, message_id, body, tries, is_unexpanded, can_wait, request_id, is_last FROM (
        SELECT *, row_number() OVER in_order = count(*) OVER () AND count(*) OVER () < %(limit)s AS is_last,
            sum(bytes) OVER in_order - bytes AS bytes_before
        FROM (
            SELECT d.id, d.webhook_id, d.next_attempt_at, d.event_id, d.position,
                'evt_' || replace(e.uid::text, '-', '') || d.label AS message_id, coalesce(d.body, e.body, '') AS body,
                octet_length(coalesce(d.body, e.body, '')) AS bytes, d.tries, e.request_id,
                d.parts_left IS NOT NULL AS is_unexpanded,
                e.task_id IS NOT NULL
                    AND e.created_at > clock_timestamp() - make_interval(secs => %(import_wait_seconds)s) AS can_wait
            FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
            WHERE {IS_DUE_SQL} AND NOT d.id = ANY (%(loaded)s)
            ORDER BY d.next_attempt_at, d.event_id, d.position, d.id LIMIT %(limit)s
        ) next
        WINDOW in_order AS (ORDER BY next_attempt_at, event_id, position, id ROWS UNBOUNDED PRECEDING)
    ) sized
    WHERE bytes_before < %(max_bytes)s ORDER BY next_attempt_at, event_id, position, id
) due
"""


@dataclass(frozen=True)
class Receiver:
    """The receiver of a webhook.

    `previous_until` is when the previous secret expires, on the monotonic clock of this process. It is computed from
    the remaining time, which the database measures with its own clock.
    """

    id: int
    url: str
    secret: str | None
    previous_secret: str | None
    previous_until: float | None

    def secrets(self) -> list[str]:
        """Return the active secrets, the newest first."""
        is_active = self.previous_until is not None and time.monotonic() < self.previous_until
        return [secret for secret in (self.secret, self.previous_secret if is_active else None) if secret]


class DueDeliveries(NamedTuple):
    """The next due deliveries of a webhook, in their order; `has_more` says whether more are due."""

    deliveries: list[Delivery]
    has_more: bool


@dataclass(frozen=True)
class Delivery:
    """A delivery that is due.

    If `is_unexpanded` is true, the delivery has no body: it stands for deliveries that the expander has yet to write.
    `can_wait` tells whether the expansion may wait until no import is running. `request_id` is that of the request that
    caused the event, if it is known.
    """

    id: int
    webhook_id: int
    message_id: str
    body: str
    tries: int
    is_unexpanded: bool = False
    can_wait: bool = False
    request_id: str | None = None


@dataclass(frozen=True)
class Attempt:
    """A request for a delivery, its response and its outcome."""

    delivery: Delivery
    at: datetime
    url: str
    headers: dict[str, str]
    response: Response
    outcome: Outcome


@dataclass(frozen=True)
class WebhookLease:
    """The lease that a dispatcher holds on its webhooks: one fencing token for all of them."""

    token: str
    seconds: float

    def acquire(self, cursor: Cursor, held: Collection[int], limit: int, *, after: int = 0) -> list[int]:
        """Acquire the lease of up to `limit` more webhooks that have due deliveries; return their ids.

        Those with ids above `after` come first. If the holder of a lease was a process of this machine that has ended,
        the lease is free before it expires.
        """
        cursor.execute(FIND_HOLDERS_SQL, (self.token,))
        ended = [holder for (holder,) in cursor.fetchall() if holder_has_ended(holder)]
        values = {"holder": current_holder(), "ended": ended, "limit": limit, "after": after}
        cursor.execute(ACQUIRE_LEASES_SQL, self._values(held) | values)
        rows = cursor.fetchall()
        LEASE_TAKEOVERS.labels("webhook").inc(sum(is_takeover for _, is_takeover in rows))
        return [id for id, _ in rows]

    def renew(self, cursor: Cursor, held: Collection[int]) -> tuple[set[int], set[int]]:
        """Renew leases; return the ids of the renewed ones, and of those that were lost.

        A lease whose row another transaction has locked is in neither set. Try again soon.
        """
        cursor.execute(RENEW_LEASES_SQL, self._values(held))
        renewed = {row[0] for row in cursor.fetchall()}
        if len(renewed) == len(held):
            return renewed, set()
        cursor.execute(FIND_HELD_SQL, self._values(held))
        return renewed, set(held) - renewed - {row[0] for row in cursor.fetchall()}

    def release(self, cursor: Cursor, held: Collection[int]) -> set[int]:
        """Release leases before they expire; return the ids of those that are still held, because a row is locked."""
        cursor.execute(RELEASE_LEASES_SQL, self._values(held))
        if cursor.rowcount == len(held):
            return set()
        cursor.execute(FIND_HELD_SQL, self._values(held))
        return {row[0] for row in cursor.fetchall()}

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
    now = time.monotonic()
    cursor.execute(READ_RECEIVERS_SQL, (list(ids),))
    return {
        id: Receiver(id, url, secret, previous_secret, None if seconds_left is None else now + seconds_left)
        for id, url, secret, previous_secret, seconds_left in cursor.fetchall()
    }


def read_due(
    cursor: Cursor,
    webhook_ids: Collection[int],
    loaded: Collection[int],
    *,
    limit: int,
    max_bytes: int,
    import_wait_seconds: float,
) -> dict[int, DueDeliveries]:
    """Return the next due deliveries of each webhook, in the order of their events, by webhook id.

    For each webhook these are at most `limit`, and no more once their bodies have `max_bytes`. Deliveries whose ids are
    in `loaded` are left out. `can_wait` is set for deliveries of an import whose event is younger than
    `import_wait_seconds`.
    """
    due: dict[int, list[Delivery]] = {id: [] for id in webhook_ids}
    complete = set()
    values = {
        "held": list(webhook_ids),
        "loaded": list(loaded),
        "limit": limit,
        "max_bytes": max_bytes,
        "import_wait_seconds": import_wait_seconds,
    }
    cursor.execute(READ_DUE_SQL, values)
    for *columns, is_last in cursor.fetchall():
        delivery = Delivery(*columns)
        due[delivery.webhook_id].append(delivery)
        if is_last:
            complete.add(delivery.webhook_id)
    return {
        id: DueDeliveries(deliveries, has_more=bool(deliveries) and id not in complete)
        for id, deliveries in due.items()
    }
