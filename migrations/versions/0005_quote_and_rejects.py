"""Imports: a `quote` option, and rejects without a foreign key"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


# The trigger replaces a foreign key, whose checks took half of the time that writing rejects takes. Each statement also
# works on a database that has the trigger already, because early versions of 0004 created it.
REPLACE_FOREIGN_KEY_SQL = """
ALTER TABLE import_rejects DROP CONSTRAINT IF EXISTS import_rejects_job_id_fkey;
CREATE OR REPLACE FUNCTION remove_import_rejects() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM import_rejects WHERE job_id IN (SELECT id FROM removed);
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS import_jobs_remove_rejects ON import_jobs;
CREATE TRIGGER import_jobs_remove_rejects AFTER DELETE ON import_jobs
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION remove_import_rejects()
"""


def upgrade() -> None:
    op.add_column("import_jobs", sa.Column("quote", sa.Text(), nullable=True))
    op.execute(REPLACE_FOREIGN_KEY_SQL)


def downgrade() -> None:
    op.execute("DROP FUNCTION remove_import_rejects() CASCADE")
    op.create_foreign_key(
        op.f("import_rejects_job_id_fkey"), "import_rejects", "import_jobs", ["job_id"], ["id"], ondelete="CASCADE"
    )
    op.drop_column("import_jobs", "quote")
