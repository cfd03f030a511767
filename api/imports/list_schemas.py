"""The schemas of the lists of a check: its rows, its duplicates, and its rejected rows by reason."""

from __future__ import annotations

from marshmallow import Schema, fields

from api.imports.schemas import RejectedRowSchema, reject_details
from api.request_fields import Boolean, Choice, ShortText
from api.response_fields import boolean, dictionary, integer, nested, nested_list, text, timestamp
from api.schemas import PageQuerySchema, PaginationSchema, QuerySchema
from importer.columns.column_mapping import FIELDS

SEARCH_MAX_CHARACTERS = 200
COLUMN_MAX_CHARACTERS = 500
VALUE_MAX_CHARACTERS = 200
# What an import would do with a row, and the products that have none, in the order of the lists.
ROW_KINDS = ("created", "changed", "unchanged", "skipped", "missing")
MAX_GROUP_LINES = 20

KIND = (
    "What the import would do with the row's product: create it, change it, leave it as it is, or skip it because of"
    " the mode of the import. A `missing` product has no row in the file, and the import would deactivate or delete it."
)
KEPT_VALUES = "The values of the last row with this SKU, which counts; those of `dropped` if both rows are the same."
MISSING_ROWS = (
    "Why rows are missing from the list: only so many are stored, for a limited time. Null if none is missing."
)


class PartialListSchema(Schema):
    """What a list says about rows that are not stored."""

    message = text(MISSING_ROWS, nullable=True)
    message_code = text("The same as `message`, as a code for programs.", "rejects_cut", nullable=True)
    message_details = dictionary(
        "The content of `message` as named values; null if it is null.",
        nullable=True,
        examples=[{"stored": 100000, "counted": 141200}],
    )


class RowFilterSchema(QuerySchema):
    """The filter of a list of rows."""

    kind = Choice(KIND, *ROW_KINDS, required=True)
    q = ShortText("SKU, name or description contain this, ignoring case.", "lamp", SEARCH_MAX_CHARACTERS)
    field = Choice("Only rows that change this field of a product.", *FIELDS[1:])
    cleared = Boolean("Only rows that make a name or a description empty; with `field`, only this one.", in_query=True)


class RowFileQuerySchema(RowFilterSchema):
    """The filter and the format of a file of rows."""

    bom = Boolean(
        "Whether the file starts with a byte order mark, so that spreadsheets read it as UTF-8.", in_query=True
    )


class RowQuerySchema(RowFilterSchema, PageQuerySchema):
    """The filter and the page of a list of rows."""


class CheckedRowSchema(Schema):
    """A row of the file with the product that it would create or change, or a product that the file does not have.

    Long values are shortened; the file `rows.csv` has them in full.
    """

    line = integer(
        "The line of the file where the row begins; null if it is not known or there is no row.",
        minimum=1,
        nullable=True,
    )
    kind = text(KIND, "changed", enum=list(ROW_KINDS))
    sku = text("The SKU of the product.", "A-1")
    fields_ = fields.List(
        fields.String(metadata={"enum": list(FIELDS[1:])}),
        required=True,
        data_key="fields",
        metadata={"description": "The fields that would change, as of the check."},
    )
    before = dictionary("The current values; null if there is no such product.", nullable=True)
    after = dictionary(
        "The values after the import, for the fields that the file has; null if the import would delete the product.",
        nullable=True,
    )


class CheckedRowPageSchema(Schema):
    """A page of rows."""

    rows = nested_list(CheckedRowSchema)
    checked_at = timestamp("When the rows were compared with the products", nullable=True)
    pagination = nested(PaginationSchema)


class DuplicateFilterSchema(QuerySchema):
    """The filter of a list of duplicates."""

    q = ShortText("SKU or values contain this, ignoring case.", "lamp", SEARCH_MAX_CHARACTERS)
    differs = Boolean(
        "Only rows whose values differ from those of the row that counts, or only the others.", in_query=True
    )


class DuplicateFileQuerySchema(DuplicateFilterSchema):
    """The filter and the format of a file of duplicates."""

    bom = Boolean(
        "Whether the file starts with a byte order mark, so that spreadsheets read it as UTF-8.", in_query=True
    )


class DuplicateQuerySchema(DuplicateFilterSchema, PageQuerySchema):
    """The filter and the page of a list of duplicates."""


class DuplicateSchema(Schema):
    """A row whose SKU appears again further down in the file, so that the import drops its values."""

    line = integer("The line of the file where the row begins.", minimum=1, examples=[17])
    kept_line = integer("The line of the last row with this SKU, which counts.", minimum=1, examples=[42])
    sku = text("The SKU as this row has it.", "A-1")
    differs = boolean("Whether the two rows have different values.")
    dropped = dictionary("The values of this row, for the fields that the file has.")
    kept = dictionary(KEPT_VALUES)


class DuplicatePageSchema(PartialListSchema):
    """A page of duplicates."""

    duplicates = nested_list(DuplicateSchema)
    pagination = nested(PaginationSchema)


class RejectFilterSchema(QuerySchema):
    """The filter of a list of rejected rows."""

    q = ShortText("The original row contains this, ignoring case.", "lamp", SEARCH_MAX_CHARACTERS)
    reason = ShortText("Only rows with this reason code.", "invalid_active", 64)
    column = ShortText(
        "Only rows that are rejected because of this column of the file.", "Status", COLUMN_MAX_CHARACTERS
    )
    value = ShortText("Only rows that are rejected because of this value.", "maybe", VALUE_MAX_CHARACTERS)


class RejectQuerySchema(RejectFilterSchema, PageQuerySchema):
    """The filter and the page of a list of rejected rows."""


class ListedRejectSchema(RejectedRowSchema):
    """A rejected row with its cells."""

    cells = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "The cells of the row, in the file's order; null if it cannot be split into cells."},
    )


class RejectedRowPageSchema(PartialListSchema):
    """A page of rejected rows."""

    rejects = nested_list(ListedRejectSchema)
    pagination = nested(PaginationSchema)


class RejectGroupSchema(Schema):
    """The rejected rows with the same reason, column and value."""

    code = text("The reason, as a code for programs.", "invalid_active")
    message = text("The reason of the first of them, as a sentence for people.")
    column = text("The column that is to blame, by its name in the file; null if it is the whole row.", nullable=True)
    value = text("The value that is to blame; null if the reason is not about one value.", nullable=True)
    details = reject_details()
    count = integer("How many rows there are.", minimum=1)
    lines = fields.List(
        fields.Integer(metadata={"minimum": 1}),
        required=True,
        metadata={"description": f"The lines of the first of them, at most {MAX_GROUP_LINES}."},
    )


class RejectGroupPageSchema(PartialListSchema):
    """A page of groups of rejected rows, the largest first."""

    groups = nested_list(RejectGroupSchema)
    pagination = nested(PaginationSchema)
