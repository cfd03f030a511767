-- Mode update, with a change log: new products are skipped and logged by their SKU.
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), compared AS MATERIALIZED (
    SELECT p.id IS NULL AND write AS is_new, write, skip, p.address, p.updated_at, p.version,
        s."sku", s."name", s."description", s."active",
        CASE WHEN p."name" <> s."name" THEN p."name" END AS "previous_name",
        CASE WHEN p."description" <> s."description" THEN p."description" END AS "previous_description",
        CASE WHEN p."active" <> s."active" THEN p."active" END AS "previous_active"
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
        SELECT p.id IS NOT NULL AND (p."name" <> s."name"
            OR p."description" <> s."description"
            OR p."active" <> s."active") AS write,
            p.id IS NULL AS skip
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
    RETURNING p.id, compared.version,
        compared."previous_name",
        compared."previous_description",
        compared."previous_active"
), logged_created AS (
    INSERT INTO import_changes (job_id, at, created, skipped)
    SELECT 7, at, created, skipped
    FROM write_time, (SELECT array_agg(id) AS created FROM inserted) i,
        (SELECT (SELECT array_agg(sku) FROM compared WHERE skip) AS skipped) s
    WHERE created IS NOT NULL OR skipped IS NOT NULL
), logged_updated AS (
    INSERT INTO import_changes (job_id, at, updated, stamps, "names", "descriptions", "actives")
    SELECT 7, (SELECT at FROM write_time), array_agg(id), array_agg(version),
        CASE WHEN count("previous_name") > 0 THEN array_agg("previous_name") END,
        CASE WHEN count("previous_description") > 0 THEN array_agg("previous_description") END,
        CASE WHEN count("previous_active") > 0 THEN array_agg("previous_active") END
    FROM (
        SELECT *, sum(
            coalesce(octet_length("previous_name"), 0) + coalesce(octet_length("previous_description"), 0)
        ) OVER (ROWS UNBOUNDED PRECEDING) / 67108864 AS entry
        FROM updated
    ) entries
    GROUP BY entry
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE write AND NOT is_new), count(*) FILTER (WHERE skip),
    (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated)
FROM compared
