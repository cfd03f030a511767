"""Webhooks: events, deliveries and attempts, with notifications of changes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Dispatchers listen for new deliveries and changed settings, web processes for all changes. If nobody subscribes to an
# event, its statement inserts no deliveries and sends no notification.
CREATE_TRIGGERS_SQL = """
CREATE FUNCTION tell_webhook_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added) THEN NOTIFY webhook_deliveries; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_deliveries_tell AFTER INSERT ON webhook_deliveries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tell_webhook_deliveries();

CREATE FUNCTION tell_webhook_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY webhook_settings;
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_tell AFTER INSERT OR DELETE OR UPDATE OF url, description, event_type, imports, enabled, secret,
    previous_secret ON webhooks FOR EACH STATEMENT EXECUTE FUNCTION tell_webhook_settings();

CREATE FUNCTION tell_webhook_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY webhook_attempts;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_attempts_tell AFTER INSERT ON webhook_attempts
    FOR EACH STATEMENT EXECUTE FUNCTION tell_webhook_attempts()
"""
TRIGGER_FUNCTIONS = ("tell_webhook_deliveries", "tell_webhook_settings", "tell_webhook_attempts")


def timestamp(name: str, *, default: str | None = None) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text(default) if default else None, nullable=not default
    )


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("description", sa.Text(), server_default="", nullable=False))
    op.add_column("webhooks", sa.Column("imports", sa.String(length=16), server_default="none", nullable=False))
    op.add_column("webhooks", sa.Column("disabled_reason", sa.Text(), nullable=True))
    op.add_column("webhooks", timestamp("failing_since"))
    op.add_column("webhooks", sa.Column("previous_secret", sa.Text(), nullable=True))
    op.add_column("webhooks", timestamp("previous_secret_expires_at"))
    op.add_column("webhooks", sa.Column("lease_token", sa.Uuid(), nullable=True))
    op.add_column("webhooks", sa.Column("lease_holder", sa.Text(), nullable=True))
    op.add_column("webhooks", timestamp("lease_expires_at"))
    op.create_check_constraint(op.f("webhooks_imports_check"), "webhooks", "imports IN ('none', 'each')")
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("uid", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("created", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("updated", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        timestamp("created_at", default="clock_timestamp()"),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_events_pkey")),
    )
    op.create_index(op.f("webhook_events_created_at_idx"), "webhook_events", ["created_at"])
    # Compressing the arrays would take imports longer than writing them uncompressed.
    op.execute("ALTER TABLE webhook_events ALTER created SET STORAGE EXTERNAL, ALTER updated SET STORAGE EXTERNAL")
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("cut", sa.String(length=16), nullable=True),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("parts_left", sa.BigInteger(), nullable=True),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), server_default="pending", nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=True,
        ),
        timestamp("created_at", default="clock_timestamp()"),
        timestamp("finished_at"),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed')", name=op.f("webhook_deliveries_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("webhook_deliveries_webhook_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["webhook_events.id"], name=op.f("webhook_deliveries_event_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_deliveries_pkey")),
    )
    op.create_index(
        "webhook_deliveries_due_idx",
        "webhook_deliveries",
        ["webhook_id", "next_attempt_at", "event_id", "position"],
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("webhook_deliveries_webhook_id_idx", "webhook_deliveries", ["webhook_id", "id"])
    op.create_index(
        "webhook_deliveries_failed_idx",
        "webhook_deliveries",
        ["webhook_id", "id"],
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(op.f("webhook_deliveries_event_id_idx"), "webhook_deliveries", ["event_id"])
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("request_headers", sa.JSON(), nullable=False),
        sa.Column("status_code", sa.BigInteger(), nullable=True),
        sa.Column("response_time_ms", sa.BigInteger(), nullable=False),
        sa.Column("response_headers", sa.JSON(), nullable=False),
        sa.Column("response_text", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_deliveries.id"],
            name=op.f("webhook_attempts_delivery_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_attempts_pkey")),
    )
    op.create_index(op.f("webhook_attempts_delivery_id_idx"), "webhook_attempts", ["delivery_id"])
    op.create_table(
        "webhook_hours",
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed_attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("webhook_hours_webhook_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", "hour", name=op.f("webhook_hours_pkey")),
    )
    op.execute(CREATE_TRIGGERS_SQL)


def downgrade() -> None:
    for name in TRIGGER_FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}() CASCADE")
    for name in ("webhook_hours", "webhook_attempts", "webhook_deliveries", "webhook_events"):
        op.drop_table(name)
    op.drop_constraint(op.f("webhooks_imports_check"), "webhooks")
    for name in (
        "description",
        "imports",
        "disabled_reason",
        "failing_since",
        "previous_secret",
        "previous_secret_expires_at",
        "lease_token",
        "lease_holder",
        "lease_expires_at",
    ):
        op.drop_column("webhooks", name)
