-- Missing products are deleted, with a change log and a subscribed webhook.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), horizon AS MATERIALIZED (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_id
), missing AS MATERIALIZED (
    SELECT p.ctid AS address, p.updated_at, CASE WHEN p.restored[2] = p.updated_at THEN p.restored[1] ELSE p.updated_at END AS version
    FROM products p WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200' AND NOT EXISTS (
        SELECT FROM "import_staging_7_5eed5eed" s WHERE s.key = lower(p.sku) COLLATE "C" AND key > 'k-0100' AND key <= 'k-0200'
    ) AND NOT EXISTS (
        SELECT FROM "import_staging_7_5eed5eed" r
        WHERE r.rejected_sku IS NOT NULL AND lower(r.rejected_sku) COLLATE "C" = lower(p.sku) COLLATE "C"
    ) AND (
        ((SELECT next_id FROM horizon) - p.xmin::text::bigint) & 4294967295 > (SELECT next_id FROM horizon) - 4294968300
    ) AND p.xmin::text::bigint <> ALL (ARRAY[704,904]::bigint[])
    ORDER BY lower(p.sku) COLLATE "C"
), deleted AS (
    DELETE FROM products p USING missing m
    WHERE p.ctid = m.address AND p.updated_at IS NOT DISTINCT FROM m.updated_at
    RETURNING p.id, p.sku, p.name, p.description, p.active, p.created_at, p.updated_at, m.version
), cuts AS MATERIALIZED (
    SELECT w.id AS webhook_id, c.cut
    FROM webhooks w CROSS JOIN LATERAL (VALUES
        ('batch', string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', 'products.imported']),
        ('deleted', w.imports = 'each' AND string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', 'product.deleted'])
    ) c (cut, wanted)
    WHERE w.enabled AND c.wanted
), event AS (
    INSERT INTO webhook_events (type, task_id, request_id, deleted)
    SELECT 'products.imported', '00000000-0000-4000-8000-000000000007', NULL, json_agg(json_build_object('id', id, 'sku', sku,
        'name', name, 'description', description, 'active', active, 'created_at', created_at, 'updated_at', updated_at))
    FROM (
        SELECT *, (row_number() OVER () - 1) / 500 AS portion FROM deleted
    ) numbered WHERE EXISTS (SELECT FROM cuts) GROUP BY portion ORDER BY portion
    RETURNING id, json_array_length(deleted) AS products
), deliveries AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT webhook_id, event.id, cut, CASE cut WHEN 'batch' THEN 1 ELSE products END FROM cuts, event
), logged AS (
    INSERT INTO import_changes (job_id, at, deleted, skus, names, descriptions, actives, stamps, created_ats,
        updated_ats)
    SELECT 7, (SELECT at FROM write_time), array_agg(id), array_agg(sku), array_agg(name),
        array_agg(description), array_agg(active), array_agg(version), array_agg(created_at), array_agg(updated_at)
    FROM (
        SELECT *, sum(
            octet_length(sku) + octet_length(name) + octet_length(description)
        ) OVER (ROWS UNBOUNDED PRECEDING) / 67108864 AS entry
        FROM deleted
    ) entries
    GROUP BY entry
)
SELECT (SELECT count(*) FROM missing), (SELECT count(*) FROM deleted)
