"""The numbers and the range of ids of the products in each entry of the change log, beside its arrays"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0027"
branch_labels = None
depends_on = None

COLUMNS = {
    "created_count": sa.Integer(),
    "updated_count": sa.Integer(),
    "deleted_count": sa.Integer(),
    "skipped_count": sa.Integer(),
    "lowest_id": sa.BigInteger(),
    "highest_id": sa.BigInteger(),
    "first_updated": sa.BigInteger(),
    "first_sku": sa.Text(),
}
# Entries that exist already keep NULL, because counting them would read the arrays of all imports. They expire.
CREATE_TRIGGER_SQL = """
CREATE FUNCTION summarize_import_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.created_count := coalesce(cardinality(NEW.created), 0);
    NEW.updated_count := coalesce(cardinality(NEW.updated), 0);
    NEW.deleted_count := coalesce(cardinality(NEW.deleted), 0);
    NEW.skipped_count := coalesce(cardinality(NEW.skipped), 0);
    SELECT min(id), max(id) INTO NEW.lowest_id, NEW.highest_id FROM unnest(NEW.created || NEW.updated) u (id);
    NEW.first_updated := NEW.updated[1];
    NEW.first_sku := NEW.skus[1];
    RETURN NEW;
END $$;
CREATE TRIGGER import_changes_summarize BEFORE INSERT ON import_changes
    FOR EACH ROW EXECUTE FUNCTION summarize_import_changes()
"""


def upgrade() -> None:
    for name, column_type in COLUMNS.items():
        op.add_column("import_changes", sa.Column(name, column_type, nullable=True))
    op.execute(CREATE_TRIGGER_SQL)


def downgrade() -> None:
    op.execute("DROP FUNCTION summarize_import_changes() CASCADE")
    for name in COLUMNS:
        op.drop_column("import_changes", name)
