"""An index that finds the undos of a job"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The table has a row for each job, so the index is built within moments.
    op.create_index(
        "import_jobs_undo_of_idx", "import_jobs", ["undo_of"], postgresql_where=sa.text("undo_of IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("import_jobs_undo_of_idx", "import_jobs")
