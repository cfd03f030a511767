"""The history of products: edits, and which entries of the change log an undo has reversed when"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TIMESTAMP = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "product_edits",
        sa.Column("product_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("previous_at", TIMESTAMP, nullable=True),
        sa.Column("restored_version", TIMESTAMP, nullable=True),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("started_from", sa.String(length=16), nullable=False),
        sa.Column("actor_type", sa.String(length=16), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.CheckConstraint("started_from IN ('page', 'api')", name=op.f("product_edits_started_from_check")),
        sa.PrimaryKeyConstraint("product_id", "at", name=op.f("product_edits_pkey")),
    )
    op.create_index(op.f("product_edits_at_idx"), "product_edits", ["at"])
    # The change log has few rows, however many products they hold, so its indexes are built within moments.
    op.add_column("import_changes", sa.Column("reversals", postgresql.ARRAY(TIMESTAMP), nullable=True))
    op.create_index(op.f("import_changes_at_idx"), "import_changes", ["at"])
    op.create_index(
        "import_changes_reversals_idx",
        "import_changes",
        ["reversals"],
        postgresql_using="gin",
        postgresql_where=sa.text("reversals IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("import_changes_reversals_idx", "import_changes")
    op.drop_index(op.f("import_changes_at_idx"), "import_changes")
    op.drop_column("import_changes", "reversals")
    op.drop_table("product_edits")
