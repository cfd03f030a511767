"""Reading files as the importer does, without a database."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from importer.files import encoding, parser, text_buffer
from importer.files.csv_file import FileOptions, open_file
from importer.files.rows import Reject

HUGE_BLOCK = 1 << 20


@dataclass
class Read:
    """What came out of a file: its description, the good rows with our fields alone, the rejects in their order."""

    about: dict[str, Any]
    fields: list[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def bad(self) -> list[tuple[int, str]]:
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
    short_cut: bool = True,
    remembered: dict[str, str | None] | None = None,
) -> Read:
    """Reads a whole file, in blocks of `block` bytes; raises `UnusableFile`."""
    with (
        tempfile.NamedTemporaryFile() as file,
        mock.patch.object(encoding, "BLOCK_BYTES", block),
        mock.patch.object(text_buffer, "BLOCK_BYTES", block),
        mock.patch.object(parser, "BLOCK_BYTES", block),
        mock.patch.object(parser, "MISSED_SHORT_CUTS", parser.MISSED_SHORT_CUTS if short_cut else 0),
    ):
        file.write(content)
        file.flush()
        limits = {"max_record": max_record, "max_unpacked_bytes": max_unpacked_bytes}
        with open_file(Path(file.name), options or FileOptions(), **limits) as opened:
            if remembered is not None:
                opened.propose(remembered)
            about = opened.describe()
            read = Read(about, opened.columns.fields)
            dialect = opened.columns.dialect
            for records in opened.chunks(chunk_rows):
                payload, count = opened.columns.copy_rows(records)
                # What COPY does with it.
                text = io.StringIO(payload.decode(), newline="")
                added = list(csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.copy_quote, strict=True))
                assert len(added) == count <= chunk_rows
                read.rows += map(tuple, added)
                read.rejects += records.rejects
            read.about = opened.describe()
            assert {**read.about, "encoding": ""} == {**about, "encoding": ""}
    read.rejects.sort()
    return read
