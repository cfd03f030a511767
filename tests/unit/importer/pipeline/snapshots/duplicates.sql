-- The first 1,000 duplicates of a file are stored.
WITH pairs AS MATERIALIZED (
    SELECT * FROM (
        SELECT key, number, first_value(number) OVER (PARTITION BY key ORDER BY number DESC) AS kept_number FROM "import_staging_7_5eed5eed"
        WHERE key IS NOT NULL
    ) numbered WHERE number <> kept_number
), stored AS (
    INSERT INTO import_duplicates (job_id, line, kept_line, sku, differs, dropped, kept)
    SELECT 7, (
    SELECT coalesce(l.lines[pairs.number - l.first_number + 1], l.first_line + pairs.number - l.first_number)
    FROM "import_staging_7_5eed5eed_lines" l WHERE l.first_number <= pairs.number ORDER BY l.first_number DESC LIMIT 1
), (
    SELECT coalesce(l.lines[kept_number - l.first_number + 1], l.first_line + kept_number - l.first_number)
    FROM "import_staging_7_5eed5eed_lines" l WHERE l.first_number <= kept_number ORDER BY l.first_number DESC LIMIT 1
), d.sku, differs,
        jsonb_build_object('name', d."name", 'description', d."description", 'active', d."active"),
        CASE WHEN differs THEN jsonb_build_object('name', k."name", 'description', k."description", 'active', k."active") END
FROM pairs JOIN "import_staging_7_5eed5eed" d ON d.key = pairs.key AND d.number = pairs.number
    JOIN "import_staging_7_5eed5eed" k ON k.key = pairs.key AND k.number = kept_number
    CROSS JOIN LATERAL (SELECT d."name" IS DISTINCT FROM k."name" OR d."description" IS DISTINCT FROM k."description" OR d."active" IS DISTINCT FROM k."active" AS differs) c
    ORDER BY differs DESC, pairs.number LIMIT 1000
    RETURNING differs
)
SELECT count(*) FROM stored WHERE differs
