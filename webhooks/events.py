"""The event types, and how an event is written to the outbox in the transaction of the change it describes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from monitoring.context import current_request_id

# Each event type with the sentence that clients read.
EVENT_TYPES = {
    "product.created": "A product was created.",
    "product.updated": "A product was changed.",
    "product.deleted": "A product was deleted.",
    "product.bulk_deleted": "Many products were deleted at once.",
    "products.imported": "An import created, changed or deleted these products, at most 500 in one request.",
    "import.completed": "An import has completed. Its counts say what it did.",
    "import.failed": "An import has failed.",
}
ALL_EVENTS = "*"
BATCH_PRODUCTS = 500

# The largest number of product ids in one event of a bulk change, because each call of the expander reads all ids of an
# event. The event of an import has the ids of one slice.
IDS_PER_EVENT = 25_000

IS_SUBSCRIBED_SQL = "string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', {event}]"
INSERT_EVENT_SQL = f"""
WITH receivers AS MATERIALIZED (
    SELECT id FROM webhooks w WHERE enabled AND {IS_SUBSCRIBED_SQL.format(event="%(event)s")}
), event AS (
    INSERT INTO webhook_events (type, body, request_id)
    SELECT %(event)s, %(body)s, %(request_id)s WHERE EXISTS (SELECT FROM receivers) RETURNING id
)
INSERT INTO webhook_deliveries (webhook_id, event_id) SELECT receivers.id, event.id FROM receivers, event
"""
SINGLE_EVENTS_SQL = "'product.created', 'product.updated', 'product.deleted'"
HAS_IMPORT_SUBSCRIBERS_SQL = f"""
SELECT EXISTS (SELECT FROM webhooks w WHERE enabled AND ({IS_SUBSCRIBED_SQL.format(event="'products.imported'")}
    OR imports = 'each' AND ({IS_SUBSCRIBED_SQL.format(event=SINGLE_EVENTS_SQL)})))
"""

# Parts of statements that write products. Such a statement has the ids of the products in its CTEs `inserted` and
# `updated`; `INSERT_CREATED_SQL` and `INSERT_UPDATED_SQL` need only one of the two. The events hold only these ids. The
# expander later splits each event into deliveries, a few at a time.
INSERT_IMPORTED_SQL = f""", ids AS MATERIALIZED (
    SELECT (SELECT array_agg(id) FROM inserted) AS created, (SELECT array_agg(id) FROM updated) AS updated
), cuts AS MATERIALIZED (
    SELECT w.id AS webhook_id, c.cut, c.parts
    FROM (
        SELECT coalesce(cardinality(created), 0) AS new, coalesce(cardinality(updated), 0) AS changed FROM ids
    ) numbers
    CROSS JOIN webhooks w
    CROSS JOIN LATERAL (VALUES
        ('batch', (new + changed + {BATCH_PRODUCTS} - 1) / {BATCH_PRODUCTS},
            {IS_SUBSCRIBED_SQL.format(event="'products.imported'")}),
        ('created', new, w.imports = 'each' AND {IS_SUBSCRIBED_SQL.format(event="'product.created'")}),
        ('updated', changed, w.imports = 'each' AND {IS_SUBSCRIBED_SQL.format(event="'product.updated'")})
    ) c (cut, parts, wanted)
    WHERE w.enabled AND c.wanted AND c.parts > 0
), event AS (
    INSERT INTO webhook_events (type, task_id, request_id, created, updated)
    SELECT 'products.imported', {{task_id}}, {{request_id}}, created, updated
    FROM ids WHERE EXISTS (SELECT FROM cuts) RETURNING id
), deliveries AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT webhook_id, event.id, cut, parts FROM cuts, event
)"""
# The statement has the columns of the products in its CTE `deleted`. Nobody can read them later, so the events hold
# them, at most `BATCH_PRODUCTS` each.
INSERT_DELETED_SQL = f""", cuts AS MATERIALIZED (
    SELECT w.id AS webhook_id, c.cut
    FROM webhooks w CROSS JOIN LATERAL (VALUES
        ('batch', {IS_SUBSCRIBED_SQL.format(event="'products.imported'")}),
        ('deleted', w.imports = 'each' AND {IS_SUBSCRIBED_SQL.format(event="'product.deleted'")})
    ) c (cut, wanted)
    WHERE w.enabled AND c.wanted
), event AS (
    INSERT INTO webhook_events (type, task_id, request_id, deleted)
    SELECT 'products.imported', {{task_id}}, {{request_id}}, json_agg(json_build_object('id', id, 'sku', sku,
        'name', name, 'description', description, 'active', active, 'created_at', created_at, 'updated_at', updated_at))
    FROM (
        SELECT *, (row_number() OVER () - 1) / {BATCH_PRODUCTS} AS portion FROM deleted
    ) numbered WHERE EXISTS (SELECT FROM cuts) GROUP BY portion ORDER BY portion
    RETURNING id, json_array_length(deleted) AS products
), deliveries AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT webhook_id, event.id, cut, CASE cut WHEN 'batch' THEN 1 ELSE products END FROM cuts, event
)"""
# The events of single products: the statement has their ids in its CTE `cte`; the event is `product.created` or
# `product.updated`.
INSERT_SINGLES_SQL = f""", {{cte}}_receivers AS MATERIALIZED (
    SELECT id FROM webhooks w WHERE enabled AND {IS_SUBSCRIBED_SQL.format(event="'product.{event}'")}
), {{cte}}_event AS (
    INSERT INTO webhook_events (type, request_id, {{event}})
    SELECT 'product.{{event}}', {{request_id}}, array_agg(id) FROM (
        SELECT id, (row_number() OVER () - 1) / {IDS_PER_EVENT} AS portion FROM {{cte}}
    ) numbered WHERE EXISTS (SELECT FROM {{cte}}_receivers) GROUP BY portion ORDER BY portion
    RETURNING id, cardinality({{event}}) AS parts
), {{cte}}_deliveries AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT r.id, e.id, '{{event}}', e.parts FROM {{cte}}_event e, {{cte}}_receivers r
)"""
# Both have the placeholder `{request_id}`.
INSERT_UPDATED_SQL = INSERT_SINGLES_SQL.format(cte="updated", event="updated", request_id="{request_id}")
INSERT_CREATED_SQL = INSERT_SINGLES_SQL.format(cte="inserted", event="created", request_id="{request_id}")


def record_event(cursor: Cursor, event: str, content: Mapping[str, Any]) -> None:
    """Write an event and a delivery for each subscribed webhook, in the caller's transaction.

    `content` is the body without its field `event`. Without a subscriber nothing is written. Raises `ValueError` for an
    unknown event type.
    """
    if event not in EVENT_TYPES:
        raise ValueError(f"There is no event type {event}.")
    values = {"event": event, "body": encode_body(event, content), "request_id": current_request_id()}
    cursor.execute(INSERT_EVENT_SQL, values)


def has_import_subscribers(cursor: Cursor) -> bool:
    """Return whether a webhook subscribes to the products that imports write."""
    cursor.execute(HAS_IMPORT_SUBSCRIBERS_SQL)
    return cursor.fetchone() == (True,)


def insert_imported_sql(task_id: str) -> sql.Composable:
    """Return the part of a statement that writes the event of an import; see `INSERT_IMPORTED_SQL`."""
    return sql.SQL(INSERT_IMPORTED_SQL).format(task_id=sql.Literal(task_id), request_id=_request_id())


def insert_deleted_sql(task_id: str) -> sql.Composable:
    """Return the part of a statement that writes the event of products that an import deletes."""
    return sql.SQL(INSERT_DELETED_SQL).format(task_id=sql.Literal(task_id), request_id=_request_id())


def insert_updated_sql() -> sql.Composable:
    """Return the part of a statement that writes the events `product.updated`; see `INSERT_SINGLES_SQL`."""
    return sql.SQL(INSERT_UPDATED_SQL).format(request_id=_request_id())


def insert_created_sql() -> sql.Composable:
    """Return the part of a statement that writes the events `product.created`; see `INSERT_SINGLES_SQL`."""
    return sql.SQL(INSERT_CREATED_SQL).format(request_id=_request_id())


def _request_id() -> sql.Composable:
    """Return the request that causes the events of the statement, or NULL."""
    return sql.Literal(current_request_id())


def encode_body(event: str, content: Mapping[str, Any]) -> str:
    """Return the body of a request as JSON (RFC 8259)."""
    return json.dumps({"event": event, **content}, ensure_ascii=False, separators=(",", ":"))
