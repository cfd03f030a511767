"""The sentences of a job's log that say what the job has done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from catalogue.bulk import ACTIONS, BulkChange
from importer.jobs.missing_limit import PARTICIPLES as MISSING_PARTICIPLES

# What sentences call a job of each kind.
NOUNS = {"import": "import", "undo": "undo", "bulk": "bulk change"}

IMPORT_COMPLETED_MESSAGE = (
    "{created_count:,} products created, {updated_count:,} updated; {unchanged_count:,} rows changed nothing,"
    " {duplicate_count:,} were duplicates, {rejected_count:,} were rejected."
)
ALL_REJECTED_MESSAGE = (
    "Every row was rejected ({rejected_count:,}), so nothing was imported. Correct the rejected rows and upload them."
)
UNDO_COMPLETED_MESSAGE = (
    "{removed_count:,} products removed, {restored_count:,} restored, {rejected_count:,} left unchanged because they"
    " were edited after the {noun}."
)
MISSING_MESSAGE = " {missing_count:,} products that the file does not have were {missing_participle}."
MISSING_LEFT_ALONE_MESSAGE = (
    " {missing_left_alone:,} others were left alone, because they were changed after the import had found them."
)
REPEAT_UNDO_MESSAGE = " The {noun} can be undone again for these."


def noun_of_undone(bulk: Mapping[str, Any] | None) -> str:
    """Return what sentences call the job that an undo undoes; `bulk` is the column of both jobs."""
    return NOUNS[kind_of_undone(bulk)]


def kind_of_undone(bulk: Mapping[str, Any] | None) -> str:
    """Return the kind of the job that an undo undoes; `bulk` is the column of both jobs."""
    return "import" if bulk is None else "bulk"


def describe_import(counts: Mapping[str, Any], *, missing: str, missing_left_alone: int) -> str:
    """Return what an import has done. `counts` is its JSON; `missing` is one of `models.MISSING_POLICIES`."""
    all_rejected = counts["rejected_count"] == counts["total_records"]
    message = ALL_REJECTED_MESSAGE if all_rejected else IMPORT_COMPLETED_MESSAGE
    if counts["missing_count"]:
        message += MISSING_MESSAGE
    if missing_left_alone:
        message += MISSING_LEFT_ALONE_MESSAGE
    participle = MISSING_PARTICIPLES.get(missing)
    return message.format(**counts, missing_left_alone=missing_left_alone, missing_participle=participle)


def describe_undo(counts: Mapping[str, Any]) -> str:
    """Return what an undo has done; `counts` is its JSON."""
    message = UNDO_COMPLETED_MESSAGE + (REPEAT_UNDO_MESSAGE if counts["rejected_count"] else "")
    restored = counts["updated_count"] - counts["removed_count"]
    return message.format(**counts, restored_count=restored, noun=noun_of_undone(counts["bulk"]))


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


def describe_bulk_change(counts: Mapping[str, Any], change: BulkChange) -> str:
    """Return what a bulk change has done; `counts` is its JSON."""
    return change.describe_result(counts["total_records"], counts["updated_count"] + counts["removed_count"])


def describe_cancellation(job: Mapping[str, Any]) -> str:
    """Return what a job that was cancelled has done; `job` has the columns that `repository.CANCEL_JOB_SQL` returns."""
    written = job["created_count"] or job["updated_count"] or job["removed_count"] or job["missing_count"]
    if not written:
        return "Cancelled. Nothing had been written."
    return f"Cancelled. What it had written stays: {_count_written(job)}."


def _count_written(job: Mapping[str, Any]) -> str:
    if job["kind"] == "bulk":
        return f"{job['updated_count'] + job['removed_count']:,} products {ACTIONS[job['action']]}"
    if job["kind"] == "undo":
        return f"{job['updated_count']:,} products undone"
    written = f"{job['created_count']:,} created, {job['updated_count']:,} updated"
    if job["missing_count"]:
        participle = MISSING_PARTICIPLES[job["missing"]]
        written += f", {job['missing_count']:,} that the file does not have {participle}"
    return written
