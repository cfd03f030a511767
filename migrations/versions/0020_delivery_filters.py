"""Deliveries: indexes for their filters; response times per hour; the last error of a webhook that fails"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

IS_FAILED = sa.text("status = 'failed'")


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("last_error", sa.Text(), nullable=True))
    op.create_table(
        "webhook_response_times",
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("response_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("webhook_response_times_webhook_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("webhook_id", "hour", "response_time_ms", name=op.f("webhook_response_times_pkey")),
    )
    op.create_index(op.f("webhook_events_type_idx"), "webhook_events", ["type"])
    op.create_index(op.f("webhook_events_uid_idx"), "webhook_events", ["uid"])
    # They replace two indexes with the same columns, except `created_at`, so writing a delivery costs the same.
    op.drop_index("webhook_deliveries_webhook_id_idx", "webhook_deliveries")
    op.create_index("webhook_deliveries_newest_idx", "webhook_deliveries", ["webhook_id", "created_at", "id"])
    op.drop_index("webhook_deliveries_failed_idx", "webhook_deliveries")
    op.create_index(
        "webhook_deliveries_failed_idx",
        "webhook_deliveries",
        ["webhook_id", "created_at", "id"],
        postgresql_where=IS_FAILED,
    )


def downgrade() -> None:
    op.drop_index("webhook_deliveries_failed_idx", "webhook_deliveries")
    op.create_index(
        "webhook_deliveries_failed_idx", "webhook_deliveries", ["webhook_id", "id"], postgresql_where=IS_FAILED
    )
    op.drop_index("webhook_deliveries_newest_idx", "webhook_deliveries")
    op.create_index("webhook_deliveries_webhook_id_idx", "webhook_deliveries", ["webhook_id", "id"])
    op.drop_index(op.f("webhook_events_uid_idx"), "webhook_events")
    op.drop_index(op.f("webhook_events_type_idx"), "webhook_events")
    op.drop_table("webhook_response_times")
    op.drop_column("webhooks", "last_error")
