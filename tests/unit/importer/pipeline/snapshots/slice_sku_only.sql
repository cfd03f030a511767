-- A file that has only SKUs, with a change log: it creates products but updates none.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), compared AS MATERIALIZED (
    SELECT p.id IS NULL AND write AS is_new, write, skip, p.address, p.updated_at, p.version,
        s."sku"
    FROM (
        SELECT DISTINCT ON (key) * FROM "import_staging_7_5eed5eed"
        WHERE key > 'k-0100' AND key <= 'k-0200' ORDER BY key, number DESC
    ) s
    LEFT JOIN (
        SELECT id, ctid AS address, updated_at, "sku",
            CASE WHEN q.restored[2] = q.updated_at THEN q.restored[1] ELSE q.updated_at END AS version
        FROM products q WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200'
    ) p ON lower(p.sku) COLLATE "C" = s.key
    CROSS JOIN LATERAL (
        SELECT p.id IS NULL
            OR false AS write,
            false AS skip
    ) w
    WHERE write OR skip ORDER BY s.key
), new_ids AS MATERIALIZED (
    SELECT array_agg(nextval((SELECT pg_get_serial_sequence('products', 'id')::regclass))) AS ids
    FROM generate_series(1, (SELECT count(*) FROM compared WHERE is_new))
), inserted AS (
    INSERT INTO products (id, "sku", created_at, updated_at)
    SELECT (SELECT ids FROM new_ids)[row_number() OVER ()], "sku",
        (SELECT at FROM write_time), (SELECT at FROM write_time)
    FROM compared WHERE is_new RETURNING id
), updated AS (
    SELECT id FROM products WHERE false
), logged_created AS (
    INSERT INTO import_changes (job_id, at, created, skipped)
    SELECT 7, at, created, skipped
    FROM write_time, (SELECT array_agg(id) AS created FROM inserted) i,
        (SELECT NULL::text[] AS skipped) s
    WHERE created IS NOT NULL OR skipped IS NOT NULL
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE write AND NOT is_new), count(*) FILTER (WHERE skip),
    (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated)
FROM compared
