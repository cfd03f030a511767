"""What calls on imports take and answer, as marshmallow schemas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from api.requests import NO_NUL, Choice, FormSchema, PageQuerySchema, RequestSchema, Switch, is_text
from api.responses import (
    EXAMPLE_TASK,
    PaginationSchema,
    ProductSchema,
    nested,
    number,
    switch,
    text,
    time,
)
from importer.columns.column_mapping import FIELDS
from importer.errors import UnusableFile
from importer.files.dialect import DELIMITERS, QUOTES, find_delimiter, find_quote
from importer.files.encoding import find_encoding
from models import IMPORT_MODES, JOB_KINDS, JOB_STATUSES, ORIGINS, REJECT_POLICIES

STARTED_BY_MAX_CHARACTERS = 200
FILENAME_FILTER_MAX_CHARACTERS = 255
MAX_MAPPED_COLUMNS = 10_000
DELIMITER_NAMES = (*DELIMITERS, *DELIMITERS.values())
QUOTE_NAMES = tuple(dict.fromkeys([*QUOTES, *QUOTES.values()]))
CHANGES = ("created", "updated", "left_out")
EXAMPLE_MAPPING = {"Artikelnummer": "sku", "Preis": None}

MODE = (
    "What becomes of products that exist, and of those that do not: `upsert` changes the ones and creates the others,"
    " `create` leaves out those that exist, `update` those that do not."
)
ON_REJECT = "What bad rows do: `skip` sets them aside, with `fail` nothing is written when there is any."
PREVIEW = "Whether the import waits for a confirmation, and says what it would do, before it writes anything."
DELIMITER = "What separates the fields: comma, semicolon, tab or pipe, the character or the word."
QUOTE = (
    "What the fields are quoted with: a double or a single quote, or nothing. Quotes within fields are doubled, or"
    " escaped by a backslash."
)
ENCODING = "The encoding of the file, as Python names it: utf-8, utf-16, windows-1252, shift_jis …"
MAPPING = (
    "Which of our fields (sku, name, description, active) the file's columns are, by the names of its header; null for"
    " a column to leave out. Several of the same name are told apart by a number: `Name (2)`. Columns that are not"
    " named are matched by themselves."
)
STARTED_FROM = "Where it was started: on the page, or by another client."
STARTED_BY = "Who started it, for the history; without it the address of the client."
FROM_THE_FILE = " Without it, or with null, it is found from the file."


class Mapping(fields.Field[Any]):
    """A JSON object: the file's columns by name, each with our field or null. In a form it is JSON as a text."""

    def __init__(self, description: str, *, in_form: bool = False) -> None:
        metadata: dict[str, Any] = {"description": description}
        if in_form:
            metadata |= {"type": "string", "contentMediaType": "application/json"}
            metadata |= {"examples": [json.dumps(EXAMPLE_MAPPING)]}
        else:
            values = {"type": ["string", "null"], "enum": [*FIELDS, None]}
            metadata |= {"type": "object", "additionalProperties": values, "examples": [EXAMPLE_MAPPING]}
        super().__init__(allow_none=not in_form, metadata=metadata)
        self._in_form = in_form

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if self._in_form:
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise ValidationError('mapping must be JSON, such as {"Item no.": "sku"}.') from None
        if value is None:
            return None
        if not isinstance(value, dict) or len(value) > MAX_MAPPED_COLUMNS or not all(map(is_text, value)):
            raise ValidationError('mapping must be an object of columns and fields, such as {"Item no.": "sku"}.')
        for column, field in value.items():
            if field is not None and field not in FIELDS:
                shown = column[:40]
                raise ValidationError(f"The column {shown} can be one of {', '.join(FIELDS)}, or null to leave it out.")
        return value or None


class Named(fields.String):
    """A text that `read` understands; it raises `UnusableFile` with a sentence."""

    def __init__(
        self, description: str, example: str, read: Any, *, words: Sequence[str | None] = (), in_form: bool = False
    ) -> None:
        metadata = {"description": description, "examples": [example], **({"enum": list(words)} if words else {})}
        super().__init__(allow_none=not in_form, metadata=metadata)
        self._read = read

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise ValidationError(f"{attr} must be a text or null.")
        try:
            return self._read(value)
        except UnusableFile as problem:
            raise ValidationError(str(problem)) from None


class ShortText(fields.String):
    """A text of at most `limit` characters."""

    def __init__(self, description: str, example: str, limit: int) -> None:
        metadata = {"description": description, "examples": [example], "maxLength": limit, "pattern": NO_NUL}
        super().__init__(metadata=metadata)
        self._limit = limit

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or len(value) > self._limit or not is_text(value):
            raise ValidationError(f"{attr} must be a text of at most {self._limit} characters.")
        return value.strip()


class UploadOptionsSchema(FormSchema):
    """What is wanted of an import. Empty fields count as not given."""

    preview = Switch(PREVIEW, in_query=True)
    mode = Choice(MODE, *IMPORT_MODES, default="upsert")
    on_reject = Choice(ON_REJECT, *REJECT_POLICIES, default="skip")
    mapping = Mapping(MAPPING, in_form=True)
    delimiter = Named(DELIMITER + FROM_THE_FILE, "semicolon", find_delimiter, words=DELIMITER_NAMES, in_form=True)
    quote = Named(QUOTE + FROM_THE_FILE, "none", find_quote, words=QUOTE_NAMES, in_form=True)
    encoding = Named(ENCODING + FROM_THE_FILE, "windows-1252", find_encoding, in_form=True)
    started_from = Choice(STARTED_FROM, *ORIGINS, default="api")
    started_by = ShortText(STARTED_BY, "nightly job", STARTED_BY_MAX_CHARACTERS)


class UploadSchema(UploadOptionsSchema):
    """A file, and what is wanted of its import."""

    file = fields.Raw(
        required=True,
        metadata={
            "type": "string",
            "format": "binary",
            "description": "The file; its name ends in .csv, .tsv, .csv.gz, .tsv.gz or .zip.",
        },
    )


class RetrySchema(RequestSchema):
    """What is to be different this time. What is not given stays; null is found from the file."""

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012
        "unknown": "There is no such option. Use preview, mode, on_reject, mapping, delimiter, quote or encoding."
    }

    preview = Switch(PREVIEW)
    mode = Choice(MODE, *IMPORT_MODES)
    on_reject = Choice(ON_REJECT, *REJECT_POLICIES)
    mapping = Mapping(MAPPING + FROM_THE_FILE)
    delimiter = Named(DELIMITER + FROM_THE_FILE, "semicolon", find_delimiter, words=[*DELIMITER_NAMES, None])
    quote = Named(QUOTE + FROM_THE_FILE, "none", find_quote, words=[*QUOTE_NAMES, None])
    encoding = Named(ENCODING + FROM_THE_FILE, "windows-1252", find_encoding)


class UndoSchema(RequestSchema):
    """Who wants the undo."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "There is no such field. Use started_from and started_by."}  # noqa: RUF012

    started_from = Choice(STARTED_FROM, *ORIGINS, default="api")
    started_by = ShortText(STARTED_BY, "night shift", STARTED_BY_MAX_CHARACTERS)


class ImportsQuerySchema(PageQuerySchema):
    """A page of imports."""

    status = Choice("Only imports with this status.", *JOB_STATUSES)
    kind = Choice("Only imports, or only undos of imports.", *JOB_KINDS)
    started_from = Choice("Only those started on the page, or only those started by other clients.", *ORIGINS)
    filename = ShortText("The name of the file contains this, in any case.", "products", FILENAME_FILTER_MAX_CHARACTERS)


class ChangesQuerySchema(PageQuerySchema):
    """A page of what an import did."""

    change = Choice("Only products that it created, changed, or left out because of its mode.", *CHANGES)


class ColumnSchema(Schema):
    """A column of a file."""

    name = text("Its name in the header.", "Artikelnummer")
    field = text("Which of our fields it is; null: it is left out.", "sku", allow_none=True, enum=[*FIELDS, None])
    samples = fields.List(
        fields.String(), required=True, metadata={"description": "The first values in it, at most 5."}
    )


class FileSchema(Schema):
    """What was found in a file."""

    packing = text("How it is packed.", "none", enum=["none", "gzip", "zip"])
    encoding = text("Its encoding.", "cp1252")
    delimiter = text("What separates its fields.", ";")
    quote = text("What its fields are quoted with; empty: nothing.", '"')
    escaped = switch("Whether quotes within fields are escaped by a backslash, not doubled.")
    columns = nested(ColumnSchema, many=True)
    unmapped = fields.List(fields.String(), required=True, metadata={"description": "The columns that are left out."})
    problem = text("Why these columns do not allow an import.", None, allow_none=True)
    remembered = switch("Whether the mapping is the one that was confirmed on the page for such a header before.")


class OptionsSchema(Schema):
    """What was asked for; null was to be found from the file."""

    preview = switch(PREVIEW)
    mode = text(MODE, "upsert", enum=list(IMPORT_MODES))
    on_reject = text(ON_REJECT, "skip", enum=list(REJECT_POLICIES))
    mapping = fields.Dict(
        required=True, allow_none=True, metadata={"description": MAPPING, "examples": [EXAMPLE_MAPPING]}
    )
    delimiter = text(DELIMITER, ";", allow_none=True)
    quote = text(QUOTE, '"', allow_none=True, enum=[*QUOTES, None])
    encoding = text(ENCODING, "cp1252", allow_none=True)


class RejectSchema(Schema):
    """A row that could not be taken."""

    line = number("The line of the file that it begins on.", minimum=1, examples=[17])
    code = text("What a program can go by.", "missing_sku")
    message = text("A sentence that says why.", "The row has no SKU.")
    row = text("The row as it was.", ",Blue lamp,")


class ChangeSchema(Schema):
    """A product that would be created or changed, with the fields that the file has."""

    sku = text("Its SKU.", "A-1")
    before = fields.Dict(required=True, allow_none=True, metadata={"description": "As it is; null for a new one."})
    after = fields.Dict(required=True, metadata={"description": "As it would be."})


class PreviewSchema(Schema):
    """What an import would do, or would have done when it was asked."""

    create = number("Products that would be created.")
    update = number("Products that would be changed.")
    unchanged = number("Rows that would change nothing.")
    skipped = number("Rows of those that the mode would leave out.")
    rejected = number("Rows that cannot be taken.")
    duplicate = number("Rows whose SKU comes again further down, which wins.")
    changes = nested(ChangeSchema, many=True)
    rejects = nested(RejectSchema, many=True)


class LogSchema(Schema):
    """Something that happened to an import."""

    at = time("When")
    event = text("What a program can go by.", "started")
    message = text("A sentence.", "A worker began.")


class SampleSchema(Schema):
    """How far an import was at a time."""

    at = fields.Float(required=True, metadata={"description": "Seconds it had been worked on.", "minimum": 0})
    phase = text("What it did.", "reading")
    rows = number("Rows that this phase had done.")


class ImportSchema(Schema):
    """An import, or the undo of one."""

    id = number("The number of the import.", minimum=1, examples=[7])
    task_id = fields.UUID(required=True, metadata={"description": "The id of the import.", "examples": [EXAMPLE_TASK]})
    kind = text("What it is.", "import", enum=list(JOB_KINDS))
    filename = text("The name of the file; of an undo, that of its import.", "products.csv")
    status = text("How far it is.", "processing", enum=list(JOB_STATUSES))
    phase = text("What it does now: queued, reading, comparing, writing, undoing, finished.", "writing")
    progress = number("Percent; never goes back within a run, and is 100 exactly when `completed`.", maximum=100)
    total_records = number("Rows of the file: 0 or an estimate while it is read, exact from then on.")
    processed_records = number("Rows that are done; never goes back within a run.")
    rows_read = number("Rows read so far.")
    rows_written = number("Products created and changed so far.")
    created_count = number("Products that are new.")
    updated_count = number("Products that were changed. Of an undo: restored or removed.")
    unchanged_count = number("Rows that changed nothing. Of an undo: products that were gone already.")
    duplicate_count = number("Rows whose SKU came again further down, which wins.")
    rejected_count = number("Rows that could not be taken. Of an undo: products left alone, as they were edited since.")
    skipped_count = number("How many of the unchanged rows the mode left out.")
    removed_count = number("Of an undo: how many of the updated products it removed.")
    run = number("Counted up when it is tried again; the other numbers may then begin anew.", minimum=1, examples=[1])
    mode = text(MODE, "upsert", enum=list(IMPORT_MODES))
    on_reject = text(ON_REJECT, "skip", enum=list(REJECT_POLICIES))
    started_from = text("Where it was started.", "api", enum=list(ORIGINS))
    started_by = text("Who started it: a name that was given, or the address of the client.", "192.0.2.7")
    file_size = number("Bytes of the file.")
    error_message = text("Why it failed.", allow_none=True)
    duration_seconds = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "How long it was worked on; waiting to be confirmed does not count.", "minimum": 0},
    )
    rows_per_second = number("Once completed: rows by seconds.", allow_none=True)
    created_at = time("When the file was taken")
    updated_at = time("When anything of this last changed")
    started_at = time("When a worker began", nullable=True)
    finished_at = time("When it ended", nullable=True)
    confirm_until = time("Until when it waits to be confirmed", nullable=True)
    retry_until = time("Until when it can be tried again", nullable=True)
    undo_until = time("Until when it can be undone", nullable=True)
    undo_of = fields.UUID(
        required=True, allow_none=True, metadata={"description": "Of an undo: the id of the import it takes back."}
    )
    undone_by = fields.UUID(required=True, allow_none=True, metadata={"description": "The id of its undo."})


class ImportDetailSchema(ImportSchema):
    """An import with all there is to know of it."""

    options = nested(OptionsSchema)
    file = fields.Nested(
        FileSchema, required=True, allow_none=True, metadata={"description": "Null until its header was read."}
    )
    preview = fields.Nested(
        PreviewSchema, required=True, allow_none=True, metadata={"description": "Null until it was counted."}
    )
    log = nested(LogSchema, many=True)
    samples = nested(SampleSchema, many=True)


class ImportsSchema(Schema):
    """A page of imports."""

    imports = nested(ImportSchema, many=True)
    pagination = nested(PaginationSchema)


class RejectsSchema(Schema):
    """A page of rejected rows."""

    rejects = nested(RejectSchema, many=True)
    pagination = nested(PaginationSchema)


class ImportedProductSchema(Schema):
    """What an import did with a product."""

    change = text("What it did.", "created", enum=list(CHANGES))
    id = number("The id of the product; null where it was left out.", minimum=1, allow_none=True)
    sku = text("The SKU; null where the product is gone.", "A-1", allow_none=True)
    product = fields.Nested(
        ProductSchema, required=True, allow_none=True, metadata={"description": "As it is now; null: it is not there."}
    )


class ImportedProductsSchema(Schema):
    """A page of products that an import had to do with."""

    products = nested(ImportedProductSchema, many=True)
    pagination = nested(PaginationSchema)
