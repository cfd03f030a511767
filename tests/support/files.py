"""Reads files as the importer does, without a database."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from importer.columns.product_file import FileOptions, open_product_file
from importer.files.rows import Reject
from importer.files.tuning import DEFAULT_TUNING, ReaderTuning
from importer.files.workbook.workbook_file import DEFAULT_WORKBOOK_LIMITS, WorkbookLimits

HUGE_BLOCK = 1 << 20


def create_tuning(block: int = HUGE_BLOCK, *, use_fast_path: bool = True) -> ReaderTuning:
    """Return the tuning that reads blocks of `block` bytes, with or without the fast path."""
    misses = DEFAULT_TUNING.max_fast_path_misses if use_fast_path else 0
    return ReaderTuning(block_bytes=block, max_fast_path_misses=misses)


@dataclass
class ReadResult:
    """The content of a file: its description, the valid rows with the product fields only and their lines, the rejects
    in order, and the notices.
    """

    description: dict[str, Any]
    fields: list[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reject_codes(self) -> list[tuple[int, str]]:
        """The line and the code of each reject."""
        return [(reject.line, reject.code) for reject in self.rejects]


def read_file(
    content: bytes,
    options: FileOptions | None = None,
    *,
    block: int = HUGE_BLOCK,
    chunk_rows: int = 1000,
    max_record: int = 50_000,
    max_unpacked_bytes: int = 1 << 30,
    use_fast_path: bool = True,
    saved_mapping: dict[str, str | None] | None = None,
    workbook_limits: WorkbookLimits = DEFAULT_WORKBOOK_LIMITS,
) -> ReadResult:
    """Read a whole file in blocks of `block` bytes. Raise `UnusableFile` if it cannot be imported."""
    options = options or FileOptions()
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with open_product_file(
            Path(file.name),
            options,
            max_record=max_record,
            max_unpacked_bytes=max_unpacked_bytes,
            tuning=create_tuning(block, use_fast_path=use_fast_path),
            workbook_limits=workbook_limits,
        ) as product_file:
            if saved_mapping is not None:
                product_file.propose(saved_mapping)
            description = product_file.describe()
            validator = product_file.validator
            result = ReadResult(description, validator.fields)
            dialect = validator.dialect
            for chunk in product_file.read_chunks(chunk_rows):
                payload, count = validator.encode_rows(chunk)
                # Read the payload as COPY does.
                text = io.StringIO(payload.decode(), newline="")
                rows = list(csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.copy_quote, strict=True))
                assert len(rows) == count <= chunk_rows + len(options.fixes.rows)
                result.rows += map(tuple, rows)
                result.lines += chunk.valid_lines()
                assert len(result.lines) == len(result.rows)
                result.rejects += chunk.rejects
            result.description = product_file.describe()
            result.notices = product_file.notices.to_json()
            assert {**result.description, "encoding": ""} == {**description, "encoding": ""}
    result.rejects.sort()
    return result
