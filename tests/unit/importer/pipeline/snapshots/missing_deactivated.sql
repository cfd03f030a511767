-- Missing products are deactivated, with a change log and a subscribed webhook.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), horizon AS MATERIALIZED (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_id
), missing AS MATERIALIZED (
    SELECT p.ctid AS address, p.updated_at, CASE WHEN p.restored[2] = p.updated_at THEN p.restored[1] ELSE p.updated_at END AS version
    FROM products p WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200' AND p.active AND NOT EXISTS (
        SELECT FROM "import_staging_7_5eed5eed" s WHERE s.key = lower(p.sku) COLLATE "C" AND key > 'k-0100' AND key <= 'k-0200'
    ) AND NOT EXISTS (
        SELECT FROM "import_staging_7_5eed5eed" r
        WHERE r.rejected_sku IS NOT NULL AND lower(r.rejected_sku) COLLATE "C" = lower(p.sku) COLLATE "C"
    ) AND (
        ((SELECT next_id FROM horizon) - p.xmin::text::bigint) & 4294967295 > (SELECT next_id FROM horizon) - 4294968300
    ) AND p.xmin::text::bigint <> ALL (ARRAY[704,904]::bigint[])
    ORDER BY lower(p.sku) COLLATE "C"
), updated AS (
    UPDATE products p SET active = false, updated_at = (SELECT at FROM write_time)
    FROM missing m WHERE p.ctid = m.address AND p.updated_at IS NOT DISTINCT FROM m.updated_at
    RETURNING p.id, m.version
), inserted AS (
    SELECT id FROM updated WHERE false
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
), logged AS (
    INSERT INTO import_changes (job_id, at, deactivated, updated, stamps, actives)
    SELECT 7, (SELECT at FROM write_time), true, array_agg(id), array_agg(version), array_agg(true)
    FROM updated HAVING count(*) > 0
)
SELECT (SELECT count(*) FROM missing), (SELECT count(*) FROM updated)
