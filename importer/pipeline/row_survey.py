"""The survey of a file that is being read: how many of its rows are new, change a product, or change nothing.

The forecast needs that before all rows have been read, because these kinds of rows take different times to write. Some
rows of a few chunks are enough. They are compared with the catalogue on the connection of the heartbeat, a handful of
times for each file.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from importer.jobs.forecast import Forecast

# About 100 rows of a usual file.
SURVEYED_BYTES = 16_384

COUNT_KINDS_SQL = """
SELECT count(*) FILTER (WHERE p.id IS NULL), count(*) FILTER (WHERE p.id IS NOT NULL AND ({differs})), count(*)
FROM unnest({arrays}) s ({columns}) LEFT JOIN products p ON lower(p.sku) COLLATE "C" = lower(s.sku) COLLATE "C"
"""
# An empty cell of `active` is NULL.
COLUMN_SQL = {"active": "array_replace({}::text[], '', NULL)::boolean[]"}


class RowSurvey:
    """The rows of a file that have been surveyed so far. `fields` are its columns in the format of COPY."""

    def __init__(self, forecast: Forecast, fields: Sequence[str], *, mode: str, delimiter: str, quote: str) -> None:
        self._forecast = forecast
        self._fields = list(fields)
        self._mode = mode
        self._delimiter = delimiter
        self._quote = quote
        self._counts: Counter[str] = Counter()
        self._chunks = 0

    def wants_next_chunk(self) -> bool:
        """Count a chunk, and return whether it is surveyed: the first, second, fourth, eighth, and so on."""
        self._chunks += 1
        return self._chunks & (self._chunks - 1) == 0

    def count(self, cursor: Cursor, payload: bytes) -> None:
        """Compare the first rows of a chunk with the catalogue in the caller's transaction, and tell the forecast."""
        text = payload[:SURVEYED_BYTES].decode(errors="ignore")
        lines = io.StringIO(text, newline="")
        rows = list(csv.reader(lines, delimiter=self._delimiter, quotechar=self._quote))
        # The last row may be cut off.
        rows = [row for row in rows[: -1 if len(payload) > SURVEYED_BYTES else None] if len(row) == len(self._fields)]
        if not rows:
            return
        columns = {name: [row[index] for row in rows] for index, name in enumerate(self._fields)}
        cursor.execute(self._render(), columns)
        new, changed, total = cursor.fetchone() or (0, 0, 0)
        if self._mode == "create":
            changed = 0
        elif self._mode == "update":
            new = 0
        self._counts.update(created=new, updated=changed, unchanged=total - new - changed)
        shares = {work: count / self._counts.total() for work, count in self._counts.items()}
        self._forecast.expect("writing", shares=shares)

    def _render(self) -> sql.Composed:
        others = [name for name in self._fields if name != "sku"]
        differs = [sql.SQL("p.{name} <> s.{name}").format(name=sql.Identifier(name)) for name in others]
        return sql.SQL(COUNT_KINDS_SQL).format(
            differs=sql.SQL(" OR ").join(differs) if differs else sql.SQL("false"),
            arrays=sql.SQL(", ").join(
                sql.SQL(COLUMN_SQL.get(name, "{}::text[]")).format(sql.Placeholder(name)) for name in self._fields
            ),
            columns=sql.SQL(", ").join(map(sql.Identifier, self._fields)),
        )
