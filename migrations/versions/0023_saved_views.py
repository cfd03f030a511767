"""Saved views of the products"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TIMESTAMP = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("sort_by", sa.String(length=16), nullable=False),
        sa.Column("sort_order", sa.String(length=4), nullable=False),
        sa.Column("columns", postgresql.ARRAY(sa.String(length=16)), nullable=True),
        sa.Column("widths", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", TIMESTAMP, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("updated_at", TIMESTAMP, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("sort_order IN ('asc', 'desc')", name=op.f("saved_views_sort_order_check")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("saved_views_owner_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("saved_views_pkey")),
    )
    op.create_index(
        "saved_views_name_key",
        "saved_views",
        ["owner_id", sa.text("lower(name)")],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )


def downgrade() -> None:
    op.drop_table("saved_views")
