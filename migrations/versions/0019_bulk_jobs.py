"""Bulk changes are jobs: what they change, and the table with the products of a deletion of all"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

KIND_CHECK = "import_jobs_kind_check"


def upgrade() -> None:
    # Columns without a default change the catalogue of PostgreSQL only, not the rows.
    op.add_column("import_jobs", sa.Column("bulk", JSONB(), nullable=True))
    op.add_column("import_jobs", sa.Column("bulk_input", JSONB(), nullable=True))
    op.add_column("import_changes", sa.Column("deleted_table", sa.Text(), nullable=True))
    op.add_column("import_changes", sa.Column("deleted_rows", sa.BigInteger(), nullable=True))
    op.drop_constraint(KIND_CHECK, "import_jobs")
    op.create_check_constraint(op.f(KIND_CHECK), "import_jobs", "kind IN ('import', 'undo', 'bulk')")


def downgrade() -> None:
    # The earlier version knows neither these jobs nor their undos, and cannot restore the tables.
    op.execute("DELETE FROM import_jobs WHERE bulk IS NOT NULL")
    op.execute("""
        DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT c.relname FROM pg_class c
                WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
                    AND starts_with(c.relname, 'deleted_products_')
            LOOP EXECUTE format('DROP TABLE %I', name); END LOOP;
        END $$
    """)
    op.drop_constraint(KIND_CHECK, "import_jobs")
    op.create_check_constraint(op.f(KIND_CHECK), "import_jobs", "kind IN ('import', 'undo')")
    op.drop_column("import_changes", "deleted_rows")
    op.drop_column("import_changes", "deleted_table")
    op.drop_column("import_jobs", "bulk_input")
    op.drop_column("import_jobs", "bulk")
