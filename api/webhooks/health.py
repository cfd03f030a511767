"""The health of webhooks: how many deliveries are pending, succeeded and failed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from psycopg2.extensions import cursor as Cursor

from database.serializers import format_timestamp
from models import db

HEALTH_HOURS = 24
# A row with `parts_left` stands for that many deliveries, which have not been split off yet.
COUNT_PENDING_SQL = """
SELECT webhook_id, sum(coalesce(parts_left, 1))::bigint FROM webhook_deliveries
WHERE webhook_id = ANY (%s) AND status = 'pending' GROUP BY webhook_id
"""
FIRST_HOUR_SQL = "SELECT date_trunc('hour', clock_timestamp() - make_interval(hours => %s), 'UTC')"
LIST_HOURS_SQL = """
SELECT webhook_id, hour, delivered, failed, failed_attempts FROM webhook_hours
WHERE webhook_id = ANY (%s) AND hour >= %s ORDER BY hour
"""


def read_health(webhook_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the `health` object of each webhook, keyed by id; its hours are the last 24, the current one included.

    The hours begin at full hours of UTC, by the clock of the database.
    """
    connection: Any = db.session.connection().connection.driver_connection
    cursor: Cursor
    with connection.cursor() as cursor:
        cursor.execute(FIRST_HOUR_SQL, (HEALTH_HOURS - 1,))
        (first_hour,) = cursor.fetchone() or ()
        health = {webhook_id: _empty_health(first_hour) for webhook_id in webhook_ids}
        cursor.execute(COUNT_PENDING_SQL, (list(webhook_ids),))
        for webhook_id, pending in cursor.fetchall():
            health[webhook_id]["pending"] = pending
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
        "failed": 0,
        "hours": [{"hour": hour, "delivered": 0, "failed": 0, "failed_attempts": 0} for hour in hours],
    }
