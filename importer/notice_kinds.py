"""The kinds of notices: their sentences in English, and the details from which clients build them in other languages.

The page has the same sentences in its languages, by the codes of kinds and fixes: `notice.<code>` and `fix.<code>` in
static/locales.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from importer.shown_encodings import shown_name

FINDINGS = {
    "same_content": "the same content was already imported {ago} ago, as “{name}”",
    "unknown_skus": "most SKUs of the last file with these columns, “{name}”, existed",
}
# Why an encoding is uncertain.
REASONS = {
    "few_letters": "too few letters tell the encoding of the file",
    "rows_in_both": "the file has rows in both and too few letters to be sure",
    "rest_differs": "the rest of the file is {rest}",
}
# The words of the buttons that choose options of a retry.
FIX_LABELS = {
    "keep_products": "Keep these products",
    "accept_short_rows": "Accept short rows",
    "use_encoding": "{encoding}: {word}",
    "reject_rows": "Reject these rows",
    "use_header_line": "Use line {line:,} as the header",
    "use_as_active": "Use “{column}” as active",
}


@dataclass(frozen=True)
class NoticeKind:
    """A kind of notice. `one` and `many` are its sentences for a count of one and for other counts.

    `details` are the names of the facts that the code that adds the notice may give beside the count: numbers, texts,
    codes and lists of texts. Both sentences may contain `{count}`, the details, and the phrases that `describe` builds
    from the details.
    """

    code: str
    one: str
    many: str
    details: tuple[str, ...] = ()
    describe: Callable[[Mapping[str, Any]], Mapping[str, str]] | None = None

    def format_message(self, count: int, details: Mapping[str, Any]) -> str:
        """Return the sentence in English. Raises `ValueError` if a detail is not one of the kind."""
        if unknown := details.keys() - set(self.details):
            raise ValueError(
                f"The notice {self.code} has no such details: {sorted(unknown)}. Declare them in its kind."
            )
        template = self.one if count == 1 else self.many
        phrases = self.describe(details) if self.describe else {}
        return template.format(**{**details, **phrases, "count": f"{count:,}"})


def format_label(code: str, details: Mapping[str, Any]) -> str:
    """Return the words of a button in English."""
    shown = {name: shown_name(value) if name == "encoding" else value for name, value in details.items()}
    return FIX_LABELS[code].format(**shown)


def _describe_other_file(details: Mapping[str, Any]) -> dict[str, str]:
    ago = _describe_age(details["age"], details["unit"]) if "age" in details else ""
    return {"finding": FINDINGS[details["finding"]].format(ago=ago, name=details["name"])}


def _describe_age(age: int, unit: str) -> str:
    return f"{age} {unit}{'s' if age > 1 else ''}" if age else f"less than a {unit}"


def _describe_missing(details: Mapping[str, Any]) -> dict[str, str]:
    doubt = excess = ""
    if unreadable := details["unreadable"]:
        rows = "1 rejected row has" if unreadable == 1 else f"{unreadable:,} rejected rows have"
        doubt = f" {rows} no readable SKU, so their products may be among them."
    if details["limit_check"] == "exceeded":
        excess = (
            f" That is more than the limit of {100 * details['limit']:.4g}% of the catalogue, which has"
            f" {details['catalogue']:,}: nothing is written unless missing_limit is at least"
            f" {details['needed_limit']:g}."
        )
    return {"doubt": doubt, "excess": excess}


def _describe_encoding(details: Mapping[str, Any]) -> dict[str, str]:
    return {
        "at_least": "At least " if details["extent"] == "at_least" else "",
        "encoding": shown_name(details["encoding"]),
        "reason": REASONS[details["reason"]].format(rest=shown_name(details.get("rest", ""))),
    }


def _describe_cleared(details: Mapping[str, Any]) -> dict[str, str]:
    counts = {"name": details["names"], "description": details["descriptions"]}
    phrases = [f"{count:,} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count]
    return {"fields": " and ".join(phrases)}


def _describe_columns(details: Mapping[str, Any]) -> dict[str, str]:
    return {"columns": ", ".join(f"`{column}`" for column in details["columns"])}


def _describe_sheets(details: Mapping[str, Any]) -> dict[str, str]:
    others = ", ".join(f"“{name}”" for name in details["others"])
    more = f" and {details['more']:,} more" if details["more"] else ""
    return {"sheet": f"“{details['sheet']}”", "others": others + more}


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
            ("finding", "name", "age", "unit"),
            _describe_other_file,
        ),
        NoticeKind(
            "missing_products",
            "1 product is not in the file, and the import {action}s it.{doubt}{excess} Check that the file is"
            " complete.",
            "{count} products are not in the file, and the import {action}s them.{doubt}{excess} Check that the file is"
            " complete.",
            ("action", "unreadable", "limit_check", "catalogue", "limit", "needed_limit"),
            _describe_missing,
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
        ),
        NoticeKind(
            "encoding_uncertain",
            "{at_least}1 row was read as {encoding}, because {reason}. Compare its readings and choose the right one.",
            "{at_least}{count} rows were read as {encoding}, because {reason}. Compare their readings and choose the"
            " right one.",
            ("extent", "encoding", "reason", "rest"),
            _describe_encoding,
        ),
        NoticeKind(
            "many_rejects",
            "1 row was rejected: {percent}% of the file. Check the format of the file before you import it.",
            "{count} rows were rejected: {percent}% of the file. Check the format of the file before you import it.",
            ("percent",),
        ),
        NoticeKind(
            "clears_values",
            "1 value of an existing product would become empty: {fields}. Leave the column out to keep it.",
            "{count} values of existing products would become empty: {fields}. Leave the columns out to keep them.",
            ("names", "descriptions"),
            _describe_cleared,
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
            ("header_line",),
        ),
        NoticeKind(
            "repeated_header",
            "1 row repeats the header and was skipped. If it is a product, change its SKU or the names of the columns.",
            "{count} rows repeat the header and were skipped. If one of them is a product, change its SKU or the names"
            " of the columns.",
        ),
        NoticeKind(
            "line_ends_differ",
            "1 row ends with another line end than the other rows. It was read as a row of its own. If it is the start"
            " of a longer value, put that value in quotes.",
            "{count} rows end with another line end than the other rows. They were read as rows of their own. If one of"
            " them is the start of a longer value, put that value in quotes.",
        ),
        NoticeKind(
            "column_left_out",
            "The column {columns} was left out: its name says whether products are active, but its values, such as"
            " `{value}`, are not yes or no. If they do say that, map the column to active and correct its values.",
            "The columns {columns} were left out: their names say whether products are active, but their values, such"
            " as `{value}`, are not yes or no. If those of one do say that, map it to active and correct its values.",
            ("columns", "value"),
            _describe_columns,
        ),
        NoticeKind(
            "formats_unreadable",
            "The formats of the cells of this workbook cannot be read. Zeros before numbers, as in 00123, and errors"
            " such as #N/A may be missing: save it as .xlsx and upload that.",
            "The formats of the cells of this workbook cannot be read. Zeros before numbers, as in 00123, and errors"
            " such as #N/A may be missing: save it as .xlsx and upload that.",
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
            ("sheet", "others", "more"),
            _describe_sheets,
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
