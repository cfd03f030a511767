"""Imports: retention of their details, and undos that can be repeated"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_jobs", sa.Column("left_alone_count", sa.BigInteger(), server_default="0", nullable=False))
    for name in ("rejects_removed_at", "samples_removed_at"):
        op.add_column("import_jobs", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("import_jobs_finished_at_idx"), "import_jobs", ["finished_at"])
    op.add_column("import_changes", sa.Column("left_alone", postgresql.ARRAY(sa.BigInteger()), nullable=True))
    # As with the other arrays, compressing a value would take longer than writing it uncompressed.
    op.execute("ALTER TABLE import_changes ALTER left_alone SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_column("import_changes", "left_alone")
    op.drop_index(op.f("import_jobs_finished_at_idx"), table_name="import_jobs")
    for name in ("samples_removed_at", "rejects_removed_at", "left_alone_count"):
        op.drop_column("import_jobs", name)
