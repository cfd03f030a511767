-- The products that the file does not have; some rows were rejected.
WITH missing AS MATERIALIZED (
    SELECT p.id, p.sku FROM products p WHERE NOT EXISTS (
        SELECT FROM "import_staging_7_5eed5eed" s WHERE s.key = lower(p.sku) COLLATE "C" AND true
    ) AND NOT EXISTS (
        SELECT FROM "import_staging_7_5eed5eed" r
        WHERE r.rejected_sku IS NOT NULL AND lower(r.rejected_sku) COLLATE "C" = lower(p.sku) COLLATE "C"
    )
), samples AS (
    SELECT s.sku, p.name FROM (
        SELECT id, sku FROM missing ORDER BY lower(sku) COLLATE "C" LIMIT 5
    ) s JOIN products p USING (id) ORDER BY lower(s.sku) COLLATE "C"
)
SELECT pg_current_snapshot()::text, (SELECT count(*) FROM products), (SELECT count(*) FROM missing),
    (SELECT count(*) FROM "import_staging_7_5eed5eed" WHERE rejected_sku = '') AS unreadable,
    (SELECT coalesce(json_agg(json_build_object('text', sku, 'sku', sku, 'name', name)), '[]') FROM samples)
