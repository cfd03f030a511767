"""Notices: what a person should know about a file beside its rejected rows.

Each part of the importer that repairs, skips or doubts something in a file adds a notice here. A job shows them on its
check and on its result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MAX_LINES = 20
MAX_SAMPLES = 5
MAX_SAMPLE_CHARACTERS = 200


class Fix(NamedTuple):
    """Options of a retry that settle a notice, and the words of the button that chooses them."""

    label: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class NoticeKind:
    """A kind of notice. `one` and `many` are its sentences for a count of one and for other counts.

    Both may contain `{count}`, and the details that the code that adds the notice gives.
    """

    code: str
    one: str
    many: str
    fix: Fix | None = None


# In the order in which clients see them: what changes most for the catalogue comes first.
NOTICE_KINDS = {
    kind.code: kind
    for kind in (
        NoticeKind(
            "all_rejected",
            "The only row was rejected, so nothing can be imported. Check the format and the columns of the file.",
            "All {count} rows were rejected, so nothing can be imported. Check the format and the columns of the file.",
        ),
        NoticeKind(
            "looks_like_another_file",
            "Check that this is the right file: {finding}.",
            "Check that this is the right file: {finding}. {count} SKUs of this file do not exist.",
        ),
        NoticeKind(
            "missing_products",
            "1 product is not in the file, and the import {verb} it.{doubt}{excess} Check that the file is complete.",
            "{count} products are not in the file, and the import {verb} them.{doubt}{excess} Check that the file is"
            " complete.",
            Fix("Keep these products", {"missing": "keep"}),
        ),
        NoticeKind(
            "unused_fixes",
            "1 fix changed nothing: the file has no such column, value or row, as it is read now. Delete the fix, or"
            " make it again.",
            "{count} fixes changed nothing: the file has no such columns, values or rows, as it is read now. Delete the"
            " fixes, or make them again.",
        ),
        NoticeKind(
            "rows_inside_a_value",
            "1 quoted value contains lines that look like rows of this file. They are imported as part of the value."
            " If they are rows, a quote is missing or too many: correct it and upload the file again.",
            "{count} quoted values contain lines that look like rows of this file. They are imported as part of the"
            " values. If they are rows, a quote is missing or too many: correct it and upload the file again.",
        ),
        NoticeKind(
            "short_rows",
            "1 row has fewer fields than the header and was rejected. Import the file with short rows accepted to leave"
            " the missing fields unchanged, or complete the row.",
            "{count} rows have fewer fields than the header and were rejected. Import the file with short rows accepted"
            " to leave the missing fields unchanged, or complete the rows.",
            Fix("Accept short rows", {"short_rows": "accept"}),
        ),
        NoticeKind(
            "encoding_uncertain",
            "{at_least}1 row was read as {encoding}, because {reason}. Compare its readings and choose the right one.",
            "{at_least}{count} rows were read as {encoding}, because {reason}. Compare their readings and choose the"
            " right one.",
        ),
        NoticeKind(
            "many_rejects",
            "1 row was rejected: {percent} % of the file. Check the format of the file before you import it.",
            "{count} rows were rejected: {percent} % of the file. Check the format of the file before you import it.",
        ),
        NoticeKind(
            "clears_values",
            "1 value of an existing product would become empty: {fields}. Leave the column out to keep it.",
            "{count} values of existing products would become empty: {fields}. Leave the columns out to keep them.",
        ),
        NoticeKind(
            "duplicates_differ",
            "1 row has other values than a later row with the same SKU. The last row of a SKU counts, so its values are"
            " dropped. Check which row is right.",
            "{count} rows have other values than a later row with the same SKU. The last row of a SKU counts, so their"
            " values are dropped. Check which rows are right.",
        ),
        NoticeKind(
            "lines_above_header",
            "The header is on line {header_line:,}; 1 line above it was skipped. If that is the header, choose it.",
            "The header is on line {header_line:,}; {count} lines above it were skipped. If one of them is the header,"
            " choose its line.",
        ),
        NoticeKind(
            "repeated_header",
            "1 row repeats the header and was skipped. If it is a product, change its SKU or the names of the columns.",
            "{count} rows repeat the header and were skipped. If one of them is a product, change its SKU or the names"
            " of the columns.",
        ),
        NoticeKind(
            "column_left_out",
            "The column `{columns}` was left out: its name says whether products are active, but its values, such as"
            " `{value}`, are not yes or no. If they do say that, map the column to active and correct its values.",
            "The columns `{columns}` were left out: their names say whether products are active, but their values, such"
            " as `{value}`, are not yes or no. If those of one do say that, map it to active and correct its values.",
        ),
        NoticeKind(
            "skus_rewritten_by_spreadsheet",
            "1 row has a SKU that looks as if a spreadsheet had turned it into a number or a date. It is imported as it"
            " is. If it is wrong, format the column as text before you enter or open the SKUs, and upload that file.",
            "{count} rows have SKUs that look as if a spreadsheet had turned them into numbers or dates. They are"
            " imported as they are. If they are wrong, format the column as text before you enter or open the SKUs, and"
            " upload that file.",
        ),
        NoticeKind(
            "values_cleaned",
            "1 value was repaired: invisible characters of a SKU were removed, or a text in a formula such as"
            ' ="00123" was taken out of it. Check the value in the samples.',
            "{count} values were repaired: invisible characters of SKUs were removed, or texts in formulas such as"
            ' ="00123" were taken out of them. Check the values in the samples.',
        ),
        NoticeKind(
            "other_sheets",
            "Only the sheet {sheet} is imported. The workbook has another one: {others}. Choose it if it has the"
            " products.",
            "Only the sheet {sheet} is imported. The workbook has {count} other sheets: {others}. Choose one of them"
            " if it has the products.",
        ),
        NoticeKind(
            "long_numbers",
            "1 number has more than 15 digits. Spreadsheets replace further digits by zeros: compare it with its source"
            " and format its column as text.",
            "{count} numbers have more than 15 digits. Spreadsheets replace further digits by zeros: compare them with"
            " their source and format their columns as text.",
        ),
    )
}


@dataclass
class Notice:
    """A notice about `count` rows, or other places of a file.

    `lines` are the lines of the first of them, counted from 1. A sample is an object with the key `text`, and others
    that depend on the code. `details` fill in the sentence. A retry can choose one of `fixes`.
    """

    kind: NoticeKind
    count: int = 0
    lines: list[int] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    fixes: Sequence[Fix] = ()

    @property
    def message(self) -> str:
        """What was found and what to do, in a sentence or two."""
        template = self.kind.one if self.count == 1 else self.kind.many
        return template.format(count=f"{self.count:,}", **self.details)

    def to_json(self) -> dict[str, Any]:
        """Return the notice as clients see it."""
        fixes = self.fixes or ([self.kind.fix] if self.kind.fix else [])
        shown = [{"label": fix.label, "options": dict(fix.options)} for fix in fixes]
        return {
            "code": self.kind.code,
            "message": self.message,
            "count": self.count,
            "lines": self.lines,
            "samples": self.samples,
            "fix": shown[0] if len(shown) == 1 else None,
            "fixes": shown,
        }


class Notices:
    """The notices about one file, at most one of each kind."""

    def __init__(self) -> None:
        self._notices: dict[str, Notice] = {}

    def add(
        self,
        code: str,
        *,
        count: int = 1,
        lines: Iterable[int] = (),
        samples: Iterable[Mapping[str, Any]] = (),
        fix: Fix | None = None,
        fixes: Sequence[Fix] = (),
        **details: Any,
    ) -> None:
        """Add places to the notice with this code, one of `NOTICE_KINDS`.

        Only the first lines and samples are kept. Texts of samples are shortened. `details` replace earlier ones, and
        so does `fix`, or `fixes` if there is a choice between several.
        """
        notice = self._notices.setdefault(code, Notice(NOTICE_KINDS[code]))
        notice.count += count
        for line, _ in zip(lines, range(MAX_LINES - len(notice.lines)), strict=False):
            notice.lines.append(line)
        for sample, _ in zip(samples, range(MAX_SAMPLES - len(notice.samples)), strict=False):
            notice.samples.append({key: _shorten(value) for key, value in sample.items()})
        notice.details |= details
        notice.fixes = fixes or ([fix] if fix else notice.fixes)

    def __contains__(self, code: str) -> bool:
        return code in self._notices

    def to_json(self) -> list[dict[str, Any]]:
        """Return the notices as clients see them."""
        return sort_notices([notice.to_json() for notice in self._notices.values()])


def sort_notices(notices: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return notices in the order in which clients see them."""
    ranks = {code: rank for rank, code in enumerate(NOTICE_KINDS)}
    return sorted(notices, key=lambda notice: ranks.get(notice["code"], len(ranks)))


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_SAMPLE_CHARACTERS:
        return value[: MAX_SAMPLE_CHARACTERS - 1] + "…"
    if isinstance(value, Mapping):
        return {key: _shorten(part) for key, part in value.items()}
    return value
