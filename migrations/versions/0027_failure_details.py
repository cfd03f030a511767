"""The code and the details of the failure of a job"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_jobs", sa.Column("error_code", sa.Text(), nullable=True))
    op.add_column("import_jobs", sa.Column("error_details", postgresql.JSONB(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("import_jobs", "error_details")
    op.drop_column("import_jobs", "error_code")
