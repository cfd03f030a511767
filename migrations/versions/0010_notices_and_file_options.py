"""Imports: notices, and the options header_line, sheet, short_rows, missing and missing_limit"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = (
    sa.Column("header_line", sa.Integer(), nullable=True),
    sa.Column("sheet", sa.Text(), nullable=True),
    sa.Column("short_rows", sa.String(16), nullable=False, server_default="reject"),
    sa.Column("missing", sa.String(16), nullable=False, server_default="keep"),
    sa.Column("missing_limit", sa.Double(), nullable=False, server_default="0.1"),
    sa.Column("notices", JSONB(), nullable=True),
)
CHECKS = {
    "header_line": "header_line >= 1",
    "short_rows": "short_rows IN ('reject', 'accept')",
    "missing": "missing IN ('keep', 'deactivate', 'delete')",
    "missing_limit": "missing_limit BETWEEN 0 AND 1",
}


def upgrade() -> None:
    # Constant defaults change the catalogue of PostgreSQL only, not the rows.
    for column in COLUMNS:
        op.add_column("import_jobs", column)
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"import_jobs_{name}_check"), "import_jobs", condition)


def downgrade() -> None:
    for name in CHECKS:
        op.drop_constraint(op.f(f"import_jobs_{name}_check"), "import_jobs", type_="check")
    for column in COLUMNS:
        op.drop_column("import_jobs", column.name)
