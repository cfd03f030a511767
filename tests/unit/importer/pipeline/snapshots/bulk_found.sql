-- The products of a bulk change after its checkpoint.
INSERT INTO "import_staging_7_5eed5eed" (key, product_id, found_version)
SELECT lower(sku) COLLATE "C" AS key, id, updated_at FROM products
WHERE (("sku" ILIKE '%lamp%' OR "name" ILIKE '%lamp%' OR "description" ILIKE '%lamp%')) AND lower(sku) COLLATE "C" > 'k-0100' ORDER BY key
