"""Rows set aside: on their way into the table, and from there into a file that can be corrected and uploaded again."""

from __future__ import annotations

from importer.records import Reject

COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_lines(job_id: int, rejects: list[Reject]) -> bytes:
    """Rejects as COPY's text format has them: job_id, line, code, message, row."""
    lines = []
    for reject in rejects:
        cells = (str(job_id), str(reject.line), reject.code, reject.message, reject.row)
        lines.append("\t".join(cell.translate(COPY_ESCAPES) for cell in cells) + "\n")
    return "".join(lines).encode()
