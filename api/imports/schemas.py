"""The schemas of imports: queries of lists, and the responses."""

from __future__ import annotations

from marshmallow import Schema, fields

from api.imports.options import (
    DELIMITER,
    ENCODING,
    EXAMPLE_MAPPING,
    HEADER_LINE,
    MAPPING,
    MAX_LINE,
    MISSING,
    MISSING_LIMIT,
    MODE,
    ON_REJECT,
    PREVIEW,
    QUOTE,
    SHEET,
    SHORT_ROWS,
)
from api.imports.undo_schemas import ERROR_CODE, ERROR_DETAILS, LastUndoSchema
from api.response_fields import (
    EXAMPLE_TASK_ID,
    boolean,
    dictionary,
    integer,
    nested,
    nested_list,
    seconds,
    share,
    strings,
    text,
    timestamp,
    uuid,
)
from api.schemas import PaginationSchema
from catalogue.bulk import ACTIONS, MAX_SHOWN_CHARACTERS
from catalogue.bulk import FIELDS as BULK_FIELDS
from database.serializers import UNDO_STATES
from importer.columns.column_mapping import FIELDS
from importer.files.dialect import QUOTES
from importer.notice_kinds import FIX_LABELS, NOTICE_KINDS
from importer.notices import MAX_LINES, MAX_SAMPLES
from models import (
    IMPORT_MODES,
    JOB_KINDS,
    JOB_STATUSES,
    MISSING_POLICIES,
    ORIGINS,
    REJECT_POLICIES,
    SHORT_ROW_POLICIES,
)


class FileColumnSchema(Schema):
    """A column of an imported file."""

    name = text("The name of the column in the header.", "Artikelnummer")
    field = text(
        "The product field that the column is mapped to; null if it is ignored.",
        "sku",
        nullable=True,
        enum=[*FIELDS, None],
    )
    samples = strings("The first values of the column, at most 5.")


class ImportFileSchema(Schema):
    """What was detected in an imported file."""

    packing = text("The compression of the file.", "none", enum=["none", "gzip", "zip", "bzip2", "xz", "zstd"])
    sheet = text("The name of the sheet that is imported; null if the file is not a workbook.", nullable=True)
    sheets = strings("The names of the sheets of a workbook, in their order; empty if the file is not a workbook.")
    encoding = text("The encoding of the file. That of a workbook's text is utf-8.", "cp1252")
    delimiter = text("The character between fields. That of a workbook's text is a comma.", ";")
    quote = text("The character around quoted fields; empty if fields are not quoted.", '"')
    escaped = boolean("Whether quotes within fields are escaped by a backslash instead of being doubled.")
    wrapped = boolean("Whether whole lines are quoted once more.")
    columns = nested_list(FileColumnSchema)
    unmapped = strings("The names of the columns that are ignored.")
    problem = text("Why the file cannot be imported with this mapping; null if it can.", nullable=True)
    remembered = boolean(
        "Whether the mapping was taken from an earlier import with this header, confirmed on the page."
    )


class ImportOptionsSchema(Schema):
    """The options that the client gave. A null option is detected in the file."""

    preview = boolean(PREVIEW)
    mode = text(MODE, "upsert", enum=list(IMPORT_MODES))
    on_reject = text(ON_REJECT, "skip", enum=list(REJECT_POLICIES))
    mapping = dictionary(MAPPING, nullable=True, examples=[EXAMPLE_MAPPING])
    delimiter = text(DELIMITER, ";", nullable=True)
    quote = text(QUOTE, '"', nullable=True, enum=[*QUOTES, None])
    encoding = text(ENCODING, "cp1252", nullable=True)
    header_line = integer(HEADER_LINE, nullable=True, minimum=1, maximum=MAX_LINE)
    sheet = text(SHEET, "Products", nullable=True)
    short_rows = text(SHORT_ROWS, "reject", enum=list(SHORT_ROW_POLICIES))
    missing = text(MISSING, "keep", enum=list(MISSING_POLICIES))
    missing_limit = share(MISSING_LIMIT)


EXAMPLE_NOTICE = "24 rows were rejected: 12% of the file. Check the format of the file before you import it."
DETAILS_OF_NOTICE = (
    "The facts of the message for programs, beside `count`: numbers, texts, codes and lists of texts, by names that"
    " depend on the code. Empty if an older version found it."
)
DETAILS_OF_FIX = "The facts of the label for programs: `line`, `column`, or `encoding` and `word`."


class NoticeFixSchema(Schema):
    """Options of a retry that settle a notice."""

    code = text(
        "What the retry does, as a code for programs. Null if an older version found the notice.",
        "use_header_line",
        nullable=True,
        enum=[*FIX_LABELS, None],
    )
    label = text("What the retry does, as the words of a button.", "Use line 3 as the header")
    details = dictionary(DETAILS_OF_FIX, examples=[{"line": 3}])
    options = dictionary("The options to retry the import with.", examples=[{"header_line": 3}])


class NoticeSchema(Schema):
    """What a person should know about a file, beside its rejected rows."""

    code = text("What was found, as a code for programs.", "many_rejects", enum=list(NOTICE_KINDS))
    message = text("What was found and what to do, as a sentence or two for people.", EXAMPLE_NOTICE)
    details = dictionary(DETAILS_OF_NOTICE, examples=[{"percent": 12}])
    count = integer("How many rows or other places of the file it is about.", minimum=1)
    lines = fields.List(
        fields.Integer(metadata={"minimum": 1}),
        required=True,
        metadata={"description": f"The lines of the first of them, at most {MAX_LINES}.", "maxItems": MAX_LINES},
    )
    samples = fields.List(
        fields.Dict(),
        required=True,
        metadata={
            "description": "Some of them: objects with the key `text`, and with others that depend on the code.",
            "maxItems": MAX_SAMPLES,
        },
    )
    fix = nested(NoticeFixSchema, "Null if no option settles the notice, or several do.", nullable=True)
    fixes = nested_list(NoticeFixSchema, "All options that settle the notice, to choose one of them.")


def reject_details() -> fields.Dict:
    """Return the field of the details of a reason to reject a row."""
    return dictionary(
        "The content of `message` for programs: named numbers and texts, which depend on the code. If a code has"
        " several sentences, `problem` names them. Null if an earlier version of the product wrote the message.",
        nullable=True,
        examples=[{"column": "Status", "value": "maybe"}],
    )


class RejectedRowSchema(Schema):
    """A row that could not be imported."""

    line = integer("The line of the file where the row begins.", minimum=1, examples=[17])
    code = text("The reason, as a code for programs.", "missing_sku")
    message = text("The reason, as a sentence for people.", "The row has no SKU.")
    row = text("The original row.", ",Blue lamp,")
    column = text(
        "The column that is to blame, by its name in the file; null if it is the whole row.", "Status", nullable=True
    )
    value = text("The value that is to blame; null if the reason is not about one value.", "maybe", nullable=True)
    details = reject_details()


class PreviewChangeSchema(Schema):
    """A product that the import would create or update, with the fields that the file has."""

    sku = text("The SKU of the product.", "A-1")
    before = dictionary("The current values; null for a new product.", nullable=True)
    after = dictionary("The values after the import.")


class FieldChangesSchema(Schema):
    """How many products an import would change in one field."""

    changed = integer("Products whose value would change.")
    cleared = integer("How many of them have a value that would become empty.")


class PreviewCountsSchema(Schema):
    """How many products and rows an import would change, as counted when the preview was made."""

    create = integer("Products that would be created.")
    update = integer("Products that would be updated.")
    unchanged = integer("Rows that would change nothing.")
    skipped = integer("How many rows of `unchanged` the mode would skip.")
    rejected = integer("Rows that cannot be imported.")
    duplicate = integer("Rows whose SKU appears again further down; the last row counts.")
    missing = integer("Products that the file does not have and that would be deactivated or deleted.")


class PreviewSchema(PreviewCountsSchema):
    """What an import would do, as counted when the preview was made."""

    missing_action = text(
        "What would happen to these products. It is `keep` if the file has no valid rows.",
        "keep",
        enum=list(MISSING_POLICIES),
    )
    catalogue = integer(
        "The number of products in the catalogue, of which `missing` is a part; null with `keep`.", nullable=True
    )
    fields_ = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(FieldChangesSchema),
        required=True,
        data_key="fields",
        metadata={"description": "The changes of existing products, for each field that the file has."},
    )
    checked_at = timestamp("When the rows were compared with the products", nullable=True)
    changes = nested_list(PreviewChangeSchema)
    rejects = nested_list(RejectedRowSchema)


class LogEntrySchema(Schema):
    """An entry in the log of an import."""

    at = timestamp("When it happened")
    event = text(
        "What happened, as a code for programs. An import fails with `refused` if its file cannot be imported as it is,"
        " and with `failed` for other reasons.",
        "read",
    )
    message = text("What happened, as a sentence for people.", "3,000 rows were read, 12 of them rejected.")
    code = text(
        "The message, as a code for programs: an event may have several messages. Null if the sentence has no code, as"
        " in entries of earlier versions.",
        "read",
        nullable=True,
    )
    details = dictionary(
        "The content of the message: named numbers and texts, which depend on the code; null if `code` is null.",
        nullable=True,
        examples=[{"rows": 3000, "accepted": 2988, "rejected": 12, "stored": 12, "not_stored": 0}],
    )


class ProgressSampleSchema(Schema):
    """The progress of an import at one time."""

    at = seconds("Working time of the import so far, in seconds.")
    phase = text("The phase at this time.", "reading")
    rows = integer("Rows that the phase had processed.")


class BulkSchema(Schema):
    """What a bulk change changes."""

    action = text("What it does with the products.", "deactivate", enum=list(ACTIONS))
    field = text("The field that the action `set` sets; null for the others.", nullable=True, enum=[*BULK_FIELDS, None])
    value = fields.Raw(
        required=True,
        allow_none=True,
        metadata={
            "description": "The new value of the field, with the action `set`. Of a long text only the first"
            f" {MAX_SHOWN_CHARACTERS:,} characters are shown.",
            "type": ["string", "boolean"],
        },
    )
    selection = text("How the products are selected.", "filter", enum=["ids", "filter", "all"])
    filter = dictionary("The filter, if the products are selected by one.", nullable=True, examples=[{"name": "lamp"}])
    ids = integer("The number of different ids, if the products are selected by id.", nullable=True)


class ImportSchema(Schema):
    """A job: an import, a bulk change, or the undo of one."""

    id = integer("The number of the job.", minimum=1, examples=[7])
    task_id = uuid("The id of the job.", EXAMPLE_TASK_ID)
    kind = text("Whether the job is an import, a bulk change or an undo.", "import", enum=list(JOB_KINDS))
    bulk = nested(BulkSchema, "Null for an import and its undo.", nullable=True)
    filename = text(
        "The name of the file; for a bulk change, a title such as `Deactivate products`; for an undo, that of its job.",
        "products.csv",
    )
    status = text("The state of the job.", "processing", enum=list(JOB_STATUSES))
    phase = text(
        "The current phase: queued, reading, reading_workbook, comparing, finding (the products that the file does not"
        " have, or those that a bulk change selects), writing, undoing or finished.",
        "writing",
    )
    progress = integer("Percent; never decreases within a run, and is 100 exactly when `completed`.", maximum=100)
    step_progress = integer(
        "Percent of the current step: of the check, then of the import. A job without a check has one step.",
        maximum=100,
    )
    total_records = integer(
        "Rows of the file: 0 or an estimate while the file is read, exact after that. For a bulk change: products that"
        " it found."
    )
    processed_records = integer("Rows that are finished; never decreases within a run.")
    rows_read = integer("Rows read so far.")
    rows_written = integer("Products created and updated so far.")
    rows_compared = integer("Rows that the check has compared with the products so far.")
    created_count = integer("Products that were created.")
    updated_count = integer("Products that were updated. For an undo: products that were restored or removed.")
    unchanged_count = integer(
        "Rows that changed nothing. For a bulk change: products that had the value already, or did not match any more"
        " when it was their turn. For an undo: products that were already deleted."
    )
    duplicate_count = integer("Rows whose SKU appears again further down; the last row counts.")
    rejected_count = integer(
        "Rows that could not be imported. For an undo: products that it left alone, because they were edited since."
    )
    skipped_count = integer("How many rows of `unchanged_count` the mode skipped.")
    removed_count = integer(
        "For an undo: how many products of `updated_count` it removed; it restored the others. For a bulk change:"
        " products that it deleted."
    )
    missing_count = integer(
        "Products that the file does not have and that were deactivated or deleted. They are not in the other counts."
    )
    run = integer("Increases by one with each retry, which may reset the other counts.", minimum=1, examples=[1])
    mode = text(MODE, "upsert", enum=list(IMPORT_MODES))
    on_reject = text(ON_REJECT, "skip", enum=list(REJECT_POLICIES))
    started_from = text("Where the job was started.", "api", enum=list(ORIGINS))
    started_by = text(
        "Who started the job: the name of the person or the API key; for `local` the name that the client gave, or its"
        " address.",
        "192.0.2.7",
    )
    file_size = integer("The size of the file in bytes.")
    error_message = text("Why the job failed.", nullable=True)
    error_code = text(ERROR_CODE, "too_many_rows", nullable=True)
    error_details = dictionary(ERROR_DETAILS, nullable=True, examples=[{"limit": 5_000_000}])
    duration_seconds = seconds(
        "The working time of this run up to `updated_at`, without the wait for a confirmation.", nullable=True
    )
    rows_per_second = integer("Rows of this run per second of working time, once completed.", nullable=True)
    current_rows_per_second = integer("Rows per second of the current phase over the last seconds.", nullable=True)
    seconds_left = seconds(
        "The expected time from `updated_at` to the end of the run, or to its wait for a confirmation. Null while it"
        " cannot be estimated, or while no worker has the job.",
        nullable=True,
    )
    seconds_since_update = seconds(
        "The time since `updated_at` by the clock of the server; null once the run has ended.", nullable=True
    )
    created_at = timestamp("When the file was uploaded")
    updated_at = timestamp("When the job last changed")
    started_at = timestamp("When a worker started the job", nullable=True)
    finished_at = timestamp("When the job ended", nullable=True)
    confirm_until = timestamp("When the job stops waiting for a confirmation", nullable=True)
    retry_until = timestamp("The deadline for a retry", nullable=True)
    undo_until = timestamp("The deadline for an undo", nullable=True)
    undo_of = uuid("For an undo: the id of the import that it undoes.", nullable=True)
    undone_by = uuid("The id of the last undo of this import.", nullable=True)
    undo_state = text(
        "What has become of the undo of this job: it is running, has undone everything, has left products alone, has"
        " failed, or was cancelled. Null if there is none.",
        nullable=True,
        enum=[*UNDO_STATES, None],
    )
    undo = nested(
        LastUndoSchema, "The last undo of this job; null if there is none, or if it was deleted.", nullable=True
    )
    left_alone_count = integer(
        "Products that the last undo of this import left alone. If there are any, the import can be undone again."
    )


class ImportDetailsSchema(ImportSchema):
    """A job with its options, its file, its notices, its preview and its log."""

    options = nested(ImportOptionsSchema)
    file = nested(ImportFileSchema, "Null until the header has been read.", nullable=True)
    notices = nested_list(NoticeSchema)
    fixes_count = integer("How many fixes are made each time the file is read.")
    preview = nested(PreviewSchema, "Null until the changes have been counted.", nullable=True)
    log = nested_list(LogEntrySchema)
    samples = nested_list(ProgressSampleSchema)


class ListedImportSchema(ImportSchema):
    """A job of a list."""

    preview_counts = nested(
        PreviewCountsSchema, "What the import would do; null unless it waits for its confirmation.", nullable=True
    )


class ImportPageSchema(Schema):
    """A page of jobs."""

    imports = nested_list(ListedImportSchema)
    pagination = nested(PaginationSchema)
