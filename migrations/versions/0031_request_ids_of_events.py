"""The id of the request that caused an event"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # Without a default, this changes only the catalogue of PostgreSQL, however many events there are.
    op.add_column("webhook_events", sa.Column("request_id", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("webhook_events", "request_id")
