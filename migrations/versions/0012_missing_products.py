"""Imports: deactivating or deleting the products that a file does not have"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

JOB_COLUMNS = (
    sa.Column("missing_count", sa.BigInteger(), server_default="0", nullable=False),
    sa.Column("missing_found", sa.BigInteger(), nullable=True),
    sa.Column("missing_snapshot", sa.Text(), nullable=True),
    sa.Column("missing_checkpoint", sa.Text(), nullable=True),
)
CHANGE_COLUMNS = (
    sa.Column("deactivated", sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column("deleted", postgresql.ARRAY(sa.BigInteger()), nullable=True),
    sa.Column("skus", postgresql.ARRAY(sa.Text()), nullable=True),
    sa.Column("created_ats", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=True),
    sa.Column("updated_ats", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=True),
)
ARRAYS = ("deleted", "skus", "created_ats", "updated_ats")


def upgrade() -> None:
    # Constant defaults change the catalogue of PostgreSQL only, not the rows.
    for column in JOB_COLUMNS:
        op.add_column("import_jobs", column)
    for column in CHANGE_COLUMNS:
        op.add_column("import_changes", column)
    # As with the other arrays, compressing a value would take longer than writing it uncompressed.
    op.execute("ALTER TABLE import_changes " + ", ".join(f"ALTER {name} SET STORAGE EXTERNAL" for name in ARRAYS))
    op.add_column("webhook_events", sa.Column("deleted", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("webhook_events", "deleted")
    for column in reversed(CHANGE_COLUMNS):
        op.drop_column("import_changes", column.name)
    for column in reversed(JOB_COLUMNS):
        op.drop_column("import_jobs", column.name)
