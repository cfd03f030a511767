"""What finding products needs: the latest changes by an index, and word of every change"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# One notice a transaction, however many statements it has; who listens looks for itself what is new.
TELL_CHANGES = """
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
    op.execute(TELL_CHANGES)


def downgrade() -> None:
    op.execute("DROP FUNCTION tell_products_changed() CASCADE")
    op.drop_index("products_updated_at_idx", table_name="products")
