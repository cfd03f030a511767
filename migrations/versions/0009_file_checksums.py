"""Imports: the checksum of the uploaded file"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # NULL for the jobs of earlier versions. Their files are imported without a check.
    op.add_column("import_jobs", sa.Column("file_sha256", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("import_jobs", "file_sha256")
