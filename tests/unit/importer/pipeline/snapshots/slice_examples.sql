-- Examples of updated products for a preview.
SELECT coalesce(p.sku, s.sku), p.id IS NULL,
    left(p."name", 2000),
    left(s."name", 2000),
    left(p."description", 2000),
    left(s."description", 2000),
    p.active,
    coalesce(s.active, p.active, true)
FROM (
    SELECT DISTINCT ON (key) * FROM "import_staging_7_5eed5eed"
    WHERE key > 'k-0100' AND key <= 'k-0200' ORDER BY key, number DESC
) s
LEFT JOIN (
    SELECT * FROM products WHERE lower(sku) COLLATE "C" > 'k-0100' AND lower(sku) COLLATE "C" <= 'k-0200'
) p ON lower(p.sku) COLLATE "C" = s.key
WHERE p.id IS NOT NULL AND (p."name" <> s."name"
            OR p."description" <> s."description"
            OR p."active" <> s."active") ORDER BY s.key LIMIT 20
