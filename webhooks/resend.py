"""Lets deliveries start over: they are due now, with all attempts of the retry policy.

Deliveries that are due already keep their place in the order. If one of them is being sent, the result of that attempt
counts. So nothing is sent twice at once, and a dispatcher needs no message besides the notification.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from webhooks.delivery_filter import DeliveryFilter
from webhooks.outbox import DELIVERIES_CHANNEL

# More deliveries take several transactions, so that none holds locks for long.
DELIVERIES_PER_TRANSACTION = 5000
MAX_ID = 2**63 - 1

# A pending delivery whose next attempt is in the future has failed before. No dispatcher has loaded it. Of two
# statements that choose the same delivery, the second waits for the first and then compares what that has written with
# the present time, so the delivery counts once.
HAS_FAILED_SQL = "(d.status = 'failed' OR d.status = 'pending' AND d.next_attempt_at > clock_timestamp())"
# All deliveries of a statement become due at the same time. The dispatcher sends them in the order of their events.
START_OVER_SQL = f"""
WITH chosen AS MATERIALIZED (
    SELECT d.id, d.created_at, d.status FROM {{source}}
    WHERE {{condition}} AND (d.created_at, d.id) > ({{last_created_at}}, {{last_id}})
    ORDER BY d.created_at, d.id LIMIT {{limit}} FOR NO KEY UPDATE OF d
), changed AS (
    UPDATE webhook_deliveries d SET status = 'pending', tries = 0, finished_at = NULL,
        next_attempt_at = least(d.next_attempt_at, statement_timestamp())
    FROM chosen WHERE d.id = chosen.id
), notified AS (
    SELECT pg_notify('{DELIVERIES_CHANNEL}', '')
)
SELECT count(*), count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'pending'),
    (array_agg(created_at ORDER BY created_at DESC, id DESC))[1], (array_agg(id ORDER BY created_at DESC, id DESC))[1]
FROM chosen, notified
"""


class Position(NamedTuple):
    """The last delivery that was changed, after which the next transaction continues."""

    created_at: datetime
    id: int


@dataclass(frozen=True)
class Restarted:
    """How many deliveries of one transaction start over, and of these, how many had failed or were pending.

    `last` is None if none is left.
    """

    count: int
    failed: int
    pending: int
    last: Position | None


def restart_failed(cursor: Cursor, webhook_id: int, since: datetime | None, after: Position | None) -> Restarted:
    """Let the next deliveries start over that have failed, or that wait for their next attempt; in one transaction."""
    return _start_over(cursor, webhook_id, DeliveryFilter(since=since), sql.SQL(HAS_FAILED_SQL), after)


def restart_matching(cursor: Cursor, webhook_id: int, filter: DeliveryFilter, after: Position | None) -> Restarted:
    """Let the next deliveries start over that match a filter; in one transaction."""
    return _start_over(cursor, webhook_id, filter, sql.SQL("true"), after)


def restart_chosen(cursor: Cursor, webhook_id: int, ids: Collection[int], after: Position | None) -> Restarted:
    """Let the next deliveries start over that have one of the ids; in one transaction."""
    # Clients may send numbers outside the range of bigint; no delivery has such an id.
    valid = sorted(id for id in ids if 0 < id <= MAX_ID)
    condition = sql.SQL("d.id = ANY ({}::bigint[])").format(sql.Literal(valid))
    return _start_over(cursor, webhook_id, DeliveryFilter(), condition, after)


def _start_over(
    cursor: Cursor, webhook_id: int, filter: DeliveryFilter, condition: sql.Composable, after: Position | None
) -> Restarted:
    parts = {
        "source": filter.source(),
        "condition": sql.SQL("{} AND {}").format(filter.condition(webhook_id), condition),
        "last_created_at": sql.Literal(after.created_at if after else "-infinity"),
        "last_id": sql.Literal(after.id if after else 0),
        "limit": sql.Literal(DELIVERIES_PER_TRANSACTION),
    }
    cursor.execute(sql.SQL(START_OVER_SQL).format(**parts))
    count, failed, pending, created_at, id = cursor.fetchone() or (0, 0, 0, None, None)
    last = Position(created_at, id) if count == DELIVERIES_PER_TRANSACTION else None
    return Restarted(count, failed, pending, last)
