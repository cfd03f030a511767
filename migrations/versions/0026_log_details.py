"""The log of an import for programs: a code and details beside each sentence"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_log", sa.Column("code", sa.String(64), nullable=True))
    op.add_column("import_log", sa.Column("details", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("import_log", "details")
    op.drop_column("import_log", "code")
