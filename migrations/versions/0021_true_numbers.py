"""Imports: the time left, the rows of a run, and the speeds of earlier jobs"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_jobs", sa.Column("rows_before_run", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("import_jobs", sa.Column("rows_compared", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("import_jobs", sa.Column("seconds_left", sa.Double(), nullable=True))
    op.add_column("import_jobs", sa.Column("current_rows_per_second", sa.Double(), nullable=True))
    op.create_table(
        "import_speeds",
        sa.Column("work", sa.String(64), nullable=False),
        sa.Column("seconds_per_row", ARRAY(sa.Double()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("work", name=op.f("import_speeds_pkey")),
    )


def downgrade() -> None:
    op.drop_table("import_speeds")
    for name in ("current_rows_per_second", "seconds_left", "rows_compared", "rows_before_run"):
        op.drop_column("import_jobs", name)
