-- The comparison that looks ahead during a merge.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), compared AS MATERIALIZED (
    SELECT p.id IS NULL AND write AS is_new, write, skip, p.address, p.updated_at, p.version,
        CASE WHEN write OR skip THEN s."sku" END AS "sku",
        CASE WHEN write OR skip THEN s."name" END AS "name",
        CASE WHEN write OR skip THEN s."description" END AS "description",
        CASE WHEN write OR skip THEN s."active" END AS "active"
    FROM (
        SELECT DISTINCT ON (key) * FROM "import_staging_7_5eed5eed"
        WHERE key > 'k-0100' AND key <= 'k-0200' ORDER BY key, number DESC
    ) s
    LEFT JOIN (
        SELECT id, ctid AS address, updated_at, "sku", "name", "description", "active",
            NULL AS version
        FROM products q WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200'
    ) p ON lower(p.sku) COLLATE "C" = s.key
    CROSS JOIN LATERAL (
        SELECT p.id IS NULL
            OR p."name" <> s."name"
            OR p."description" <> s."description"
            OR p."active" <> s."active" AS write,
            false AS skip
    ) w
    ORDER BY s.key
)
SELECT count(*), count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE write AND NOT is_new),
    count(*) FILTER (WHERE skip)
FROM compared
