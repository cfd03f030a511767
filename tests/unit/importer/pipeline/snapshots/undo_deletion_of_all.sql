-- Products of a deletion of all are restored.
WITH logged AS MATERIALIZED (
    SELECT id, sku, name, description, active, created_at, updated_at, restored FROM "deleted_products_7_5eed5eed"
    WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200'
), taken AS MATERIALIZED (
    SELECT g.id, g.sku FROM logged g
    WHERE EXISTS (SELECT FROM products p WHERE lower(p.sku) COLLATE "C" = lower(g.sku) COLLATE "C")
        OR EXISTS (SELECT FROM products p WHERE p.id = g.id)
), inserted AS (
    INSERT INTO products (id, sku, name, description, active, created_at, updated_at, restored)
    SELECT id, sku, name, description, active, created_at, updated_at, restored
    FROM logged WHERE id NOT IN (SELECT id FROM taken) ORDER BY lower(sku) COLLATE "C" RETURNING id
), moved AS (
    DELETE FROM "deleted_products_7_5eed5eed" WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200' AND id IN (SELECT id FROM inserted)
), counted AS (
    UPDATE import_changes SET deleted_rows = deleted_rows - (SELECT count(*) FROM inserted) WHERE id = 42
), listed AS (
    INSERT INTO import_rejects (job_id, line, code, message, row)
    SELECT 7, line, 'sku_taken',
        'Another product has this SKU now, so the undo did not restore the deleted one.', sku
    FROM (
        SELECT rejected_count + row_number() OVER (ORDER BY lower(t.sku) COLLATE "C") AS line, t.sku
        FROM taken t, import_jobs j WHERE j.id = 7
    ) numbered WHERE line <= 1000
), updated AS (SELECT id FROM inserted WHERE false), inserted_receivers AS MATERIALIZED (
    SELECT id FROM webhooks w WHERE enabled AND string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', 'product.created']
), inserted_event AS (
    INSERT INTO webhook_events (type, request_id, created)
    SELECT 'product.created', NULL, array_agg(id) FROM (
        SELECT id, (row_number() OVER () - 1) / 25000 AS portion FROM inserted
    ) numbered WHERE EXISTS (SELECT FROM inserted_receivers) GROUP BY portion ORDER BY portion
    RETURNING id, cardinality(created) AS parts
), inserted_deliveries AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT r.id, e.id, 'created', e.parts FROM inserted_event e, inserted_receivers r
), updated_receivers AS MATERIALIZED (
    SELECT id FROM webhooks w WHERE enabled AND string_to_array(replace(w.event_type, ' ', ''), ',') && ARRAY['*', 'product.updated']
), updated_event AS (
    INSERT INTO webhook_events (type, request_id, updated)
    SELECT 'product.updated', NULL, array_agg(id) FROM (
        SELECT id, (row_number() OVER () - 1) / 25000 AS portion FROM updated
    ) numbered WHERE EXISTS (SELECT FROM updated_receivers) GROUP BY portion ORDER BY portion
    RETURNING id, cardinality(updated) AS parts
), updated_deliveries AS (
    INSERT INTO webhook_deliveries (webhook_id, event_id, cut, parts_left)
    SELECT r.id, e.id, 'updated', e.parts FROM updated_event e, updated_receivers r
)
SELECT (SELECT count(*) FROM logged), 0, (SELECT count(*) FROM inserted), (SELECT count(*) FROM taken)
