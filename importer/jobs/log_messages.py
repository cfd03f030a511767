"""What the log of a job says: for people as a sentence, for programs as a code and details.

The sentence is built from the details, so both have the same content. The page builds the sentences of other languages
from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from catalogue.bulk import ACTIONS, describe_result, describe_title
from importer.errors import ImportFailure
from importer.jobs.missing_limit import PARTICIPLES as MISSING_PARTICIPLES

# What sentences call a job of each kind.
NOUNS = {"import": "import", "undo": "undo", "bulk": "bulk change"}

IMPORT_COMPLETED_MESSAGE = (
    "{created:,} products created, {updated:,} updated; {unchanged:,} rows changed nothing,"
    " {duplicate:,} were duplicates, {rejected:,} were rejected."
)
ALL_REJECTED_MESSAGE = (
    "Every row was rejected ({rejected:,}), so nothing was imported. Correct the rejected rows and upload them."
)
NOTHING_TO_IMPORT_MESSAGE = "Every row was rejected ({rejected:,}), so nothing can be imported."


class LogMessage(NamedTuple):
    """What an entry of the log says. `code` is one of `SENTENCES`, or that of a failure; `details` are JSON values."""

    sentence: str
    code: str | None = None
    details: Mapping[str, Any] | None = None


def log_message(code: str, **details: Any) -> LogMessage:
    """Return what a log says; `details` has the values that the sentence of the code takes."""
    sentence = SENTENCES[code]
    return LogMessage(sentence(**details) if callable(sentence) else sentence.format(**details), code, details)


def failure_message(failure: ImportFailure) -> LogMessage:
    """Return what a log says about a failure. Its code is one of those of `FailureKind`."""
    return LogMessage(str(failure), failure.code, failure.details)


def _describe_import(
    *,
    created: int,
    updated: int,
    unchanged: int,
    duplicate: int,
    rejected: int,
    accepted: int,
    missing: int,
    missing_action: str,
    missing_left_alone: int,
) -> str:
    if accepted:
        counts = {"created": created, "updated": updated, "unchanged": unchanged, "duplicate": duplicate}
        sentence = IMPORT_COMPLETED_MESSAGE.format(**counts, rejected=rejected)
    else:
        sentence = ALL_REJECTED_MESSAGE.format(rejected=rejected)
    if missing:
        participle = MISSING_PARTICIPLES[missing_action]
        sentence += f" {missing:,} products that the file does not have were {participle}."
    if missing_left_alone:
        sentence += (
            f" {missing_left_alone:,} others were left alone, because they were changed after the import had found"
            " them."
        )
    return sentence


def _describe_undo(*, removed: int, restored: int, left_alone: int, undone: str) -> str:
    noun = NOUNS[undone]
    sentence = (
        f"{removed:,} products removed, {restored:,} restored, {left_alone:,} left unchanged because they"
        f" were edited after the {noun}."
    )
    return f"{sentence} The {noun} can be undone again for these." if left_alone else sentence


def _describe_reading(*, rows: int, accepted: int, rejected: int, stored: int, not_stored: int) -> str:
    sentence = f"{rows:,} rows were read, {rejected:,} of them rejected."
    if not accepted:
        sentence = NOTHING_TO_IMPORT_MESSAGE.format(rejected=rejected)
    return f"{sentence} Only the first {stored:,} rejected rows are kept." if not_stored else sentence


def _describe_check(
    *, created: int, updated: int, rejected: int, accepted: int, missing: int, missing_action: str
) -> str:
    if not accepted:
        return NOTHING_TO_IMPORT_MESSAGE.format(rejected=rejected)
    removal = ""
    if missing:
        participle = MISSING_PARTICIPLES[missing_action]
        removal = f" {missing:,} products that the file does not have would be {participle}."
    return (
        f"{created:,} products would be created, {updated:,} updated; {rejected:,} rows were rejected.{removal} Nothing"
        " has been written yet."
    )


def _describe_cancelled_import(*, created: int, updated: int, missing: int, missing_action: str) -> str:
    written = f"{created:,} created, {updated:,} updated"
    if missing:
        written += f", {missing:,} that the file does not have {MISSING_PARTICIPLES[missing_action]}"
    return f"Cancelled. What it had written stays: {written}."


def _describe_cancelled_bulk_change(*, action: str, changed: int) -> str:
    return f"Cancelled. What it had written stays: {changed:,} products {ACTIONS[action]}."


def _describe_request(*, change: str, selection: str) -> str:
    return f"{describe_title(change, selection)}: the bulk change was requested."


def _describe_undo_request(*, change: str, selection: str) -> str:
    return f"The undo of {describe_title(change, selection)} was requested."


def _describe_fixes(*, values: int, rows: int) -> str:
    parts = [f"{values:,} values" if values > 1 else "1 value"] if values else []
    parts += [f"{rows:,} rows" if rows > 1 else "1 row"] if rows else []
    return f"{' and '.join(parts)} fixed; the file is read again."


# Every sentence of the log by its code, except why a job failed or was interrupted. A format names its details in it,
# and a function as its parameters.
SENTENCES: Mapping[str, str | Callable[..., str]] = {
    "bulk_cancelled": _describe_cancelled_bulk_change,
    "bulk_completed": describe_result,
    "bulk_requested": _describe_request,
    "cancelled_unchanged": "Cancelled. Nothing had been written.",
    "compared": _describe_check,
    "confirmed": "The preview was confirmed.",
    "duplicates_removed": "The duplicate rows were removed after {days} days.",
    "fix_of_row_deleted": "The fix of line {line:,} was deleted; the file is read again.",
    "fix_of_value_deleted": "The fix of “{value}” in {column} was deleted; the file is read again.",
    "fixed": _describe_fixes,
    "import_cancelled": _describe_cancelled_import,
    "import_completed": _describe_import,
    "read": _describe_reading,
    "rejects_removed": "The rejected rows were removed after {days} days.",
    "resumed": "The previous worker stopped; another one resumed the job.",
    "retried": "Retried; continues where it stopped.",
    "retried_from_start": "Retried from the start.",
    "samples_removed": "The throughput samples were removed after {days} days.",
    "started": "A worker started the job.",
    "undo_cancelled": "Cancelled. What it had written stays: {changed:,} products undone.",
    "undo_completed": _describe_undo,
    "undo_of_bulk_requested": _describe_undo_request,
    "undo_requested": "The undo of {filename} was requested.",
    "undone": "The undo was started.",
    "uploaded": "{filename} was uploaded ({bytes:,} bytes).",
}
