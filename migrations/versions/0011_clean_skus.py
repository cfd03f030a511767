"""Products: SKUs without invisible characters, in the normal form NFC

A SKU that would equal that of another product stays as it is, and the log names it: nothing is merged or deleted.
"""

import logging

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

MAX_LOGGED_PRODUCTS = 100
INVISIBLE = r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]+"
SPACES = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
CLEAN_SQL = "btrim(normalize(regexp_replace(sku, :invisible, '', 'g'), NFC), :spaces)"
# Nearly all SKUs are ASCII; their length in bytes equals that in characters.
IS_NOT_ASCII_SQL = "octet_length(sku) > length(sku)"
FIND_SQL = f"""
CREATE TEMPORARY TABLE cleaned_skus ON COMMIT DROP AS
SELECT id, sku, clean, lower(clean) COLLATE "C" AS key
FROM (SELECT id, sku, {CLEAN_SQL} AS clean FROM products WHERE {IS_NOT_ASCII_SQL}) products WHERE clean <> sku
"""
# Of several products that get the same SKU, the oldest one gets it. From then on, that SKU addresses that product.
UPDATE_SQL = """
UPDATE products SET sku = cleaned.clean, updated_at = now()
FROM (
    SELECT DISTINCT ON (key) id, clean, key FROM cleaned_skus WHERE length(clean) BETWEEN 1 AND 255 ORDER BY key, id
) cleaned
WHERE products.id = cleaned.id
AND NOT EXISTS (
    SELECT FROM products other WHERE lower(other.sku) COLLATE "C" = cleaned.key AND other.id <> cleaned.id
)
"""
FIND_OTHERS_SQL = """
SELECT cleaned.id, products.sku, other.id
FROM cleaned_skus cleaned JOIN products USING (id)
LEFT JOIN products other ON lower(other.sku) COLLATE "C" = cleaned.key
WHERE products.sku = cleaned.sku ORDER BY cleaned.id
"""
# Rows that wait for a confirmation. Jobs that are writing already stay as they are: they write in the order of keys.
FIND_STAGED_SQL = """
SELECT staging_table FROM import_jobs
WHERE status = 'awaiting_confirmation' AND to_regclass(staging_table) IS NOT NULL
"""
UPDATE_STAGED_SQL = 'UPDATE "{table}" SET sku = {clean} WHERE {is_not_ascii} AND sku <> {clean}'


def upgrade() -> None:
    connection = op.get_bind()
    if connection.exec_driver_sql("SHOW server_encoding").scalar_one() != "UTF8":
        # Such a database has none of these characters but the soft hyphen, and cannot normalise a text.
        return
    parameters = {"invisible": INVISIBLE, "spaces": SPACES}
    connection.execute(sa.text(FIND_SQL), parameters)
    connection.execute(sa.text(UPDATE_SQL))
    others = connection.execute(sa.text(FIND_OTHERS_SQL)).all()
    for product_id, sku, other_id in others[:MAX_LOGGED_PRODUCTS]:
        reason = f"it would be the SKU of product {other_id}" if other_id else "nothing else would be left of it"
        log.warning(
            "The SKU %s of product %d has invisible characters or is not in NFC, and stays as it is because %s without"
            " them. Change it or delete one of the products.",
            ascii(sku),
            product_id,
            reason,
        )
    if others:
        log.warning("%d products keep such SKUs. docs/operations.md says how to list them.", len(others))
    for (table,) in connection.execute(sa.text(FIND_STAGED_SQL)).all():
        statement = UPDATE_STAGED_SQL.format(table=table, clean=CLEAN_SQL, is_not_ascii=IS_NOT_ASCII_SQL)
        connection.execute(sa.text(statement), parameters)
    connection.execute(sa.text("DROP TABLE cleaned_skus"))


def downgrade() -> None:
    """Leave the SKUs as they are: any version can read them."""
