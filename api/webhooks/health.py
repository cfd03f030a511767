"""The health of webhooks: how many deliveries are pending, succeeded and failed, and the response times by hours."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from api.webhooks.lookup import driver_cursor
from database.serializers import format_timestamp

HEALTH_HOURS = 24
# A row with `parts_left` stands for that many deliveries, which have not been split off yet.
COUNT_PENDING_SQL = """
SELECT webhook_id, sum(coalesce(parts_left, 1))::bigint, count(*) FILTER (WHERE next_attempt_at > clock_timestamp()),
    min(next_attempt_at)
FROM webhook_deliveries
WHERE webhook_id = ANY (%s) AND status = 'pending' GROUP BY webhook_id
"""
FIRST_HOUR_SQL = "SELECT date_trunc('hour', clock_timestamp() - make_interval(hours => %s), 'UTC')"
LIST_HOURS_SQL = """
SELECT webhook_id, hour, delivered, failed, failed_attempts FROM webhook_hours
WHERE webhook_id = ANY (%s) AND hour >= %s ORDER BY hour
"""
# A percentile is the lowest recorded time that so many of the requests did not exceed.
LIST_RESPONSE_HOURS_SQL = """
WITH hours AS (
    SELECT generate_series(date_trunc('hour', clock_timestamp() - make_interval(hours => %(hours)s - 1), 'UTC'),
        clock_timestamp(), interval '1 hour') AS hour
), ranked AS (
    SELECT hour, response_time_ms, sum(requests) OVER (PARTITION BY hour ORDER BY response_time_ms) AS up_to,
        sum(requests) OVER (PARTITION BY hour) AS requests
    FROM webhook_response_times WHERE webhook_id = %(webhook)s AND hour >= (SELECT min(hour) FROM hours)
), times AS (
    SELECT hour, max(requests)::bigint AS requests,
        min(response_time_ms) FILTER (WHERE up_to >= requests * 0.5) AS median_ms,
        min(response_time_ms) FILTER (WHERE up_to >= requests * 0.95) AS p95_ms
    FROM ranked GROUP BY hour
)
SELECT hours.hour, coalesce(c.delivered, 0), coalesce(c.failed, 0), coalesce(c.failed_attempts, 0),
    coalesce(t.requests, 0), t.median_ms, t.p95_ms
FROM hours LEFT JOIN webhook_hours c ON c.webhook_id = %(webhook)s AND c.hour = hours.hour
LEFT JOIN times t ON t.hour = hours.hour ORDER BY hours.hour
"""


def read_hours(webhook_id: int, hours: int) -> list[dict[str, Any]]:
    """Return the requests of a webhook in each of the last hours, the current one included, with response times."""
    names = ("delivered", "failed", "failed_attempts", "requests", "median_ms", "p95_ms")
    with driver_cursor() as cursor:
        cursor.execute(LIST_RESPONSE_HOURS_SQL, {"webhook": webhook_id, "hours": hours})
        return [
            {"hour": format_timestamp(hour), **dict(zip(names, counts, strict=True))}
            for hour, *counts in cursor.fetchall()
        ]


def read_health(webhook_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the `health` object of each webhook, keyed by id; its hours are the last 24, the current one included.

    The hours begin at full hours of UTC, by the clock of the database.
    """
    with driver_cursor() as cursor:
        cursor.execute(FIRST_HOUR_SQL, (HEALTH_HOURS - 1,))
        (first_hour,) = cursor.fetchone() or ()
        health = {webhook_id: _empty_health(first_hour) for webhook_id in webhook_ids}
        cursor.execute(COUNT_PENDING_SQL, (list(webhook_ids),))
        for webhook_id, pending, waiting, next_attempt_at in cursor.fetchall():
            next_attempt = {"next_attempt_at": format_timestamp(next_attempt_at)}
            health[webhook_id] |= {"pending": pending, "waiting": waiting, **next_attempt}
        cursor.execute(LIST_HOURS_SQL, (list(webhook_ids), first_hour))
        for webhook_id, hour, delivered, failed, failed_attempts in cursor.fetchall():
            totals = health[webhook_id]
            totals["delivered"] += delivered
            totals["failed"] += failed
            index = (hour - first_hour) // timedelta(hours=1)
            if 0 <= index < HEALTH_HOURS:
                counts = {"delivered": delivered, "failed": failed, "failed_attempts": failed_attempts}
                totals["hours"][index] |= counts
    return health


def _empty_health(first_hour: datetime) -> dict[str, Any]:
    hours = [format_timestamp(first_hour + timedelta(hours=number)) for number in range(HEALTH_HOURS)]
    return {
        "delivered": 0,
        "pending": 0,
        "waiting": 0,
        "next_attempt_at": None,
        "failed": 0,
        "hours": [{"hour": hour, "delivered": 0, "failed": 0, "failed_attempts": 0} for hour in hours],
    }
