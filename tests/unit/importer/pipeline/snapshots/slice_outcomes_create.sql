-- The comparison of a check, mode create, a file without descriptions.
WITH compared AS MATERIALIZED (
    SELECT s.address, p.id, (CASE WHEN p."name" <> s."name" THEN 1 ELSE 0 END
        + CASE WHEN p."active" <> s."active" THEN 4 ELSE 0 END
        + CASE WHEN p."name" <> '' AND s."name" = '' THEN 8 ELSE 0 END)::smallint AS changes
    FROM (
        SELECT DISTINCT ON (key) ctid AS address, * FROM "import_staging_7_5eed5eed"
        WHERE key > 'k-0100' AND key <= 'k-0200' ORDER BY key, number DESC
    ) s
    LEFT JOIN (
        SELECT id, "sku", "name", "active" FROM products WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200'
    ) p ON lower(p.sku) COLLATE "C" = s.key
    ORDER BY s.key
), recorded AS (
    INSERT INTO "import_staging_7_5eed5eed_outcomes"
    SELECT 3,
        array_agg(address) FILTER (WHERE id IS NULL),
        array_agg(address) FILTER (WHERE false),
        array_agg(address) FILTER (WHERE false),
        array_agg(address) FILTER (WHERE id IS NOT NULL),
        array_agg(id) FILTER (WHERE false),
        array_agg(id) FILTER (WHERE false),
        array_agg(id) FILTER (WHERE id IS NOT NULL),
        array_agg(changes) FILTER (WHERE false)
    FROM compared
)
SELECT count(*), count(*) FILTER (WHERE id IS NULL), count(*) FILTER (WHERE false),
    count(*) FILTER (WHERE id IS NOT NULL),
    count(*) FILTER (WHERE (false) AND changes & 1 <> 0),
    count(*) FILTER (WHERE (false) AND changes & 4 <> 0),
    count(*) FILTER (WHERE (false) AND changes & 8 <> 0)
FROM compared
