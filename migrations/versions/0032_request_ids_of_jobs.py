"""The id of the request that last started a job"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    # Without a default, this changes only the catalogue of PostgreSQL, however many jobs there are.
    op.add_column("import_jobs", sa.Column("request_id", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("import_jobs", "request_id")
