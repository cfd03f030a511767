"""Imports: the quote can be named; rejects are written without a look-up each"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


# In place of a foreign key, which costs half of what it takes to write rejects. Some databases have it so already.
REMOVE_REJECTS = """
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
    op.execute(REMOVE_REJECTS)


def downgrade() -> None:
    op.execute("DROP FUNCTION remove_import_rejects() CASCADE")
    op.create_foreign_key(
        op.f("import_rejects_job_id_fkey"), "import_rejects", "import_jobs", ["job_id"], ["id"], ondelete="CASCADE"
    )
    op.drop_column("import_jobs", "quote")
