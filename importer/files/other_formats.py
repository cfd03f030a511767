"""Names the format of a text that is not CSV, so that the error message can say what to do."""

from __future__ import annotations

import re

from importer.errors import UnusableFile

# What a text in the format starts with, its name, and what to do.
HTML = re.compile(r"\s*<(?:!doctype\s+html|(?:html|head|body|table|meta|div|style)\b)", re.IGNORECASE)
XML = re.compile(r"\s*<(?:\?xml\b|!--|!doctype\b|[a-z_][\w.:-]*(?:\s+[\w.:-]+=[\"'][^<>]*)?/?>\s*<)", re.IGNORECASE)
JSON = re.compile(r"\s*(?:\{\s*(?:\"[^\"\r\n]*\"\s*:|\})|\[\s*(?:[\[{]|\"[^\"\r\n]*\"\s*[,\]]))")
RTF = re.compile(r"\{\\rtf")
FORMATS = (
    (HTML, "an HTML page", "Open it in a spreadsheet and save it as CSV, or export the products as CSV."),
    (XML, "an XML file", "Open it in a spreadsheet and save it as CSV, or export the products as CSV."),
    (JSON, "a JSON file", "Convert it to CSV, with one row for each product, or export the products as CSV."),
    (RTF, "a formatted text (RTF)", "Save it as plain text in the CSV format."),
)


def refuse_other_formats(text: str) -> None:
    """Raise `UnusableFile` if the start of a file shows that it is HTML, XML, JSON or RTF."""
    if text.lstrip()[:1] not in {"<", "{", "["}:
        return
    for pattern, name, advice in FORMATS:
        if pattern.match(text):
            raise UnusableFile(f"This is {name}, not a CSV file. {advice}")
