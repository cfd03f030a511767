"""Access control: people, sessions, links, API keys, failed sign-ins, audit log"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
TIME = sa.DateTime(timezone=True)

# Entries can be added. Retention may delete them: it sets `acme.prune_audit_log` in its transaction.
PROTECT_AUDIT_LOG_SQL = """
CREATE FUNCTION protect_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('acme.prune_audit_log', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The audit log cannot be changed.';
END $$;
CREATE TRIGGER audit_entries_protect BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION protect_audit_log();
CREATE TRIGGER audit_entries_protect_all BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION protect_audit_log()
"""
# Web processes check the people behind their open streams when this channel tells them that access has changed.
NOTIFY_SQL = """
CREATE FUNCTION notify_access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('access_changed', '');
    RETURN NULL;
END $$;
CREATE TRIGGER users_access_changed AFTER UPDATE OF role, disabled_at, password_hash OR DELETE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION notify_access_changed();
CREATE TRIGGER user_sessions_access_changed AFTER DELETE ON user_sessions
    FOR EACH STATEMENT EXECUTE FUNCTION notify_access_changed();
CREATE TRIGGER api_keys_access_changed AFTER UPDATE OF revoked_at, scopes OR DELETE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION notify_access_changed();
CREATE TRIGGER installation_access_changed AFTER UPDATE ON installation
    FOR EACH STATEMENT EXECUTE FUNCTION notify_access_changed()
"""


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("single", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("claimed_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("single", name=op.f("installation_pkey")),
        sa.CheckConstraint("single", name=op.f("installation_single_check")),
    )
    op.execute("INSERT INTO installation DEFAULT VALUES")
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("password_changed_at", TIME, nullable=True),
        sa.Column("last_signed_in_at", TIME, nullable=True),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.CheckConstraint("role IN ('viewer', 'editor', 'admin')", name=op.f("users_role_check")),
    )
    op.create_index("users_email_key", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("users_subject_key", "users", ["issuer", "subject"], unique=True)
    op.create_table(
        "user_links",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("user_links_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("user_links_token_hash_key")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("user_links_user_id_fkey"), ondelete="CASCADE"),
        sa.CheckConstraint("purpose IN ('setup', 'invitation', 'reset')", name=op.f("user_links_purpose_check")),
    )
    op.create_index(op.f("user_links_user_id_idx"), "user_links", ["user_id"])
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("seen_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("confirmed_at", TIME, nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("user_sessions_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("user_sessions_token_hash_key")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("user_sessions_user_id_fkey"), ondelete="CASCADE"),
        sa.CheckConstraint("method IN ('password', 'oidc')", name=op.f("user_sessions_method_check")),
    )
    op.create_index(op.f("user_sessions_user_id_idx"), "user_sessions", ["user_id"])
    op.create_index(op.f("user_sessions_expires_at_idx"), "user_sessions", ["expires_at"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
        sa.UniqueConstraint("key_hash", name=op.f("api_keys_key_hash_key")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("api_keys_user_id_fkey"), ondelete="CASCADE"),
    )
    op.create_index(op.f("api_keys_user_id_idx"), "api_keys", ["user_id"])
    op.create_table(
        "sign_in_failures",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("failed_at", TIME, nullable=False),
        sa.Column("blocked_until", TIME, nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("sign_in_failures_pkey")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", TIME, server_default=NOW, nullable=False),
        sa.Column("actor_type", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target_type", sa.String(32), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("target_name", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(16), server_default="success", nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("changes", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_entries_pkey")),
        sa.CheckConstraint(
            "actor_type IN ('user', 'key', 'local', 'system', 'anonymous')", name=op.f("audit_entries_actor_type_check")
        ),
        sa.CheckConstraint("outcome IN ('success', 'refused', 'failed')", name=op.f("audit_entries_outcome_check")),
    )
    op.create_index(op.f("audit_entries_at_idx"), "audit_entries", ["at"])
    op.create_index("audit_entries_action_idx", "audit_entries", ["action", "id"])
    op.create_index("audit_entries_actor_idx", "audit_entries", ["actor_type", "actor_id", "id"])
    op.create_index("audit_entries_target_idx", "audit_entries", ["target_type", "target_id", "id"])
    op.execute(PROTECT_AUDIT_LOG_SQL)
    op.execute(NOTIFY_SQL)


def downgrade() -> None:
    for table in ("audit_entries", "sign_in_failures", "api_keys", "user_sessions", "user_links", "users"):
        op.drop_table(table)
    op.drop_table("installation")
    op.execute("DROP FUNCTION protect_audit_log(); DROP FUNCTION notify_access_changed()")
