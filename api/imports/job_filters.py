"""The filter of the list of imports, bulk changes and undos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import ValidationError, fields
from sqlalchemy import ColumnElement, or_

from api.request_fields import Choice, ShortText
from api.schemas import PageQuerySchema
from catalogue.bulk import TITLES, describe_title
from models import JOB_KINDS, JOB_STATUSES, ORIGINS, ImportJob

NAME_MAX_CHARACTERS = 255
# Ends the code of the title of a bulk change that applies to all products.
ALL_SUFFIX = "_all"
TITLE_PATTERN = f"({'|'.join(TITLES)})({ALL_SUFFIX})?"
PATTERN = f"^{TITLE_PATTERN}(,{TITLE_PATTERN})*$"
EXAMPLE_TITLES = "deactivate,deactivate_all"


class BulkTitles(fields.Field[list[str]]):
    """A query parameter: codes of titles of bulk changes, separated by commas, such as `delete,delete_all`."""

    def __init__(self, description: str) -> None:
        metadata = {"description": description, "type": "string", "pattern": PATTERN, "examples": [EXAMPLE_TITLES]}
        super().__init__(metadata=metadata)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        codes = list(dict.fromkeys(value.split(",")))
        if unknown := [code for code in codes if code.removesuffix(ALL_SUFFIX) not in TITLES]:
            raise ValidationError(
                f"{attr} has an unknown title: `{unknown[0]}`. The titles are {', '.join(TITLES)}; with {ALL_SUFFIX}"
                " they apply to all products."
            )
        return [
            describe_title(code.removesuffix(ALL_SUFFIX), "all" if code.endswith(ALL_SUFFIX) else "some")
            for code in codes
        ]


class ImportQuerySchema(PageQuerySchema):
    """The filter and the page of a list of imports."""

    status = Choice("Only jobs with this status.", *JOB_STATUSES)
    kind = Choice("Only imports, only bulk changes, or only undos.", *JOB_KINDS)
    started_from = Choice("Only jobs that were started on the page, or only those of other clients.", *ORIGINS)
    filename = ShortText("The file name contains this, ignoring case.", "products", NAME_MAX_CHARACTERS)
    bulk_titles = BulkTitles(
        "Bulk changes with these titles, separated by commas, whatever `filename` is. For clients that show the titles"
        f" in another language. A title is one of {', '.join(TITLES)}, and ends with `{ALL_SUFFIX}` if it is about all"
        " products."
    )


def filter_conditions(query: Mapping[str, Any]) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a filter that `ImportQuerySchema` has loaded."""
    for name in ("status", "kind", "started_from"):
        if name in query:
            yield getattr(ImportJob, name) == query[name]
    names: list[ColumnElement[bool]] = []
    if part := query.get("filename"):
        names.append(ImportJob.filename.icontains(part, autoescape=True))
    if titles := query.get("bulk_titles"):
        # The name of a bulk change, and of its undo, is its title in English.
        names.append(ImportJob.bulk.is_not(None) & ImportJob.filename.in_(titles))
    if names:
        yield or_(*names)
