"""The statements of slices and undos as they run, rendered by the functions that the pipeline uses."""

from __future__ import annotations

from dataclasses import replace

from psycopg2 import sql
from psycopg2.extensions import adapt

from catalogue.bulk import BulkChange
from catalogue.filters import Filter
from importer.jobs.repository import Job
from importer.pipeline.bulk_sql import STAGED_COLUMNS, render_find, render_write
from importer.pipeline.duplicates import render_duplicates
from importer.pipeline.missing_sql import render_find_missing, render_removal
from importer.pipeline.outcomes import render_outcomes
from importer.pipeline.restore import render_restoration
from importer.pipeline.restore_table import DeletedTable, render_range
from importer.pipeline.slice_sql import Slice
from importer.pipeline.undo import render_reversal

SET_NAME = BulkChange("set", Filter(q="lamp"), "name", "new")
DELETE_IDS = BulkChange("delete", [2, 1])
TASK_ID = "00000000-0000-4000-8000-000000000007"
STAGING_TABLE = "import_staging_7_5eed5eed"
DELETED_TABLE = "deleted_products_7_5eed5eed"
ALL_COLUMNS = ["sku", "name", "description", "active"]


def make_job(
    *,
    mode: str = "upsert",
    columns: list[str] = ALL_COLUMNS,
    rejected_count: int = 0,
    short_rows: str = "reject",
    missing: str = "keep",
    snapshot: str | None = None,
) -> Job:
    """Return job 7, whose rows are staged."""
    return Job(
        id=7,
        task_id=TASK_ID,
        token="5eed5eed-0000-4000-8000-000000000000",
        stored_name=f"{TASK_ID}.upload",
        file_size=100_000,
        file_sha256=None,
        staging_table=STAGING_TABLE,
        staged_columns=columns,
        checkpoint=None,
        total_records=1000,
        rejected_count=rejected_count,
        attempts=1,
        kind="import",
        mode=mode,
        on_reject="skip",
        wants_preview=False,
        confirmed=False,
        mapping=None,
        delimiter=None,
        quote=None,
        encoding=None,
        header_line=None,
        sheet=None,
        short_rows=short_rows,
        missing=missing,
        missing_limit=0.1,
        missing_found=None,
        missing_snapshot=snapshot,
        missing_checkpoint=None,
        started_from="api",
        undo_of=None,
        processed_records=rejected_count,
        missing_count=0,
    )


def make_slice(*, mode: str = "upsert", columns: list[str] = ALL_COLUMNS) -> Slice:
    """Return the slice of job 7 with the keys from "k-0100" (exclusive) to "k-0200" (inclusive)."""
    return Slice(make_job(mode=mode, columns=columns), "k-0100", "k-0200")


def make_missing_slice(missing: str) -> Slice:
    """Return the same slice of a job that has found missing products, while two other transactions were running."""
    job = make_job(rejected_count=3, missing=missing, snapshot="4294968000:4294968300:4294968000,4294968200")
    return Slice(job, "k-0100", "k-0200")


def make_bulk_slice(change: BulkChange) -> Slice:
    """Return the same slice of a bulk change that has found its products."""
    job = replace(make_job(columns=STAGED_COLUMNS), kind="bulk", bulk=change.to_json(), bulk_input=change.input_json())
    return Slice(job, "k-0100", "k-0200")


def render_statements() -> dict[str, tuple[str, sql.Composable]]:
    """Return each statement with a comment, by the name of its snapshot."""
    complete = {"keep_change_log": True, "has_subscriber": True}
    minimal = {"keep_change_log": False, "has_subscriber": False}
    return {
        "slice_upsert": (
            "Mode upsert, all columns, with a change log and a subscribed webhook.",
            make_slice().render_merge(**complete),
        ),
        "slice_upsert_minimal": (
            "Mode upsert, all columns, without a change log and without a subscriber.",
            make_slice().render_merge(**minimal),
        ),
        "slice_create": (
            "Mode create, with a change log: existing products are skipped and logged by their SKU.",
            make_slice(mode="create").render_merge(keep_change_log=True, has_subscriber=False),
        ),
        "slice_update": (
            "Mode update, with a change log: new products are skipped and logged by their SKU.",
            make_slice(mode="update").render_merge(keep_change_log=True, has_subscriber=False),
        ),
        "slice_short_rows": (
            "Mode upsert, short rows accepted: the fields that a row lacks are NULL, and keep their values.",
            Slice(make_job(short_rows="accept"), "k-0100", "k-0200").render_merge(**complete),
        ),
        "slice_sku_only": (
            "A file that has only SKUs, with a change log: it creates products but updates none.",
            make_slice(columns=["sku"]).render_merge(keep_change_log=True, has_subscriber=False),
        ),
        "slice_insert": (
            "A range of keys without products, with a change log and a subscribed webhook.",
            make_slice().render_insert(100, **complete),
        ),
        "slice_outcomes": (
            "The comparison of a check, which records what the import would do with each row.",
            render_outcomes(make_slice(), 3),
        ),
        "slice_outcomes_create": (
            "The comparison of a check, mode create, a file without descriptions.",
            render_outcomes(make_slice(mode="create", columns=["sku", "name", "active"]), 3),
        ),
        "duplicates": (
            "The first 1,000 duplicates of a file are stored.",
            render_duplicates(make_job(), 1000),
        ),
        "missing_found": (
            "The products that the file does not have; some rows were rejected.",
            render_find_missing(make_job(rejected_count=3, missing="delete")),
        ),
        "missing_deactivated": (
            "Missing products are deactivated, with a change log and a subscribed webhook.",
            render_removal(make_missing_slice("deactivate"), **complete),
        ),
        "missing_deleted": (
            "Missing products are deleted, with a change log and a subscribed webhook.",
            render_removal(make_missing_slice("delete"), **complete),
        ),
        "bulk_found": (
            "The products of a bulk change after its checkpoint.",
            render_find(sql.Identifier(STAGING_TABLE), SET_NAME, replace(make_job(), checkpoint="k-0100")),
        ),
        "bulk_updated": (
            "A bulk change sets the name, with a change log.",
            render_write(make_bulk_slice(SET_NAME), SET_NAME, keep_change_log=True),
        ),
        "bulk_deleted": (
            "A bulk change deletes products with given ids, with a change log.",
            render_write(make_bulk_slice(DELETE_IDS), DELETE_IDS, keep_change_log=True),
        ),
        "undo_deletion_of_all": (
            "Products of a deletion of all are restored.",
            render_range(
                make_bulk_slice(BulkChange("delete", Filter())),
                DeletedTable(DELETED_TABLE, 42, None, None),
                max_rejects=1000,
                has_subscriber=False,
            ),
        ),
        "undo_deletion": (
            "Deleted products are restored, with a subscribed webhook.",
            render_restoration(make_job(), 42, max_rejects=1000, has_subscriber=True),
        ),
        "undo_entry": (
            "An entry of the change log is reversed, with a subscribed webhook.",
            render_reversal(make_job(), 42, max_rejects=1000, has_subscriber=True),
        ),
    }


def to_text(statement: sql.Composable) -> str:
    """Return the text of a statement as `statement.as_string(connection)` does, but without a connection."""
    if isinstance(statement, sql.Composed):
        return "".join(map(to_text, statement.seq))
    if isinstance(statement, sql.Identifier):
        return ".".join('"{}"'.format(name.replace('"', '""')) for name in statement.strings)
    if isinstance(statement, sql.Literal):
        return str(adapt(statement.wrapped).getquoted(), "utf-8")
    assert isinstance(statement, sql.SQL)
    return statement.string
