"""How long the data of an ended job is kept, and the deadlines that follow from that."""

from __future__ import annotations

from dataclasses import dataclass

import config

# Assignments for an UPDATE of `import_jobs j` that set its deadlines. Their parameters are `Retention.parameters`.
SET_CONFIRM_DEADLINE_SQL = "confirm_until = clock_timestamp() + make_interval(hours => %(preview_hours)s)"
# Only an import or a bulk change that wrote to the change log can be undone, and nothing with UNDO_DAYS=0.
SET_UNDO_DEADLINE_SQL = """undo_until = CASE WHEN kind <> 'undo' AND %(undo_days)s > 0 AND EXISTS (
    SELECT FROM import_changes c
    WHERE c.job_id = j.id AND num_nonnulls(c.created, c.updated, c.deleted, c.deleted_table) > 0
) THEN clock_timestamp() + make_interval(days => %(undo_days)s) END"""
# An undo needs no file, but it needs the change log of its import.
SET_RETRY_DEADLINE_SQL = """retry_until = CASE
    WHEN kind = 'undo' THEN (SELECT o.undo_until FROM import_jobs o WHERE o.task_id = j.undo_of)
    WHEN %(retry_hours)s > 0 THEN clock_timestamp() + make_interval(hours => %(retry_hours)s) END"""


@dataclass(frozen=True)
class Retention:
    """How long a preview waits for its confirmation, a file for a retry, and a change log for an undo.

    With `retry_hours=0` a job that failed or was cancelled cannot be retried. With `undo_days=0` imports keep no change
    log and cannot be undone.
    """

    preview_hours: int
    retry_hours: int
    undo_days: int

    @classmethod
    def from_settings(cls, settings: config.Settings) -> Retention:
        """Return what the settings say."""
        return cls(settings.preview_hours, settings.retry_hours, settings.undo_days)

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of a statement that sets deadlines."""
        return {"preview_hours": self.preview_hours, "retry_hours": self.retry_hours, "undo_days": self.undo_days}


@dataclass(frozen=True)
class HistoryRetention:
    """How many days ended jobs are kept, and their rejected rows and progress samples, which take the most space.

    A job that can still be retried or undone is kept longer. `history_days` is also how long a column mapping is kept
    after its last use.
    """

    history_days: int
    reject_days: int
    sample_days: int
