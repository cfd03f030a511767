"""Webhooks: `deleted_at` hides a deleted webhook until its deliveries have been removed in the background"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    # Without the column, webhooks that were deleted would appear again.
    op.execute("DELETE FROM webhooks WHERE deleted_at IS NOT NULL")
    op.drop_column("webhooks", "deleted_at")
