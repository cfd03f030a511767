"""The number of products, kept up to date by triggers"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
# Processes of the previous revision work on: the triggers also count what they write.
phase = "expand"

# Creating a trigger waits for all who write products, and for builds of search indexes. So in a catalogue that is in
# use, a worker does it once it gets the lock. Until then, and until it has counted the products, their number is
# unknown.
BEGIN_COUNT_SQL = """
CREATE FUNCTION begin_counting_products() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE OR REPLACE TRIGGER products_begin_count BEFORE INSERT OR DELETE ON products
        FOR EACH STATEMENT EXECUTE FUNCTION begin_product_count();
    CREATE OR REPLACE TRIGGER products_end_count AFTER INSERT OR DELETE ON products
        FOR EACH STATEMENT EXECUTE FUNCTION end_product_count();
    CREATE OR REPLACE TRIGGER products_end_count_of_truncate AFTER TRUNCATE ON products
        FOR EACH STATEMENT EXECUTE FUNCTION end_product_count_of_truncate();
    INSERT INTO product_counts (change) SELECT CASE
        WHEN pg_relation_size('products') = 0 AND NOT EXISTS (SELECT FROM product_counts) THEN 0
    END;
END $$;
DO $$
BEGIN
    IF pg_relation_size('products') = 0 THEN
        PERFORM begin_counting_products();
    END IF;
END $$
"""
# PostgreSQL keeps the number of rows that this transaction has inserted and deleted, so a statement need not look at
# its rows again. Statements that roll back to a savepoint stay in that number. So a statement counts from where it
# began, and all of that is undone with it. Of nested statements, the innermost one counts first. The setting holds how
# many statements are open, and the number up to which they have counted. If somebody has turned off the statistics, or
# the first trigger, the number of products is unknown.
#
# Whoever may write products may not be allowed to write the entries, so the functions run as their owner. TRUNCATE also
# removes rows that the snapshot of a serializable transaction does not show, so their number is unknown.
CREATE_FUNCTIONS_SQL = """
CREATE FUNCTION begin_product_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    state text := coalesce(nullif(current_setting('acme.product_count', true), ''), '0/0');
    depth integer := split_part(state, '/', 1);
    counted bigint := split_part(state, '/', 2);
BEGIN
    IF depth = 0 THEN
        counted := pg_stat_get_xact_tuples_inserted(TG_RELID) - pg_stat_get_xact_tuples_deleted(TG_RELID);
    END IF;
    PERFORM set_config('acme.product_count', depth + 1 || '/' || counted, true);
    RETURN NULL;
END $$;
CREATE FUNCTION end_product_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    state text := coalesce(nullif(current_setting('acme.product_count', true), ''), '0/0');
    depth integer := split_part(state, '/', 1);
    counted bigint := split_part(state, '/', 2);
    rows bigint := pg_stat_get_xact_tuples_inserted(TG_RELID) - pg_stat_get_xact_tuples_deleted(TG_RELID);
BEGIN
    PERFORM set_config('acme.product_count', greatest(depth - 1, 0) || '/' || rows, true);
    IF depth = 0 OR NOT current_setting('track_counts')::boolean THEN
        INSERT INTO {schema}.product_counts (change) VALUES (NULL);
    ELSIF rows <> counted THEN
        INSERT INTO {schema}.product_counts (change) VALUES (rows - counted);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION end_product_count_of_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO {schema}.product_counts (change)
    SELECT CASE current_setting('transaction_isolation') WHEN 'read committed' THEN -sum(change) END
    FROM {schema}.product_counts;
    RETURN NULL;
END $$
"""
FUNCTIONS = ("begin_counting_products", "begin_product_count", "end_product_count", "end_product_count_of_truncate")


def upgrade() -> None:
    op.create_table(
        "product_counts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(CREATE_FUNCTIONS_SQL.format(schema=schema))
    op.execute(BEGIN_COUNT_SQL)


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}() CASCADE")
    op.drop_table("product_counts")
