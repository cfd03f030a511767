-- A bulk change deletes products with given ids, with a change log.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), selected AS MATERIALIZED (
    SELECT products.ctid AS address, products.updated_at,
        CASE WHEN products.restored[2] = products.updated_at THEN products.restored[1] ELSE products.updated_at END AS version
    FROM (SELECT * FROM "import_staging_7_5eed5eed" WHERE key > 'k-0100' AND key <= 'k-0200') staged
    JOIN products ON lower(products.sku) COLLATE "C" = staged.key AND products.id = staged.product_id
    WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200' AND true AND (products.updated_at = staged.found_version OR (id = ANY (ARRAY[1,2]::bigint[])))
    ORDER BY staged.key
), deleted AS (
    DELETE FROM products p USING selected s
    WHERE p.ctid = s.address AND p.updated_at IS NOT DISTINCT FROM s.updated_at
    RETURNING p.id, p.sku, p.name, p.description, p.active, p.created_at, p.updated_at, s.version
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
SELECT (SELECT count(*) FROM selected), (SELECT count(*) FROM deleted)
