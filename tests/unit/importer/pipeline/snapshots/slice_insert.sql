-- A range of keys without products, with a change log and a subscribed webhook.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), new_ids AS MATERIALIZED (
    SELECT array_agg(nextval((SELECT pg_get_serial_sequence('products', 'id')::regclass))) AS ids
    FROM generate_series(1, 100)
), inserted AS (
    SELECT unnest(ids) AS id FROM new_ids
), updated AS (
    SELECT id FROM products WHERE false
), ids AS MATERIALIZED (
    SELECT (SELECT array_agg(id) FROM inserted) AS created, (SELECT array_agg(id) FROM updated) AS updated
), cuts AS MATERIALIZED (
    SELECT w.id AS webhook_id, c.cut, c.parts
    FROM (
        SELECT coalesce(cardinality(created), 0) AS new, coalesce(cardinality(updated), 0) AS changed FROM ids
    ) numbers
    CROSS JOIN webhooks w
    CROSS JOIN LATERAL (VALUES
        ('batch', (new + changed + 500 - 1) / 500,
            string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', 'products.imported']),
        ('created', new, w.imports = 'each' AND string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', 'product.created']),
        ('updated', changed, w.imports = 'each' AND string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', 'product.updated'])
    ) c (cut, parts, wanted)
    WHERE w.enabled AND c.wanted AND c.parts > 0
), event AS (
    INSERT INTO webhook_events (type, task_id, request_id, created, updated)
    SELECT 'products.imported', '00000000-0000-4000-8000-000000000007', NULL, created, updated
    FROM ids WHERE EXISTS (SELECT FROM cuts) RETURNING id
), deliveries AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT webhook_id, event.id, cut, parts FROM cuts, event
), logged_created AS (
    INSERT INTO import_changes (job_id, at, created, skipped)
    SELECT 7, at, created, skipped
    FROM write_time, (SELECT array_agg(id) AS created FROM inserted) i,
        (SELECT NULL::text[] AS skipped) s
    WHERE created IS NOT NULL OR skipped IS NOT NULL
)
INSERT INTO products (id, "sku", "name", "description", "active", created_at, updated_at)
    SELECT (SELECT ids FROM new_ids)[row_number() OVER ()], "sku", "name", "description", coalesce("active", true),
        (SELECT at FROM write_time), (SELECT at FROM write_time)
    FROM (
        SELECT DISTINCT ON (key) * FROM "import_staging_7_5eed5eed"
        WHERE key > 'k-0100' AND key <= 'k-0200' ORDER BY key, number DESC
    ) s
