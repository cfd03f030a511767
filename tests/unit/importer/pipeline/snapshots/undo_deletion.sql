-- Deleted products are restored, with a subscribed webhook.
WITH rest AS MATERIALIZED (
    SELECT unnest(left_alone) AS id FROM import_changes WHERE id = 42
), logged AS MATERIALIZED (
    SELECT u.*, CASE WHEN version <> updated_at THEN ARRAY[version, updated_at] END AS restored
    FROM import_changes c CROSS JOIN LATERAL (
        SELECT * FROM unnest(
            c.deleted, c.skus, c.names, c.descriptions, c.actives, c.stamps, c.created_ats, c.updated_ats
        ) u (id, sku, name, description, active, version, created_at, updated_at)
    ) u WHERE c.id = 42 AND (c.left_alone IS NULL OR u.id IN (SELECT id FROM rest))
), taken AS MATERIALIZED (
    SELECT g.id, g.sku FROM logged g
    WHERE EXISTS (SELECT FROM products p WHERE lower(p.sku) COLLATE "C" = lower(g.sku) COLLATE "C")
        OR EXISTS (SELECT FROM products p WHERE p.id = g.id)
), inserted AS (
    INSERT INTO products (id, sku, name, description, active, created_at, updated_at, restored)
    SELECT id, sku, name, description, active, created_at, updated_at, restored
    FROM logged WHERE id NOT IN (SELECT id FROM taken) ORDER BY lower(sku) COLLATE "C" RETURNING id
), left_alone AS (
    UPDATE import_changes SET left_alone = ARRAY(SELECT id FROM taken) WHERE id = 42
), listed AS (
    INSERT INTO import_rejects (job_id, line, code, message, row)
    SELECT 7, line, 'sku_taken',
        'Another product has this SKU now, so the undo did not restore the deleted one.', sku
    FROM (
        SELECT rejected_count + row_number() OVER (ORDER BY lower(t.sku) COLLATE "C") AS line, t.sku
        FROM taken t, import_jobs j WHERE j.id = 7
    ) numbered WHERE line <= 1000
), updated AS (SELECT id FROM inserted WHERE false), ids AS MATERIALIZED (
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
)
SELECT (SELECT count(*) FROM logged), 0, (SELECT count(*) FROM inserted), (SELECT count(*) FROM taken)
