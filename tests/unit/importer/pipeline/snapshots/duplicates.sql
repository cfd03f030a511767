-- The duplicates of a file are stored.
WITH pairs AS MATERIALIZED (
    SELECT * FROM (
        SELECT key, number, first_value(number) OVER (PARTITION BY key ORDER BY number DESC) AS kept_number FROM "import_staging_7_5eed5eed"
    ) numbered WHERE number <> kept_number
), compared AS MATERIALIZED (
    SELECT pairs.*, d."name" IS DISTINCT FROM k."name" OR d."description" IS DISTINCT FROM k."description" OR d."active" IS DISTINCT FROM k."active" AS differs
    FROM pairs JOIN "import_staging_7_5eed5eed" d ON d.key = pairs.key AND d.number = pairs.number
    JOIN "import_staging_7_5eed5eed" k ON k.key = pairs.key AND k.number = kept_number
), stored AS (
    INSERT INTO import_duplicates (job_id, line, kept_line, sku, differs, dropped, kept)
    SELECT 7, (
    SELECT coalesce(l.lines[c.number - l.first_number + 1], l.first_line + c.number - l.first_number)
    FROM "import_staging_7_5eed5eed_lines" l WHERE l.first_number <= c.number ORDER BY l.first_number DESC LIMIT 1
), (
    SELECT coalesce(l.lines[c.kept_number - l.first_number + 1], l.first_line + c.kept_number - l.first_number)
    FROM "import_staging_7_5eed5eed_lines" l WHERE l.first_number <= c.kept_number ORDER BY l.first_number DESC LIMIT 1
), d.sku, differs, jsonb_build_object('name', d."name", 'description', d."description", 'active', d."active"), CASE WHEN differs THEN jsonb_build_object('name', k."name", 'description', k."description", 'active', k."active") END
    FROM (SELECT * FROM compared ORDER BY differs DESC, number LIMIT 1000) c
    JOIN "import_staging_7_5eed5eed" d ON d.key = c.key AND d.number = c.number
    JOIN "import_staging_7_5eed5eed" k ON k.key = c.key AND k.number = kept_number
)
SELECT count(*) FROM compared WHERE differs
