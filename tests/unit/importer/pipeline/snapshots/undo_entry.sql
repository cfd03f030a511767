-- An entry of the change log is reversed, with a subscribed webhook.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), rest AS MATERIALIZED (
    SELECT unnest(left_alone) AS id FROM import_changes WHERE id = 42
), logged AS MATERIALIZED (
    SELECT u.id, true AS was_created, NULL AS name, NULL AS description, NULL::boolean AS active,
        NULL::timestamptz AS version
    FROM import_changes c, unnest(c.created) u (id)
    WHERE c.id = 42 AND (c.left_alone IS NULL OR u.id IN (SELECT id FROM rest))
    UNION ALL
    SELECT u.* FROM import_changes c CROSS JOIN LATERAL (
        SELECT u.id, false, u.name, u.description, u.active, u.version
        FROM unnest(c.updated, c.names, c.descriptions, c.actives, c.stamps) u (id, name, description, active, version)
    ) u WHERE c.id = 42 AND (c.left_alone IS NULL OR u.id IN (SELECT id FROM rest))
), locked AS MATERIALIZED (
    SELECT p.id, p.sku, (
        CASE WHEN p.restored[2] = p.updated_at THEN p.restored[1] ELSE p.updated_at END
    ) = (SELECT at FROM import_changes WHERE id = 42) AS is_unedited
    FROM products p WHERE p.id IN (SELECT id FROM logged) ORDER BY lower(p.sku) COLLATE "C" FOR UPDATE
), removed AS (
    DELETE FROM products p USING logged g JOIN locked l USING (id)
    WHERE p.id = g.id AND l.is_unedited AND g.was_created RETURNING p.id
), restored AS (
    UPDATE products p SET name = coalesce(g.name, p.name), description = coalesce(g.description, p.description),
        active = coalesce(g.active, p.active), updated_at = (SELECT at FROM write_time),
        restored = ARRAY[g.version, (SELECT at FROM write_time)]
    FROM logged g JOIN locked l USING (id)
    WHERE p.id = g.id AND l.is_unedited AND NOT g.was_created RETURNING p.id
), left_alone AS (
    UPDATE import_changes SET left_alone = ARRAY(SELECT id FROM locked WHERE NOT is_unedited),
        reversals = reversals || (SELECT at FROM write_time)
    WHERE id = 42
), listed AS (
    INSERT INTO import_rejects (job_id, line, code, message, row)
    SELECT 7, line, 'edited_since',
        'The product was edited after the import, so the undo left it unchanged.', sku
    FROM (
        SELECT rejected_count + row_number() OVER (ORDER BY lower(sku) COLLATE "C") AS line, sku
        FROM locked, import_jobs j WHERE NOT is_unedited AND j.id = 7
    ) numbered WHERE line <= 1000
), inserted AS (SELECT id FROM removed WHERE false), updated AS (
    SELECT id FROM restored UNION ALL SELECT id FROM removed
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
)
SELECT (SELECT count(*) FROM logged), (SELECT count(*) FROM removed), (SELECT count(*) FROM restored),
    (SELECT count(*) FROM locked WHERE NOT is_unedited)
