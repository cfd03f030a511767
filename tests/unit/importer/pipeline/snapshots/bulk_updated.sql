-- A bulk change sets the name, with a change log.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), selected AS MATERIALIZED (
    SELECT products.ctid AS address, products.updated_at,
        CASE WHEN products.restored[2] = products.updated_at THEN products.restored[1] ELSE products.updated_at END AS version, products."name" AS "previous_name"
    FROM (SELECT * FROM "import_staging_7_5eed5eed" WHERE key > 'k-0100' AND key <= 'k-0200') staged
    JOIN products ON lower(products.sku) COLLATE "C" = staged.key AND products.id = staged.product_id
    WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200' AND "name" <> 'new' AND (products.updated_at = staged.found_version OR (("sku" ILIKE '%lamp%' OR "name" ILIKE '%lamp%' OR "description" ILIKE '%lamp%')))
    ORDER BY staged.key
), updated AS (
    UPDATE products p SET "name" = 'new', updated_at = (SELECT at FROM write_time)
    FROM selected s WHERE p.ctid = s.address AND p.updated_at IS NOT DISTINCT FROM s.updated_at
    RETURNING p.id, s.version, s."previous_name"
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
), logged_updated AS (
    INSERT INTO import_changes (job_id, at, updated, stamps, "names")
    SELECT 7, (SELECT at FROM write_time), array_agg(id), array_agg(version),
        CASE WHEN count("previous_name") > 0 THEN array_agg("previous_name") END
    FROM (
        SELECT *, sum(
            coalesce(octet_length("previous_name"), 0)
        ) OVER (ROWS UNBOUNDED PRECEDING) / 67108864 AS entry
        FROM updated
    ) entries
    GROUP BY entry
)
SELECT (SELECT count(*) FROM selected), (SELECT count(*) FROM updated)
