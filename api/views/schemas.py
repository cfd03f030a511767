"""The schemas of saved views."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from api.products.schemas import ProductFilterSchema
from api.request_fields import Boolean, Choice, Name, NestedFilter
from api.response_fields import EXAMPLE_TIME, boolean, dictionary, integer, nested, text, timestamp
from api.schemas import RequestSchema
from catalogue.sorting import SORT_KEYS
from models import VIEW_NAME_MAX_CHARACTERS

# The columns of the page, in their order. SKUs are always shown.
COLUMNS = ("sku", "name", "description", "active", "updated_at")
MIN_WIDTH_PX, MAX_WIDTH_PX = 80, 1200
FILTER = "The filter of the products, as in the body of a bulk change; `{}` for all products."
SORT_BY = "The field that the products are sorted by."
SORT_ORDER = "Ascending or descending."
SHOWN_COLUMNS = "The columns that the page shows; null for all of them. `sku` is always one of them."
WIDTHS = "The widths of columns in pixels; the other columns fit their content."
SHARED = (
    "Whether the view is in the list of everyone, not in that of a person. Without accounts, every view is in the list"
    " of everyone."
)

EXAMPLE_VIEW = {
    "id": 3,
    "name": "Lamps to check",
    "shared": True,
    "filter": {"q": "lamp", "active": False},
    "problem": None,
    "sort_by": "updated_at",
    "sort_order": "desc",
    "columns": ["sku", "name", "active"],
    "widths": {"sku": 180},
    "created_by": "Ada Lovelace",
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}
EXAMPLE_BODY = {name: EXAMPLE_VIEW[name] for name in ("name", "shared", "filter", "sort_by", "sort_order")}


class StoredFilter(NestedFilter):
    """A filter that is checked like any other, and loads as the client sent it, without what filters nothing."""

    def __init__(self) -> None:
        super().__init__(ProductFilterSchema, "products")

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        super()._deserialize(value, attr, data, partial, **kwargs)
        texts = {name: item.strip() if isinstance(item, str) else item for name, item in value.items()}
        return {name: item for name, item in texts.items() if item != ""}


class Columns(fields.List[Any]):
    """The columns that are shown; loads in the order of the page, with the column of SKUs, and None for all."""

    def __init__(self) -> None:
        metadata = {"description": SHOWN_COLUMNS, "examples": [EXAMPLE_VIEW["columns"]]}
        super().__init__(fields.String(metadata={"enum": list(COLUMNS)}), allow_none=True, metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list) or not all(item in COLUMNS for item in value):
            raise ValidationError(f"This must be null or a list of columns: {', '.join(COLUMNS)}.")
        chosen = [column for column in COLUMNS if column == "sku" or column in value]
        return None if len(chosen) == len(COLUMNS) else chosen


class Width(fields.Integer):
    """The width of a column in pixels."""

    def __init__(self) -> None:
        metadata = {"description": "The width in pixels.", "minimum": MIN_WIDTH_PX, "maximum": MAX_WIDTH_PX}
        super().__init__(metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        # To JSON Schema, 90.0 is a whole number, too.
        if type(value) not in {int, float} or not MIN_WIDTH_PX <= value <= MAX_WIDTH_PX or value != int(value):
            raise ValidationError(f"This must be a whole number from {MIN_WIDTH_PX} to {MAX_WIDTH_PX:,}.")
        return int(value)


class WidthsSchema(RequestSchema):
    """The widths of columns in pixels."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "This column has no width. Use sku, name or description."}  # noqa: RUF012

    sku = Width()
    name = Width()
    description = Width()


class ViewChangesSchema(RequestSchema):
    """The fields of a saved view to change. Fields that are not given keep their values."""

    name = Name("The name, unique in its list regardless of case.", "Lamps to check", VIEW_NAME_MAX_CHARACTERS)
    shared = Boolean(SHARED)
    filter = StoredFilter()
    sort_by = Choice(SORT_BY, *SORT_KEYS)
    sort_order = Choice(SORT_ORDER, "asc", "desc")
    columns = Columns()
    widths = fields.Nested(
        WidthsSchema, metadata={"description": WIDTHS}, error_messages={"null": "This must be an object."}
    )


class NewViewSchema(ViewChangesSchema):
    """A view to save. By default it is one's own, and shows all products and columns in the order of their ids."""

    name = Name(
        "The name, unique in its list regardless of case.", "Lamps to check", VIEW_NAME_MAX_CHARACTERS, required=True
    )


class ViewSchema(Schema):
    """A saved view of the products."""

    id = integer("The id; it never changes.", minimum=1)
    name = text("The name.", "Lamps to check", maxLength=VIEW_NAME_MAX_CHARACTERS)
    shared = boolean(SHARED)
    filter = dictionary(FILTER, examples=[EXAMPLE_VIEW["filter"]])
    problem = text("What is wrong with the filter, if it is not valid any more; otherwise null.", nullable=True)
    sort_by = text(SORT_BY, enum=list(SORT_KEYS))
    sort_order = text(SORT_ORDER, enum=["asc", "desc"])
    columns = fields.List(
        fields.String(metadata={"enum": list(COLUMNS)}),
        required=True,
        allow_none=True,
        metadata={"description": SHOWN_COLUMNS},
    )
    widths = nested(WidthsSchema, WIDTHS)
    created_by = text("The name of who saved it first.", "Ada Lovelace")
    created_at = timestamp("When it was saved first")
    updated_at = timestamp("When it last changed; in double quotes this is its ETag")


class ViewListSchema(Schema):
    """The saved views that the actor may open."""

    views = fields.List(fields.Nested(ViewSchema), required=True)
