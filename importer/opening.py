"""A file that is to be imported, opened: what it is, what its columns are, its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from psycopg2 import sql

from importer.columns import Columns
from importer.parser import Parser, Records
from importer.source import Source

Mapped = Mapping[str, "str | None"]


@dataclass(frozen=True)
class FileOptions:
    """What the client knows about the file; None is found from the file itself.

    `mapping` says which of our fields the file's columns are, None for a column to leave out.
    """

    delimiter: str | None = None
    encoding: str | None = None
    mapping: Mapped | None = None


class OpenedFile:
    """A file whose header has been read. `header` holds its cells; closing it is up to the caller (a `with`)."""

    def __init__(self, source: Source, parser: Parser, options: FileOptions) -> None:
        self._source = source
        self._parser = parser
        self._options = options
        self.header = parser.header()

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    @property
    def header_key(self) -> str:
        """The same for all files with this header: what a confirmed mapping is remembered by."""
        return ""

    def propose(self, remembered: Mapped) -> None:
        """Takes a mapping that was confirmed for such a header; it counts where all its columns are there."""

    def describe(self) -> dict[str, Any]:
        """What the file is, as JSON for clients; the encoding is final once all rows are read."""
        return {}

    @cached_property
    def columns(self) -> Columns:
        """Where our fields are; raises `UnusableFile` when there is no column for the SKU, or the mapping is wrong."""
        return Columns(self.header)

    @property
    def share_read(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self._source.share_read

    @property
    def copy_options(self) -> sql.Composable:
        """The options of COPY (FORMAT csv) that say how the rows are written."""
        return sql.SQL("DELIMITER {}, QUOTE {}").format(sql.Literal(","), sql.Literal('"'))

    def chunks(self, chunk_rows: int) -> Iterator[Records]:
        """Yields what is below the header, at most `chunk_rows` rows at a time."""
        return self._parser.chunks(chunk_rows, self.columns.layout)


def open_file(path: Path, options: FileOptions, *, max_record: int, max_unpacked_bytes: int) -> OpenedFile:
    """Opens the file at `path` and reads its header.

    `max_record` is in characters. Raises `FileNotFoundError`, and `UnusableFile` when it is nothing like a CSV file.
    """
    source = Source(path, max_unpacked_bytes=max_unpacked_bytes)
    try:
        return OpenedFile(source, Parser(source, max_record=max_record), options)
    except BaseException:
        source.close()
        raise
