"""Maps the columns of a file to product fields: by a given mapping, by exact name, or by names that suppliers use."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from importer.errors import FailureKind, UnusableFile
from importer.files.cells import Row
from importer.files.delimiter_hint import Separator
from importer.files.header_search import HeaderRating
from importer.files.rows import make_printable

# The product fields that a file can have.
FIELDS = ("sku", "name", "description", "active")
# The columns that a reject file adds. They are not mapped by their names, and `header_key` ignores them.
REJECT_COLUMNS = ("line", "code", "message")
SHOWN_COLUMNS = 8
SHOWN_NAME_CHARACTERS = 40
# Clients see at most NAME_MAX_CHARACTERS of the name of a column, and fewer if a file has so many columns that all
# names together could exceed NAMES_MAX_CHARACTERS.
NAME_MAX_CHARACTERS = 200
NAMES_MAX_CHARACTERS = 400_000

UNKNOWN_FIELD = FailureKind(
    "unknown_field", f"The mapping names a field `{{field}}`. The fields are {', '.join(FIELDS)}."
)
UNKNOWN_COLUMN = FailureKind("unknown_column", "The mapping names a column `{column}`, which the file does not have.")
AMBIGUOUS_COLUMN = FailureKind(
    "ambiguous_column",
    "The mapping names the column `{column}`, and the file has {count} of that name. Choose one: `{first}`, `{second}`"
    " …",
)
COLUMN_MAPPED_TWICE = FailureKind("column_mapped_twice", "The mapping names the column `{column}` twice.")
FIELD_MAPPED_TWICE = FailureKind("field_mapped_twice", "The mapping gives the field `{field}` to more than one column.")
EQUAL_COLUMNS = FailureKind(
    "equal_columns", "The file has {count} columns named `{column}`. Keep one, or choose one with a mapping."
)


def _describe_missing_sku(
    header: str, line: int, columns: list[str], more: int, advice: str, delimiter: str, separator: str, characters: str
) -> str:
    place = f"Line {line:,}, which was given as the line of the header," if header == "given" else "The file"
    sentence = "Name the column with the SKUs `sku`, or choose it with a mapping."
    if advice != "mapping":
        sentence = Separator(delimiter or separator, characters, is_delimiter=advice == "delimiter").suggest()
    return f"{place} has no column `sku`. Its columns are: {describe_names(columns, more)}. {sentence}"


MISSING_SKU_COLUMN = FailureKind("missing_sku_column", _describe_missing_sku)

# The product field of each column by its name; None leaves the column out.
FieldByColumn = Mapping[str, "str | None"]

# Letters with strokes and ligatures, which NFKD does not decompose.
UNDECOMPOSED_LETTERS = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)


def normalise(name: str) -> str:
    """Return the name of a column without case, accents, punctuation and spaces. Letters of every script stay."""
    if name.isascii():
        # This is faster. Nearly all names are ASCII, and a header may have thousands of them.
        return "".join(filter(str.isalnum, name.lower()))
    text = unicodedata.normalize("NFKD", name).casefold()
    # Only Latin accents are removed: the marks of other scripts, such as the voicing of kana, distinguish letters.
    text = "".join(letter for letter in text if not "\u0300" <= letter <= "\u036f")
    text = unicodedata.normalize("NFKC", text).translate(UNDECOMPOSED_LETTERS)
    return "".join(filter(str.isalnum, text))


def _read_names() -> dict[str, dict[str, int]]:
    """Return, for each field, the normalised names that mean it, with their rank in the list."""
    names_by_field = json.loads(Path(__file__).with_name("header_names.json").read_bytes())
    names: dict[str, dict[str, int]] = {}
    for field in FIELDS:
        names[field] = {}
        for rank, name in enumerate(names_by_field[field]):
            names[field].setdefault(normalise(name), rank)
    return names


HEADER_NAMES = _read_names()


@dataclass
class ColumnMapping:
    """The product field of each column, None to leave it out.

    `problem` says why these columns cannot be imported, if they cannot. `is_saved` is true if a saved mapping was
    used and the client gave none. `guessed` are the columns that are mapped because suppliers use their names.
    """

    fields: list[str | None]
    problem: UnusableFile | None = None
    is_saved: bool = False
    guessed: frozenset[int] = frozenset()

    def check(self) -> None:
        """Raise `UnusableFile` if there is a problem."""
        if self.problem is not None:
            raise self.problem


def column_names(header: Row) -> list[str]:
    """Return the names of the columns for clients: printable, shortened, and numbered if several have the same name."""
    max_characters = min(NAME_MAX_CHARACTERS, NAMES_MAX_CHARACTERS // max(1, len(header)))
    names = [make_printable(name[:max_characters]) for name in header]
    used = Counter(names)
    numbers = {name: count(1) for name, columns in used.items() if columns > 1}
    for index, name in enumerate(names):
        if name in numbers:
            numbered = (f"{name or '(no name)'} ({number})" for number in numbers[name])
            names[index] = next(name for name in numbered if name not in used)
            used[names[index]] += 1
    return names


def header_key(header: Row) -> str:
    """Return a key that is equal for headers with the same names in the same order, after `normalise`.

    The columns that a reject file adds do not count.
    """
    names = map(normalise, column_names(header[: width_without_reject_columns(header)]))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def rate_header(header: Row, mapping: FieldByColumn | None = None) -> HeaderRating:
    """Return how well a row names the columns of products, by their names and by the `mapping` of the client."""
    fields = _map_by_name(header, {}, set())[0]
    named = {_fold(name): field for name, field in (mapping or {}).items()}
    is_exact = any(_fold(name) == "sku" for name in header)
    if named:
        for index, names in enumerate(zip(header, column_names(header), strict=True)):
            for name in map(_fold, names):
                if name in named:
                    fields[index] = named[name] or "left out"
                    is_exact = is_exact or named[name] == "sku"
    return HeaderRating("sku" in fields.values(), is_exact, len(fields))


def map_columns(
    header: Row,
    mapping: FieldByColumn | None = None,
    saved: FieldByColumn | None = None,
    *,
    unfit: Container[int] = (),
    separator: Separator | None = None,
    line: int | None = None,
) -> ColumnMapping:
    """Map the columns of a header to product fields.

    A column in `mapping` is mapped as given. A `saved` mapping applies to other columns, if the header has all of its
    columns. The remaining columns are mapped by their names, to fields that are still free. The names that suppliers
    use do not count for `unfit` columns, whose values do not fit. If there is no SKU column, the problem suggests
    the `separator`. `line` is the line of the header, if the client gave it.
    """
    try:
        assigned = _find_columns(header, mapping or {})
    except UnusableFile as error:
        return ColumnMapping([None] * len(header), error.with_traceback(None))
    proposed: dict[int, str | None] = {}
    if saved:
        # It may have been saved for the reject file of a file with this header.
        present = {*column_names(header)}
        saved = {name: field for name, field in saved.items() if name in present or name not in REJECT_COLUMNS}
        try:
            proposed = _find_columns(header, saved)
        except UnusableFile:
            # It was saved for another header.
            saved = None
    taken = set(assigned.values())
    assigned |= {
        index: field
        for index, field in proposed.items()
        if index not in assigned and (field is None or field not in taken)
    }
    found, guessed = _map_by_name(header, assigned, {field for field in assigned.values() if field}, unfit)
    names = [_fold(make_printable(name)) for name in header]
    for columns in _ambiguous(names, assigned).values():
        fields = [None if index in columns else found.get(index) for index in range(len(header))]
        name = shorten(header[min(columns)].strip())
        return ColumnMapping(fields, UnusableFile(EQUAL_COLUMNS, count=len(columns), column=name))
    fields = [found.get(index) for index in range(len(header))]
    problem = None if "sku" in fields else _missing_sku(header, separator, line)
    return ColumnMapping(fields, problem, is_saved=bool(saved) and not mapping, guessed=guessed)


def _find_columns(header: Row, mapping: FieldByColumn) -> dict[int, str | None]:
    """Return the field of each mapped column by column index. Raise `UnusableFile` if the header does not match."""
    names = column_names(header)
    plain = list(map(make_printable, header))
    # Exact names take precedence over names that only differ in case and spaces.
    exact = (_index_names(names), _index_names(plain))
    folded = (_index_names(map(_fold, names)), _index_names(map(_fold, plain)))
    assigned: dict[int, str | None] = {}
    for name, field in mapping.items():
        if field is not None and field not in FIELDS:
            raise UnusableFile(UNKNOWN_FIELD, field=shorten(str(field)))
        found = next((index[name] for index in exact if name in index), None)
        found = found or next((index[_fold(name)] for index in folded if _fold(name) in index), None)
        if not found:
            raise UnusableFile(UNKNOWN_COLUMN, column=shorten(name))
        if len(found) > 1 and field is None:
            assigned |= dict.fromkeys(found)
            continue
        if len(found) > 1:
            first, second = (shorten(names[index]) for index in found[:2])
            raise UnusableFile(AMBIGUOUS_COLUMN, column=shorten(name), count=len(found), first=first, second=second)
        if found[0] in assigned:
            raise UnusableFile(COLUMN_MAPPED_TWICE, column=shorten(names[found[0]]))
        if field is not None and field in assigned.values():
            raise UnusableFile(FIELD_MAPPED_TWICE, field=field)
        assigned[found[0]] = field
    return assigned


def _index_names(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the column indexes of each name."""
    indexes: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        indexes.setdefault(name, []).append(index)
    return indexes


def _map_by_name(
    header: Row, assigned: Mapping[int, str | None], taken: set[str], unfit: Container[int] = ()
) -> tuple[dict[int, str | None], frozenset[int]]:
    """Return fields by column index: `assigned`, and the fields that other columns name, if they are not `taken`.

    Returns besides which columns are mapped by a name that suppliers use.
    """
    guessed: set[int] = set()
    found = dict(assigned)
    width = width_without_reject_columns(header)
    names = [make_printable(name) for name in header]
    for field in FIELDS:
        exact = [index for index, name in enumerate(names) if _fold(name) == field and index not in found]
        if field not in taken and exact:
            found[exact[0]] = field
            taken = taken | {field}
    # A name longer than the limit is never a known one.
    normal = [normalise(name) if len(name) <= NAME_MAX_CHARACTERS else "" for name in names[:width]]
    for field in FIELDS:
        known = HEADER_NAMES[field]
        free = [
            index for index, name in enumerate(normal) if name in known and index not in found and index not in unfit
        ]
        if field not in taken and free:
            best = min(free, key=lambda index: known[normal[index]])
            found[best] = field
            guessed.add(best)
    return found, frozenset(guessed)


def _ambiguous(names: Sequence[str], assigned: Mapping[int, str | None]) -> dict[str, set[int]]:
    """Return the column indexes of each field that several columns are named after, if no mapping assigns the field."""
    named = {
        field: {index for index, name in enumerate(names) if name == field and index not in assigned}
        for field in FIELDS
    }
    return {field: columns for field, columns in named.items() if len(columns) > 1 and field not in assigned.values()}


def _missing_sku(header: Row, separator: Separator | None, line: int | None) -> UnusableFile:
    columns, more = shorten_names(header)
    advice, delimiter, name = "mapping", "", ""
    if separator and separator.is_delimiter:
        advice, delimiter = "delimiter", separator.name
    elif separator:
        advice, name = "separator", separator.name
    return UnusableFile(
        MISSING_SKU_COLUMN,
        header="detected" if line is None else "given",
        line=line or 0,
        columns=columns,
        more=more,
        advice=advice,
        delimiter=delimiter,
        separator=name,
        characters=separator.text if separator else "",
    )


def shorten_names(header: Row) -> tuple[list[str], int]:
    """Return the first names of a header for a sentence, "" for an empty one, and how many others there are."""
    return [shorten(name.strip()) for name in header[:SHOWN_COLUMNS]], max(0, len(header) - SHOWN_COLUMNS)


def describe_names(names: Sequence[str], more: int) -> str:
    """Return what `shorten_names` has returned as a part of a sentence."""
    shown = ", ".join(f"`{name}`" if name else "(empty)" for name in names)
    return f"{shown} and {more:,} more" if more else shown


def width_without_reject_columns(header: Sequence[str]) -> int:
    """Return the number of columns of a header without those that a reject file has added at the end."""
    width = named_width(header)
    while width > len(REJECT_COLUMNS) and tuple(header[width - len(REJECT_COLUMNS) : width]) == REJECT_COLUMNS:
        width -= len(REJECT_COLUMNS)
    return width if width < named_width(header) else len(header)


def named_width(header: Sequence[str]) -> int:
    """Return the number of columns of a header, without the empty ones that a spreadsheet adds to a reject file."""
    width = len(header)
    while width and not header[width - 1].strip():
        width -= 1
    is_reject_file = tuple(header[:width][-len(REJECT_COLUMNS) :]) == REJECT_COLUMNS
    return width if is_reject_file else len(header)


def _fold(name: str) -> str:
    return name.strip().lower()


def shorten(text: str) -> str:
    """Return a name or a value for a sentence: printable, and shortened."""
    shown = make_printable(text[: SHOWN_NAME_CHARACTERS + 1])
    shown = "".join(letter if letter.isprintable() else " " for letter in shown)
    return shown if len(shown) <= SHOWN_NAME_CHARACTERS else shown[: SHOWN_NAME_CHARACTERS - 1] + "…"
