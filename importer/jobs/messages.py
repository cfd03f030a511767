"""What a job has done, for its log, and what an undo would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalogue.bulk import BulkChange
from importer.jobs.log_messages import NOUNS, LogMessage, log_message


def kind_of_undone(bulk: Mapping[str, Any] | None) -> str:
    """Return the kind of the job that an undo undoes; `bulk` is the column of both jobs."""
    return "import" if bulk is None else "bulk"


def noun_of_undone(bulk: Mapping[str, Any] | None) -> str:
    """Return what sentences call the job that an undo undoes; `bulk` is the column of both jobs."""
    return NOUNS[kind_of_undone(bulk)]


def describe_import(counts: Mapping[str, Any], *, missing: str, missing_left_alone: int) -> LogMessage:
    """Return what an import has done. `counts` is its JSON; `missing` is one of `models.MISSING_POLICIES`."""
    names = ("created", "updated", "unchanged", "duplicate", "rejected", "missing")
    return log_message(
        "import_completed",
        **{name: counts[f"{name}_count"] for name in names},
        accepted=counts["total_records"] - counts["rejected_count"],
        missing_action=missing,
        missing_left_alone=missing_left_alone,
    )


def describe_undo(counts: Mapping[str, Any]) -> LogMessage:
    """Return what an undo has done; `counts` is its JSON."""
    return log_message(
        "undo_completed",
        removed=counts["removed_count"],
        restored=counts["updated_count"] - counts["removed_count"],
        left_alone=counts["rejected_count"],
        undone=kind_of_undone(counts["bulk"]),
    )


def describe_undo_plan(plan: Mapping[str, int]) -> str:
    """Return what an undo would do; `plan` has the counts of `importer.pipeline.undo_plan.UndoPlan` by their names."""
    effects = [
        (plan["removed"], "would be removed"),
        (plan["changed_back"], "would get back the previous values"),
        (plan["inserted_again"], "would be inserted again"),
        (plan["edited_since"], "would stay, because they were edited since"),
        (plan["sku_taken"], "would not be inserted again, because other products have their SKUs now"),
        (plan["already_gone"], "no longer exist"),
    ]
    parts = [f"{count:,} {effect}" for count, effect in effects if count]
    return f"Products: {'; '.join(parts)}." if parts else "The undo would change nothing."


def describe_bulk_change(counts: Mapping[str, Any], change: BulkChange) -> LogMessage:
    """Return what a bulk change has done; `counts` is its JSON."""
    changed = counts["updated_count"] + counts["removed_count"]
    return log_message("bulk_completed", **change.result(counts["total_records"], changed))


def describe_cancellation(job: Mapping[str, Any]) -> LogMessage:
    """Return what a job that was cancelled has done; `job` has the columns that `repository.CANCEL_JOB_SQL` returns."""
    created, updated, removed, missing = (job[f"{name}_count"] for name in ("created", "updated", "removed", "missing"))
    if not (created or updated or removed or missing):
        return log_message("cancelled_unchanged")
    if job["kind"] == "bulk":
        return log_message("bulk_cancelled", action=job["action"], changed=updated + removed)
    if job["kind"] == "undo":
        return log_message("undo_cancelled", changed=updated)
    return log_message(
        "import_cancelled", created=created, updated=updated, missing=missing, missing_action=job["missing"]
    )
