"""Why rows are rejected: the sentences for people, and the details for programs.

Only the sentence is stored with a rejected row, because there may be hundreds of thousands of them. Its details are
read from it: a `RejectMessage` writes the sentence, and also finds the details in it again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from string import Formatter
from typing import Any

from importer.files.cells import count_fields

NUMBER = r"\d+(?:,\d{3})*"


def count_lines(count: int) -> str:
    """Return a number of lines in words."""
    return "the line" if count == 1 else f"the {count:,} lines"


# The formats of numbers: how to write one in words, if it is not a plain number, and how to find it.
NUMBER_FORMATS = {
    "d": (None, NUMBER),
    ",": (None, NUMBER),
    "fields": (count_fields, rf"1 field|{NUMBER} fields"),
    "lines": (count_lines, rf"the line|the {NUMBER} lines"),
}


class RejectMessage:
    """A reason to reject rows. `template` is a sentence with the names of its details, such as `{limit:,}`.

    Numbers have one of `NUMBER_FORMATS`. If a code has several messages, `problem` distinguishes them.
    """

    def __init__(self, code: str, template: str, *, problem: str | None = None) -> None:
        self.code = code
        self.problem = problem
        self.formats: dict[str, str] = {}
        plain, pattern = "", ""
        for literal, name, number_format, _ in Formatter().parse(template):
            plain += literal
            pattern += re.escape(literal)
            if name is None:
                continue
            number_format = number_format or ""
            words, number = NUMBER_FORMATS.get(number_format, (None, ""))
            plain += f"{{{name}}}" if words or not number_format else f"{{{name}:{number_format}}}"
            # Values may have several lines.
            pattern += f"(?P={name})" if name in self.formats else f"(?P<{name}>{number or '.*?'})"
            self.formats[name] = number_format
        self._plain = plain
        self._words = [
            (name, words)
            for name, number_format in self.formats.items()
            if (words := NUMBER_FORMATS.get(number_format, (None, ""))[0])
        ]
        self._pattern = re.compile(pattern, re.DOTALL)

    def format(self, **details: Any) -> str:
        """Return the sentence for people."""
        for name, words in self._words:
            details[name] = words(details[name])
        return self._plain.format(**details)

    def read(self, sentence: str) -> dict[str, Any] | None:
        """Return the details of a sentence, and the `problem` if there is one; None if it is another message."""
        match = self._pattern.fullmatch(sentence)
        if match is None:
            return None
        found = {name: _read_number(text) if self.formats[name] else text for name, text in match.groupdict().items()}
        return {"problem": self.problem, **found} if self.problem else found


def _read_number(text: str) -> int:
    digits = "".join(filter(str.isdigit, text))
    # The words for one line have no number.
    return int(digits) if digits else 1


WRONG_FIELD_COUNT = RejectMessage(
    "wrong_field_count", "The row has {found:fields} where the header has {expected:fields}.", problem="count"
)
BROKEN_ROW = RejectMessage(
    "wrong_field_count",
    "A line end within a value breaks this row, and the header has {expected:fields}. Put values with line ends in"
    " quotes.",
    problem="line_end",
)
TEXT_AFTER_QUOTE = RejectMessage(
    "bad_quoting",
    "A quoted field continues after its closing quote. Write a quote within a quoted field as {quote}{quote} and put a "
    "{delimiter} after the closing one, or choose another quote for the whole file.",
    problem="text_after_quote",
)
UNCLOSED_QUOTE = RejectMessage(
    "bad_quoting",
    "The row has an opening quote without an end. Close it, or write a quote within a quoted field as two.",
    problem="unclosed_quote",
)
STRAY_QUOTE = RejectMessage(
    "bad_quoting",
    "The row has an opening quote without an end: it takes in {count:lines} below, up to the next quote. Close it, or"
    " write a quote within a quoted field as two.",
    problem="stray_quote",
)
STRAY_END = RejectMessage(
    "bad_quoting",
    "The row has a quote that ends the opening quote of line {line:,}. Correct that line, and check the quotes of this"
    " one.",
    problem="stray_end",
)
WRAPPED_ROW = RejectMessage(
    "bad_quoting",
    "The row is in quotes as a whole, and what is in them is no row. Remove these quotes, and put only values with"
    " delimiters, quotes or line ends in quotes.",
    problem="wrapped_row",
)
LONG_ROW = RejectMessage("row_too_long", "The row is longer than {limit:,} characters, which is the limit. Shorten it.")
NUL = RejectMessage("nul", "The row contains a NUL character. Remove it.")
MISSING_SKU = RejectMessage("missing_sku", "The row has no SKU.", problem="sku")
EMPTY_SKU_COLUMN = RejectMessage("missing_sku", "The row has no SKU. `{column}` is empty.", problem="column")
INVALID_ACTIVE = RejectMessage(
    "invalid_active", "{column}: `{value}` is not yes or no. Write true, false, yes, no, 1 or 0."
)
TOO_LONG = {
    field: RejectMessage(
        f"{field}_too_long", "{column}: `{value}` has {characters:,} characters; at most {limit:d} are allowed."
    )
    for field in ("sku", "name")
}
SPREADSHEET_ERROR = RejectMessage(
    "spreadsheet_error",
    "{column}: `{value}` is an error of the spreadsheet. Correct the formula, or empty the cell.",
)
INVALID_ENCODING = RejectMessage(
    "invalid_encoding", "{column}: `{value}` has bytes that are not text in the encoding of the file."
)
# An undo lists the products that it leaves alone as rejected rows.
EDITED_SINCE = {
    kind: RejectMessage(
        "edited_since", f"The product was edited after the {noun}, so the undo left it unchanged.", problem=kind
    )
    for kind, noun in (("import", "import"), ("bulk", "bulk change"))
}
SKU_TAKEN = RejectMessage("sku_taken", "Another product has this SKU now, so the undo did not restore the deleted one.")

MESSAGES = (
    *(WRONG_FIELD_COUNT, BROKEN_ROW),
    *(TEXT_AFTER_QUOTE, UNCLOSED_QUOTE, STRAY_QUOTE, STRAY_END, WRAPPED_ROW),
    *(LONG_ROW, NUL, MISSING_SKU, EMPTY_SKU_COLUMN, INVALID_ACTIVE, *TOO_LONG.values()),
    *(SPREADSHEET_ERROR, INVALID_ENCODING, *EDITED_SINCE.values(), SKU_TAKEN),
)


def _by_code(messages: tuple[RejectMessage, ...]) -> Mapping[str, list[RejectMessage]]:
    grouped: defaultdict[str, list[RejectMessage]] = defaultdict(list)
    for message in messages:
        grouped[message.code].append(message)
    return dict(grouped)


MESSAGES_BY_CODE = _by_code(MESSAGES)


def read_details(code: str, sentence: str) -> dict[str, Any] | None:
    """Return the details of a stored sentence; None if an earlier version of the product has written it."""
    for message in MESSAGES_BY_CODE.get(code, []):
        if (details := message.read(sentence)) is not None:
            return details
    return None
