"""The messages of the process that reads a workbook: frames of a kind and a payload.

The worker sends commands, one JSON array per line, and the process answers with frames:

- at its start: `SHEETS`, or `FAILED` if the workbook cannot be read
- `["load", index]`: `HEAD`, or `FAILED`
- `["send", width]`: `TEXT` and `BREAKS` for the sheet that was loaded last, then `END`

Each payload is JSON, except for that of `TEXT`.
"""

from __future__ import annotations

import struct

HEADER = struct.Struct(">cI")

# [{"name", "is_visible", "is_worksheet"}…]
SHEETS = b"S"
# {"rows": their number, "head": the texts of the first rows}
HEAD = b"H"
# Rows as CSV (RFC 4180) in UTF-8. A row of the sheet is a record; an empty row is an empty line.
TEXT = b"T"
# [[index of a row of the sheet, line breaks within its values]…] for rows in the next TEXT that have any
BREAKS = b"B"
# What was seen in the sheet: {"is_scanned", "notices": {code: {"count", "lines", "samples"}},
# "dates": {column: {"count", "lines", "texts"}}}. Lines are rows counted from 1. `is_scanned` says that errors and
# padded numbers are exact.
END = b"E"
# One of the codes below
FAILED = b"F"

ENCRYPTED = "encrypted"
DAMAGED = "damaged"
OUT_OF_MEMORY = "out of memory"
UNKNOWN_ERROR = "unknown error"

# The number of rows in a TEXT, except for the last one.
BATCH_ROWS = 1000
