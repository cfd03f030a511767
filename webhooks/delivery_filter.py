"""The filters of a webhook's deliveries, as SQL, and how far back a search in bodies reaches.

The newest deliveries come first. The body of an event has no search index, because that would cost every writer. So a
search for a text reads bodies, the newest first, and stops after a limited number of deliveries and bytes.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from database.patterns import containing
from webhooks.expander import EVENT_TYPE_BY_CUT

# How much one search in bodies reads at most. Deliveries with the same `created_at` are all read or all left out.
SEARCHED_DELIVERIES = 20_000
SEARCHED_BYTES = 50_000_000
# More matches are estimated.
MAX_COUNTED = 10_000
ESTIMATE_DIGITS = 2

EVENT_ID_RE = re.compile(r"evt_([0-9a-f]{32})((?:_[bp][0-9]{1,19})?)")

JOIN_EVENTS_SQL = "webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id"
FIND_SEARCH_START_SQL = """
WITH scanned AS MATERIALIZED (
    SELECT d.created_at, octet_length(coalesce(d.body, e.body, '')) AS bytes FROM {source} WHERE {condition}
    ORDER BY d.created_at DESC FETCH FIRST {deliveries} ROWS WITH TIES
), moments AS (
    SELECT created_at, sum(sum(bytes)) OVER (ORDER BY created_at DESC) - sum(bytes) AS bytes_before
    FROM scanned GROUP BY created_at
), start AS (
    SELECT min(created_at) AS at FROM moments WHERE bytes_before < {bytes}
)
SELECT at FROM start, LATERAL (
    SELECT FROM {source} WHERE {condition} AND d.created_at < at ORDER BY d.created_at DESC LIMIT 1
) older
"""
LIST_NEWEST_SQL = """
SELECT id, count(*) OVER () FROM (
    SELECT d.id, d.created_at FROM {source} WHERE {condition} ORDER BY d.created_at DESC, d.id DESC LIMIT {counted}
) newest ORDER BY created_at DESC, id DESC LIMIT {limit} OFFSET {offset}
"""
LIST_DEEP_SQL = """
SELECT d.id FROM {source} WHERE {condition} ORDER BY d.created_at DESC, d.id DESC LIMIT {limit} OFFSET {offset}
"""
COUNT_SQL = "SELECT count(*) FROM (SELECT FROM {source} WHERE {condition} LIMIT {counted}) matching"
ESTIMATE_SQL = "EXPLAIN (FORMAT JSON) SELECT FROM {source} WHERE {condition}"


class EventId(NamedTuple):
    """The `webhook-id` of a delivery: the id of its event, and the label of its part of the event."""

    uid: uuid.UUID
    label: str


@dataclass(frozen=True)
class DeliveryFilter:
    """The deliveries that match every given field; `since` is inclusive, `until` exclusive.

    `id` is the number of a delivery or an event id. `text` is in the body, ignoring case. It holds neither a NUL nor a
    lone surrogate.
    """

    status: str | None = None
    event: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    id: int | EventId | None = None
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the given fields for an audit entry."""
        values = {"status": self.status, "event": self.event, "id": _format_id(self.id), "text": self.text or None}
        times = {"since": self.since, "until": self.until}
        values |= {name: time.isoformat() if time else None for name, time in times.items()}
        return {name: value for name, value in values.items() if value is not None}

    def source(self) -> sql.Composable:
        """Return what to select from: the deliveries `d`, and the events `e` if the condition needs them."""
        needs_events = self.event or self.text or isinstance(self.id, EventId)
        return sql.SQL(JOIN_EVENTS_SQL if needs_events else "webhook_deliveries d")

    def condition(self, webhook_id: int) -> sql.Composable:
        """Return the condition for the deliveries of a webhook.

        The values are literals, not parameters, so the planner can estimate how many rows match them. Deliveries that
        are still to be expanded are left out.
        """
        conditions = [_compare("d.webhook_id = {}", webhook_id), sql.SQL("d.parts_left IS NULL")]
        if self.status:
            conditions.append(_compare("d.status = {}", self.status))
        if self.since:
            conditions.append(_compare("d.created_at >= {}", self.since))
        if self.until:
            conditions.append(_compare("d.created_at < {}", self.until))
        if isinstance(self.id, EventId):
            conditions += [_compare("e.uid = {}::uuid", str(self.id.uid)), _compare("d.label = {}", self.id.label)]
        elif self.id is not None:
            conditions.append(_compare("d.id = {}", self.id))
        if self.event:
            conditions.append(_event_condition(self.event))
        if self.text:
            conditions.append(_compare("coalesce(d.body, e.body) ILIKE {}", containing(self.text)))
        return sql.SQL(" AND ").join(conditions)


class DeliveryPage(NamedTuple):
    """A page of matching deliveries: their ids, and how many match on all pages.

    `searched_since` is the time of the oldest delivery whose body was searched; None if all were searched. Older
    deliveries are not counted.
    """

    ids: list[int]
    total: int
    total_is_estimate: bool
    searched_since: datetime | None


def parse_id(text: str) -> int | EventId | None:
    """Return the delivery or event that a text names; None if it is neither a number nor an event id."""
    if match := EVENT_ID_RE.fullmatch(text):
        return EventId(uuid.UUID(match[1]), match[2])
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def limit_search(cursor: Cursor, webhook_id: int, filter: DeliveryFilter) -> tuple[DeliveryFilter, datetime | None]:
    """Return the filter, limited to the deliveries that one search may read, and where the search ends.

    That is the time of the oldest delivery that it reads, or None if it reads all.
    """
    if not filter.text:
        return filter, None
    others = replace(filter, text="")
    parts = {
        "source": sql.SQL(JOIN_EVENTS_SQL),
        "condition": others.condition(webhook_id),
        "deliveries": sql.Literal(SEARCHED_DELIVERIES),
        "bytes": sql.Literal(SEARCHED_BYTES),
    }
    cursor.execute(sql.SQL(FIND_SEARCH_START_SQL).format(**parts))
    row = cursor.fetchone()
    return (filter, None) if row is None else (replace(filter, since=row[0]), row[0])


def find_page(cursor: Cursor, webhook_id: int, filter: DeliveryFilter, page: int, per_page: int) -> DeliveryPage:
    """Return the ids of a page of the matching deliveries, the newest first, counted from 1."""
    filter, searched_since = limit_search(cursor, webhook_id, filter)
    # A limited search reads all of its bodies anyway, so its matches can be counted.
    counted = SEARCHED_DELIVERIES * 2 if filter.text else MAX_COUNTED
    offset = (page - 1) * per_page
    parts = {
        "source": filter.source(),
        "condition": filter.condition(webhook_id),
        "counted": sql.Literal(counted + 1),
        "limit": sql.Literal(per_page),
        "offset": sql.Literal(offset),
    }
    is_deep = offset + per_page > counted
    cursor.execute(sql.SQL(LIST_DEEP_SQL if is_deep else LIST_NEWEST_SQL).format(**parts))
    rows = cursor.fetchall()
    ids = [row[0] for row in rows]
    if is_deep or not rows:
        cursor.execute(sql.SQL(COUNT_SQL).format(**parts))
        (total,) = cursor.fetchone() or (0,)
    else:
        total = rows[0][1]
    if total <= counted:
        return DeliveryPage(ids, total, False, searched_since)
    cursor.execute(sql.SQL(ESTIMATE_SQL).format(**parts))
    ((plans,),) = cursor.fetchall()
    estimate = int(plans[0]["Plan"]["Plan Rows"])
    return DeliveryPage(ids, max(total, offset + len(ids), _round(estimate)), True, searched_since)


def _event_condition(event: str) -> sql.Composable:
    """Return the condition that a delivery is of an event type; parts of an event have a type of their own.

    Deliveries without a cut have the type of their event. An event that has products of an import is always cut.
    """
    cut = next((cut for cut, event_type in EVENT_TYPE_BY_CUT.items() if event_type == event), None)
    if cut is None:
        return _compare("d.cut IS NULL AND e.type = {}", event)
    types = sql.Literal([event, EVENT_TYPE_BY_CUT["batch"]])
    return sql.SQL("e.type = ANY ({}) AND (d.cut IS NULL OR d.cut = {})").format(types, sql.Literal(cut))


def _compare(condition: str, value: Any) -> sql.Composable:
    return sql.SQL(condition).format(sql.Literal(value))


def _format_id(id: int | EventId | None) -> str | None:
    return f"evt_{id.uid.hex}{id.label}" if isinstance(id, EventId) else None if id is None else str(id)


def _round(estimate: int) -> int:
    """Round to `ESTIMATE_DIGITS` significant digits, because an estimate is no more exact than that."""
    return round(estimate, ESTIMATE_DIGITS - len(str(estimate)))
