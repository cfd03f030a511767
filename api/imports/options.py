"""The options of an import: how uploads, retries and undos give them, and how they are checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import RAISE, ValidationError, fields

from api.imports.file_names import ACCEPTED_NAMES
from api.request_fields import MAX_DIGITS, Boolean, Choice, ShortText, is_storable
from api.schemas import FormSchema, QuerySchema, RequestSchema
from importer.columns.column_mapping import FIELDS
from importer.errors import UnusableFile
from importer.files.dialect import DELIMITERS, OTHER_DELIMITERS, QUOTES, find_delimiter, find_quote
from importer.files.encoding_names import find_encoding
from models import IMPORT_MODES, MISSING_POLICIES, ORIGINS, REJECT_POLICIES, SHORT_ROW_POLICIES

STARTED_BY_MAX_CHARACTERS = 200
MAX_MAPPED_COLUMNS = 10_000
MAX_SHOWN_CHARACTERS = 40
SHEET_MAX_CHARACTERS = 255
MAX_LINE = 1_000_000
DECIMAL_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
DELIMITER_NAMES = (*DELIMITERS, *OTHER_DELIMITERS, *DELIMITERS.values())
QUOTE_NAMES = tuple(dict.fromkeys([*QUOTES, *QUOTES.values()]))
EXAMPLE_MAPPING = {"Artikelnummer": "sku", "Preis": None}

# Descriptions of options, which requests and responses share.
MODE = (
    "Which products the import writes: `upsert` creates new products and updates existing ones, `create` skips existing"
    " products, `update` skips new ones."
)
ON_REJECT = (
    "What happens if rows are rejected: `skip` imports the other rows, `fail` imports nothing if any row is rejected."
)
PREVIEW = "Whether the import shows what it would do and waits for a confirmation before it writes anything."
DELIMITER = (
    "The character between fields: comma, semicolon, tab or pipe, as the character or as the word, or another"
    " punctuation character. Only the first four are detected."
)
QUOTE = (
    "The character around quoted fields: a double quote, a single quote, or none. Quotes within fields are doubled, or"
    " escaped by a backslash."
)
ENCODING = (
    "The encoding of the file, by Python's name for it, such as utf-8, utf-16, windows-1252 or shift_jis."
    " `utf-8+windows-1252` reads rows that are not UTF-8 as Windows-1252, or in another encoding with one byte for each"
    " character."
)
MAPPING = (
    "The product field (sku, name, description or active) of each column of the file, by the column's name in the"
    " header; null ignores a column. Columns with the same name are numbered: `Name (2)`. Columns that are not listed"
    " are mapped by their names."
)
HEADER_LINE = "The line of the header, counted from 1. The lines above it are skipped."
SHEET = "The sheet of a workbook that has the products, by its name. Other files ignore it."
SHORT_ROWS = (
    "What happens to rows with fewer fields than the header: `reject` sets them aside, `accept` imports them and leaves"
    " the missing fields unchanged."
)
MISSING = (
    "What happens to products that are not in the file: `keep` leaves them alone, `deactivate` sets `active` to false,"
    " `delete` deletes them. The option is for files that list the whole catalogue. It does not depend on `mode`."
    " Products that were created or changed after the check are left alone, and so are those of rejected rows whose SKU"
    " can be read."
)
MISSING_LIMIT = (
    "The largest share of the catalogue, from 0 to 1, that `missing` may deactivate or delete. An import that exceeds"
    " it fails before it writes anything, and its check cannot be confirmed."
)
STARTED_FROM = "Where the job was started: on the page, or by another client."
STARTED_BY = (
    "The person or program that started the job, for the history. The default is the address of the client. For a"
    " person who is signed in and for an API key this is ignored: the history has their name."
)
DETECTED_IF_MISSING = " If it is not given, it is detected in the file."
DETECTED_IF_NULL = " If it is null, it is detected in the file."


class Mapping(fields.Field[Any]):
    """A column mapping: an object from column names to product fields or null. In a form it is JSON in a string."""

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
        if not isinstance(value, dict) or len(value) > MAX_MAPPED_COLUMNS or not all(map(is_storable, value)):
            raise ValidationError('mapping must be an object from columns to fields, such as {"Item no.": "sku"}.')
        for column, field in value.items():
            if field is not None and field not in FIELDS:
                shown = column[:MAX_SHOWN_CHARACTERS]
                raise ValidationError(f"The column {shown} must be mapped to {', '.join(FIELDS)}, or null.")
        return value or None


class FileProperty(fields.String):
    """A property of the file, which is detected if an upload does not give it or a retry sets it to null.

    `find` returns its value for a name that the client gives, or raises `UnusableFile` with a sentence. `names` are all
    possible names, if they can be listed.
    """

    def __init__(
        self,
        description: str,
        example: str,
        find: Callable[[str], Any],
        *,
        names: Sequence[str] = (),
        in_form: bool = False,
    ) -> None:
        metadata: dict[str, Any] = {"description": description, "examples": [example]}
        metadata["description"] += DETECTED_IF_MISSING if in_form else DETECTED_IF_NULL
        if names:
            metadata["enum"] = list(names) if in_form else [*names, None]
        super().__init__(allow_none=not in_form, metadata=metadata)
        self._find = find

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise ValidationError(f"{attr} must be a string or null.")
        try:
            return self._find(value)
        except UnusableFile as error:
            raise ValidationError(str(error)) from None


class LineNumber(fields.Integer):
    """A line of the file, counted from 1: an integer in a JSON body, ASCII digits in a form."""

    def __init__(self, description: str, *, in_form: bool = False) -> None:
        description += DETECTED_IF_MISSING if in_form else DETECTED_IF_NULL
        metadata = {"description": description, "minimum": 1, "maximum": MAX_LINE, "examples": [3]}
        super().__init__(allow_none=not in_form, metadata=metadata)
        self._in_form = in_form

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if self._in_form and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_LINE:
            raise ValidationError(f"{attr} must be a whole number from 1 to {MAX_LINE:,}.")
        return value


class SheetName(ShortText):
    """The name of a sheet."""

    def __init__(self, description: str, *, in_form: bool = False) -> None:
        description += DETECTED_IF_MISSING if in_form else DETECTED_IF_NULL
        super().__init__(description, "Products", SHEET_MAX_CHARACTERS)
        self.allow_none = not in_form

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs) or None


class Share(fields.Float):
    """A number from 0 to 1: a number in a JSON body, its decimal notation in a form."""

    def __init__(self, description: str, *, in_form: bool = False) -> None:
        metadata = {"description": description, "minimum": 0, "maximum": 1, "examples": [0.1]}
        super().__init__(metadata=metadata)
        self._in_form = in_form

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if self._in_form and DECIMAL_NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValidationError(f"{attr} must be a number from 0 to 1, such as 0.1.")
        return float(value)


class UploadOptionsSchema(FormSchema):
    """The options of an upload. Empty fields count as not given."""

    preview = Boolean(PREVIEW, in_query=True)
    mode = Choice(MODE, *IMPORT_MODES, default="upsert")
    on_reject = Choice(ON_REJECT, *REJECT_POLICIES, default="skip")
    mapping = Mapping(MAPPING, in_form=True)
    delimiter = FileProperty(DELIMITER, "semicolon", find_delimiter, names=DELIMITER_NAMES, in_form=True)
    quote = FileProperty(QUOTE, "none", find_quote, names=QUOTE_NAMES, in_form=True)
    encoding = FileProperty(ENCODING, "windows-1252", find_encoding, in_form=True)
    header_line = LineNumber(HEADER_LINE, in_form=True)
    sheet = SheetName(SHEET, in_form=True)
    short_rows = Choice(SHORT_ROWS, *SHORT_ROW_POLICIES, default="reject")
    missing = Choice(MISSING, *MISSING_POLICIES, default="keep")
    missing_limit = Share(MISSING_LIMIT, in_form=True)
    started_from = Choice(STARTED_FROM, *ORIGINS, default="api")
    started_by = ShortText(STARTED_BY, "nightly job", STARTED_BY_MAX_CHARACTERS)


class UploadFormSchema(UploadOptionsSchema):
    """A file to import, and the options of its import."""

    file = fields.Raw(
        required=True,
        metadata={
            "type": "string",
            "format": "binary",
            "description": f"The file. {ACCEPTED_NAMES}",
        },
    )


class RetryOptionsSchema(RequestSchema):
    """The options to change for a retry. The others stay the same. Unknown options are errors."""

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012
        "unknown": "This option does not exist. Use preview, mode, on_reject, mapping, delimiter, quote, encoding,"
        " header_line, sheet, short_rows, missing or missing_limit."
    }

    preview = Boolean(PREVIEW)
    mode = Choice(MODE, *IMPORT_MODES)
    on_reject = Choice(ON_REJECT, *REJECT_POLICIES)
    mapping = Mapping(MAPPING + DETECTED_IF_NULL)
    delimiter = FileProperty(DELIMITER, "semicolon", find_delimiter, names=DELIMITER_NAMES)
    quote = FileProperty(QUOTE, "none", find_quote, names=QUOTE_NAMES)
    encoding = FileProperty(ENCODING, "windows-1252", find_encoding)
    header_line = LineNumber(HEADER_LINE)
    sheet = SheetName(SHEET)
    short_rows = Choice(SHORT_ROWS, *SHORT_ROW_POLICIES)
    missing = Choice(MISSING, *MISSING_POLICIES)
    missing_limit = Share(MISSING_LIMIT)


UNDO_DRY_RUN = "Whether only to count what the undo would do, without changing anything."


class UndoRequestSchema(RequestSchema):
    """Who starts the undo, and whether it may leave most products alone. Unknown fields are errors."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "This field does not exist. Use started_from, started_by, force and dry_run."}  # noqa: RUF012

    started_from = Choice(STARTED_FROM, *ORIGINS, default="api")
    started_by = ShortText(STARTED_BY, "night shift", STARTED_BY_MAX_CHARACTERS)
    force = Boolean("Whether to undo the rest even if most products were changed since and are left alone.")
    dry_run = Boolean(UNDO_DRY_RUN)


class UndoQuerySchema(QuerySchema):
    """Whether only to count."""

    dry_run = Boolean(UNDO_DRY_RUN, in_query=True)
