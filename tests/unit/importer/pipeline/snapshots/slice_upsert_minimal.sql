-- Mode upsert, all columns, without a change log and without a subscriber.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), compared AS MATERIALIZED (
    SELECT p.id IS NULL AND write AS is_new, write, skip, p.address, p.updated_at, p.version,
        s."sku", s."name", s."description", s."active"
    FROM (
        SELECT DISTINCT ON (key) * FROM "import_staging_7_5eed5eed"
        WHERE key > 'k-0100' AND key <= 'k-0200' ORDER BY key, number DESC
    ) s
    LEFT JOIN (
        SELECT id, ctid AS address, updated_at, "sku", "name", "description", "active",
            CASE WHEN q.restored[2] = q.updated_at THEN q.restored[1] ELSE q.updated_at END AS version
        FROM products q WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200'
    ) p ON lower(p.sku) COLLATE "C" = s.key
    CROSS JOIN LATERAL (
        SELECT p.id IS NULL
            OR p."name" <> s."name"
            OR p."description" <> s."description"
            OR p."active" <> s."active" AS write,
            false AS skip
    ) w
    WHERE write OR skip ORDER BY s.key
), new_ids AS MATERIALIZED (
    SELECT array_agg(nextval((SELECT pg_get_serial_sequence('products', 'id')::regclass))) AS ids
    FROM generate_series(1, (SELECT count(*) FROM compared WHERE is_new))
), inserted AS (
    INSERT INTO products (id, "sku", "name", "description", "active", created_at, updated_at)
    SELECT (SELECT ids FROM new_ids)[row_number() OVER ()], "sku", "name", "description", coalesce("active", true),
        (SELECT at FROM write_time), (SELECT at FROM write_time)
    FROM compared WHERE is_new RETURNING id
), updated AS (
    UPDATE products p SET
        "name" = compared."name",
        "description" = compared."description",
        "active" = coalesce(compared."active", p."active"),
        updated_at = (SELECT at FROM write_time)
    FROM compared WHERE write AND NOT is_new AND p.ctid = compared.address
        AND p.updated_at IS NOT DISTINCT FROM compared.updated_at
    RETURNING p.id
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE write AND NOT is_new), count(*) FILTER (WHERE skip),
    (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated)
FROM compared
