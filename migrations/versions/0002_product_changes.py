"""Products: an index for the latest changes, and a notification of every change"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# PostgreSQL merges the notifications of a transaction into one. Listeners find out themselves what changed.
CREATE_CHANGE_TRIGGER_SQL = """
CREATE FUNCTION tell_products_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY products_changed;
    RETURN NULL;
END $$;
CREATE TRIGGER products_tell_changes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION tell_products_changed()
"""


def upgrade() -> None:
    op.create_index("products_updated_at_idx", "products", ["updated_at", "id"])
    op.execute(CREATE_CHANGE_TRIGGER_SQL)


def downgrade() -> None:
    op.execute("DROP FUNCTION tell_products_changed() CASCADE")
    op.drop_index("products_updated_at_idx", table_name="products")
