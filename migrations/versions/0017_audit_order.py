"""Audit log: the indexes sort by time"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLE = "audit_entries"
OUTCOME_INDEX = "audit_entries_outcome_idx"
INDEXES = {
    "audit_entries_at_idx": [],
    "audit_entries_action_idx": ["action"],
    "audit_entries_actor_idx": ["actor_type", "actor_id"],
    "audit_entries_target_idx": ["target_type", "target_id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.drop_index(name, TABLE)
        op.create_index(name, TABLE, [*columns, "at", "id"])
    is_unusual = sa.text("outcome <> 'success'")
    op.create_index(OUTCOME_INDEX, TABLE, ["outcome", "at", "id"], postgresql_where=is_unusual)


def downgrade() -> None:
    op.drop_index(OUTCOME_INDEX, TABLE)
    for name, columns in INDEXES.items():
        op.drop_index(name, TABLE)
        op.create_index(name, TABLE, [*columns, "id"] if columns else ["at"])
