"""Names the format of a text that is not CSV, so that the error message can say what to do."""

from __future__ import annotations

import re

from importer.errors import FailureKind, UnusableFile

# What a text in the format starts with.
HTML = re.compile(r"\s*<(?:!doctype\s+html|(?:html|head|body|table|meta|div|style)\b)", re.IGNORECASE)
XML = re.compile(r"\s*<(?:\?xml\b|!--|!doctype\b|[a-z_][\w.:-]*(?:\s+[\w.:-]+=[\"'][^<>]*)?/?>\s*<)", re.IGNORECASE)
JSON = re.compile(r"\s*(?:\{\s*(?:\"[^\"\r\n]*\"\s*:|\})|\[\s*(?:[\[{]|\"[^\"\r\n]*\"\s*[,\]]))")
RTF = re.compile(r"\{\\rtf")
FORMATS = {"html": HTML, "xml": XML, "json": JSON, "rtf": RTF}
OPEN_IN_SPREADSHEET = "Open it in a spreadsheet and save it as CSV, or export the products as CSV."
OTHER_FORMAT = FailureKind(
    "other_format",
    "This is {format}",
    words={
        "format": {
            "html": f"an HTML page, not a CSV file. {OPEN_IN_SPREADSHEET}",
            "xml": f"an XML file, not a CSV file. {OPEN_IN_SPREADSHEET}",
            "json": "a JSON file, not a CSV file. Convert it to CSV, with one row for each product, or export the"
            " products as CSV.",
            "rtf": "a formatted text (RTF), not a CSV file. Save it as plain text in the CSV format.",
        }
    },
)


def refuse_other_formats(text: str) -> None:
    """Raise `UnusableFile` if the start of a file shows that it is HTML, XML, JSON or RTF."""
    if text.lstrip()[:1] not in {"<", "{", "["}:
        return
    for name, pattern in FORMATS.items():
        if pattern.match(text):
            raise UnusableFile(OTHER_FORMAT, format=name)
