"""The ranges of keys that a job has written beyond its checkpoint"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
# A worker that does not know the column writes again what is written ahead, and counts it twice.
phase = "contract"


def upgrade() -> None:
    op.add_column("import_jobs", sa.Column("written_ahead", postgresql.JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("import_jobs", "written_ahead")
