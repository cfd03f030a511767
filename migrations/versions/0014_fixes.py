"""Imports: fixes of values and rows"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_fixes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("column", sa.Text(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("replacement", sa.Text(), nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.Column("row", ARRAY(sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN line IS NULL"
            ' THEN num_nonnulls("column", value, replacement) = 3 AND "row" IS NULL'
            ' ELSE num_nonnulls("column", value, replacement) = 0 AND "row" IS NOT NULL END',
            name=op.f("import_fixes_kind_check"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["import_jobs.id"], name=op.f("import_fixes_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("import_fixes_pkey")),
    )
    op.create_index("import_fixes_job_id_idx", "import_fixes", ["job_id", "id"])


def downgrade() -> None:
    op.drop_table("import_fixes")
