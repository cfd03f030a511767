"""Imports: previews, policies, retries, what each changed, their log and their speed"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def number(name: str, default: str = "0") -> sa.Column:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=False)


def word(name: str, default: str) -> sa.Column:
    return sa.Column(name, sa.String(length=16), server_default=default, nullable=False)


def switch(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=True)


def job_id() -> sa.Column:
    return sa.Column("job_id", sa.BigInteger(), nullable=False)


def of_job(table: str) -> tuple[sa.Column, sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"{table}_pkey")),
        sa.ForeignKeyConstraint(["job_id"], ["import_jobs.id"], name=op.f(f"{table}_job_id_fkey"), ondelete="CASCADE"),
    )


CHECKS = {
    "kind": "kind IN ('import', 'undo')",
    "mode": "mode IN ('upsert', 'create', 'update')",
    "on_reject": "on_reject IN ('skip', 'fail')",
    "started_from": "started_from IN ('page', 'api')",
}


def columns() -> list[sa.Column]:
    return [
        word("kind", "import"),
        word("mode", "upsert"),
        word("on_reject", "skip"),
        switch("wants_preview"),
        sa.Column("mapping", sa.JSON(), nullable=True),
        sa.Column("delimiter", sa.Text(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        word("started_from", "api"),
        sa.Column("started_by", sa.Text(), server_default="", nullable=False),
        number("skipped_count"),
        number("removed_count"),
        number("run", "1"),
        sa.Column("worked_seconds", sa.Double(), server_default="0", nullable=False),
        moment("active_since"),
        moment("confirmed_at"),
        moment("confirm_until"),
        moment("retry_until"),
        moment("undo_until"),
        sa.Column("undo_of", sa.Uuid(), nullable=True),
        sa.Column("undone_by", sa.Uuid(), nullable=True),
        sa.Column("file", sa.JSON(), nullable=True),
        sa.Column("preview", sa.JSON(), nullable=True),
    ]


def upgrade() -> None:
    # What of the present moment an undo brought back, and when; see importer/undo.py.
    op.add_column("products", sa.Column("restored", postgresql.ARRAY(sa.DateTime(timezone=True)), nullable=True))
    for column in columns():
        op.add_column("import_jobs", column)
    op.execute(
        "UPDATE import_jobs SET worked_seconds = extract(epoch FROM finished_at - started_at)"
        " WHERE finished_at >= started_at"
    )
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"import_jobs_{name}_check"), "import_jobs", condition)
    op.create_index(
        "import_jobs_staged_idx", "import_jobs", ["id"], postgresql_where=sa.text("staging_table IS NOT NULL")
    )
    op.create_table(
        "import_changes",
        *of_job("import_changes"),
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
    # Compressing them would cost imports more than writing them.
    arrays = ("created", "updated", "names", "descriptions", "actives", "stamps", "skipped")
    op.execute("ALTER TABLE import_changes " + ", ".join(f"ALTER {name} SET STORAGE EXTERNAL" for name in arrays))
    op.create_table(
        "import_log",
        *of_job("import_log"),
        job_id(),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
    )
    op.create_index("import_log_job_id_idx", "import_log", ["job_id", "id"])
    op.create_table(
        "import_samples",
        *of_job("import_samples"),
        job_id(),
        number("run", "1"),
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
    for name in CHECKS:
        op.drop_constraint(op.f(f"import_jobs_{name}_check"), "import_jobs")
    for column in reversed(columns()):
        op.drop_column("import_jobs", column.name)
    op.drop_column("products", "restored")
