"""Imports: previews, policies, retries, undo, logs and throughput samples"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def counter(name: str, default: str = "0") -> sa.Column:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def short_text(name: str, default: str) -> sa.Column:
    return sa.Column(name, sa.String(length=16), server_default=default, nullable=False)


def flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def timestamp(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def job_id() -> sa.Column:
    return sa.Column("job_id", sa.BigInteger(), nullable=False)


def id_and_job_keys(table: str) -> tuple[sa.Column, sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"{table}_pkey")),
        sa.ForeignKeyConstraint(["job_id"], ["import_jobs.id"], name=op.f(f"{table}_job_id_fkey"), ondelete="CASCADE"),
    )


CHECK_CONSTRAINTS = {
    "kind": "kind IN ('import', 'undo')",
    "mode": "mode IN ('upsert', 'create', 'update')",
    "on_reject": "on_reject IN ('skip', 'fail')",
    "started_from": "started_from IN ('page', 'api')",
}


def new_job_columns() -> list[sa.Column]:
    return [
        short_text("kind", "import"),
        short_text("mode", "upsert"),
        short_text("on_reject", "skip"),
        flag("wants_preview"),
        sa.Column("mapping", sa.JSON(), nullable=True),
        sa.Column("delimiter", sa.Text(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        short_text("started_from", "api"),
        sa.Column("started_by", sa.Text(), server_default="", nullable=False),
        counter("skipped_count"),
        counter("removed_count"),
        counter("run", "1"),
        sa.Column("worked_seconds", sa.Double(), server_default="0", nullable=False),
        timestamp("active_since"),
        timestamp("confirmed_at"),
        timestamp("confirm_until"),
        timestamp("retry_until"),
        timestamp("undo_until"),
        sa.Column("undo_of", sa.Uuid(), nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.Column("file", sa.JSON(), nullable=True),
        sa.Column("preview", sa.JSON(), nullable=True),
    ]


def upgrade() -> None:
    # See `Product.restored` in models.py.
    op.add_column("products", sa.Column("restored", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=True))
    for column in new_job_columns():
        op.add_column("import_jobs", column)
    op.execute(
        "UPDATE import_jobs SET worked_seconds = extract(epoch FROM finished_at - started_at)"
        " WHERE finished_at >= started_at"
    )
    for name, condition in CHECK_CONSTRAINTS.items():
        op.create_check_constraint(op.f(f"import_jobs_{name}_check"), "import_jobs", condition)
    op.create_index(
        "import_jobs_staged_idx", "import_jobs", ["id"], postgresql_where=sa.text("staging_table IS NOT NULL")
    )
    op.create_table(
        "import_changes",
        *id_and_job_keys("import_changes"),
        job_id(),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("updated", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("names", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("descriptions", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("actives", postgresql.ARRAY(sa.Boolean()), nullable=True),
        sa.Column("stamps", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=True),
        sa.Column("skipped", postgresql.ARRAY(sa.Text()), nullable=True),
    )
    op.create_index("import_changes_job_id_idx", "import_changes", ["job_id", "id"])
    # Compressing the arrays would take imports longer than writing them uncompressed.
    arrays = ("created", "updated", "names", "descriptions", "actives", "stamps", "skipped")
    op.execute("ALTER TABLE import_changes " + ", ".join(f"ALTER {name} SET STORAGE EXTERNAL" for name in arrays))
    op.create_table(
        "import_log",
        *id_and_job_keys("import_log"),
        job_id(),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
    )
    op.create_index("import_log_job_id_idx", "import_log", ["job_id", "id"])
    op.create_table(
        "import_samples",
        *id_and_job_keys("import_samples"),
        job_id(),
        counter("run", "1"),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
    )
    op.create_index("import_samples_job_id_idx", "import_samples", ["job_id", "id"])
    op.create_table(
        "import_mappings",
        sa.Column("header_key", sa.Text(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("header_key", name=op.f("import_mappings_pkey")),
    )


def downgrade() -> None:
    for name in ("import_mappings", "import_samples", "import_log", "import_changes"):
        op.drop_table(name)
    op.drop_index("import_jobs_staged_idx", table_name="import_jobs")
    for name in CHECK_CONSTRAINTS:
        op.drop_constraint(op.f(f"import_jobs_{name}_check"), "import_jobs")
    for column in reversed(new_job_columns()):
        op.drop_column("import_jobs", column.name)
    op.drop_column("products", "restored")
