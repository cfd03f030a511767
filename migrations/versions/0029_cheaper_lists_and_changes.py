"""Summaries of the entries of the change log beside their arrays; fewer notifications of changed products"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
# Processes of the previous revision work on: they neither read nor write the new columns.
phase = "expand"

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

# PostgreSQL runs the commits that notify one after the other, each with a flush of its own. So of the changes within a
# tenth of a second that overlap, only one notifies. The others share a lock until they have committed, by which the
# listener of the notification sees that there will be more (api/topics.py). A transaction shares the lock first: if it
# finds another one that notifies, the listener finds the lock. The keys are those of database/advisory_locks.py.
REPLACE_CHANGE_FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION tell_products_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1094929744);
    IF pg_try_advisory_xact_lock(
        1094929745, ((extract(epoch FROM clock_timestamp()) * 10)::bigint % 2147483648)::integer
    ) THEN
        NOTIFY products_changed;
    END IF;
    RETURN NULL;
END $$
"""
RESTORE_CHANGE_FUNCTION_SQL = """
CREATE OR REPLACE FUNCTION tell_products_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY products_changed;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    for name, column_type in COLUMNS.items():
        op.add_column("import_changes", sa.Column(name, column_type, nullable=True))
    op.execute(CREATE_TRIGGER_SQL)
    op.execute(REPLACE_CHANGE_FUNCTION_SQL)


def downgrade() -> None:
    op.execute(RESTORE_CHANGE_FUNCTION_SQL)
    op.execute("DROP FUNCTION summarize_import_changes() CASCADE")
    for name in COLUMNS:
        op.drop_column("import_changes", name)
