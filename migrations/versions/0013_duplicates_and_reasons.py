"""Imports: duplicates, and the column and the value that rejected rows are rejected for"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# The trigger replaces a foreign key, as for the rejects.
REMOVE_DUPLICATES_SQL = """
CREATE FUNCTION remove_import_duplicates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM import_duplicates WHERE job_id IN (SELECT id FROM removed);
    RETURN NULL;
END $$;
CREATE TRIGGER import_jobs_remove_duplicates AFTER DELETE ON import_jobs
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION remove_import_duplicates()
"""


def upgrade() -> None:
    op.create_table(
        "import_duplicates",
        sa.Column("job_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kept_line", sa.BigInteger(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("differs", sa.Boolean(), nullable=False),
        sa.Column("dropped", JSONB(), nullable=False),
        sa.Column("kept", JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "line", name=op.f("import_duplicates_pkey")),
    )
    op.execute(REMOVE_DUPLICATES_SQL)
    # Columns without a default change the catalogue of PostgreSQL only, not the rows.
    op.add_column("import_jobs", sa.Column("duplicates_removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("import_rejects", sa.Column("column", sa.Text(), nullable=True))
    op.add_column("import_rejects", sa.Column("value", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("import_rejects", "value")
    op.drop_column("import_rejects", "column")
    op.drop_column("import_jobs", "duplicates_removed_at")
    op.execute("DROP FUNCTION remove_import_duplicates() CASCADE")
    op.drop_table("import_duplicates")
