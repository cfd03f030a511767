"""Notifications that the list of jobs has changed"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# Notifications of one transaction that are equal are sent once, so removing many old jobs costs one.
CREATE_LIST_TRIGGERS_SQL = """
CREATE FUNCTION tell_import_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('import_jobs', '');
    RETURN NULL;
END $$;
CREATE TRIGGER import_jobs_tell_list AFTER INSERT OR DELETE ON import_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION tell_import_jobs();
CREATE TRIGGER import_jobs_tell_status AFTER UPDATE OF status ON import_jobs
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tell_import_jobs()
"""


def upgrade() -> None:
    op.execute(CREATE_LIST_TRIGGERS_SQL)


def downgrade() -> None:
    op.execute("DROP FUNCTION tell_import_jobs CASCADE")
