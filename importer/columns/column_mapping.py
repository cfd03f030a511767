"""Which column of a file is which of our fields: by a mapping, by its exact name, or by a name that suppliers use."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from importer.errors import UnusableFile
from importer.files.rows import Row, visible

# The columns that products have.
FIELDS = ("sku", "name", "description", "active")
# What rejects.csv adds to the columns of the file: never taken for ours, and no other header for a remembered mapping.
REJECT_COLUMNS = ("line", "code", "message")
SHOWN_COLUMNS = 8
SHOWN_OF_NAME = 40

# A file's column → our field, or None for a column to leave out.
Mapped = Mapping[str, "str | None"]

# Letters whose strokes and ligatures NFKD leaves as they are.
PLAIN_LETTERS = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})


def normalise(name: str) -> str:
    """A column's name without case, accents, punctuation and spaces; letters of every script stay."""
    text = unicodedata.normalize("NFKD", name).casefold()
    # Marks of other scripts, such as the voicing of kana, tell letters apart.
    text = "".join(letter for letter in text if not "\u0300" <= letter <= "\u036f")
    text = unicodedata.normalize("NFKC", text).translate(PLAIN_LETTERS)
    return "".join(filter(str.isalnum, text))


def _read_names() -> dict[str, dict[str, int]]:
    """For each field the normalised names that mean it, and their place in the list."""
    listed = json.loads(Path(__file__).with_name("header_names.json").read_bytes())
    names: dict[str, dict[str, int]] = {}
    for field in FIELDS:
        names[field] = {}
        for place, name in enumerate(listed[field]):
            names[field].setdefault(normalise(name), place)
    return names


HEADER_NAMES = _read_names()


@dataclass
class Match:
    """`fields` has our field or None for each column; `problem` is a sentence where they do not allow an import.

    `remembered` says that a remembered mapping was taken.
    """

    fields: list[str | None]
    problem: str | None = None
    remembered: bool = False

    def check(self) -> None:
        """Raises `UnusableFile` with the problem."""
        if self.problem is not None:
            raise UnusableFile(self.problem)


def column_names(header: Row) -> list[str]:
    """The columns as clients see and name them: printable, and numbered where several have the same name."""
    names = list(map(visible, header))
    taken = Counter(names)
    numbers = {name: count(1) for name, columns in taken.items() if columns > 1}
    for place, name in enumerate(names):
        if name in numbers:
            numbered = (f"{name or '(no name)'} ({number})" for number in numbers[name])
            names[place] = next(name for name in numbered if name not in taken)
            taken[names[place]] += 1
    return names


def header_key(header: Row) -> str:
    """The same for all headers with the same names in the same order, however they are written.

    What rejects.csv has added does not count.
    """
    names = map(normalise, column_names(header[: width_without_reasons(header)]))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def known_columns(header: Row, mapping: Mapped | None = None) -> tuple[bool, int]:
    """Whether the SKU is among the columns of a header, and how many of them are known."""
    fields = _by_themselves(header, {}, set())
    named = {_alike(name): field for name, field in (mapping or {}).items()}
    for place, names in enumerate(zip(header, column_names(header), strict=True)):
        for name in map(_alike, names):
            if name in named:
                fields[place] = named[name] or "left out"
    return "sku" in fields.values(), len(fields)


def match(header: Row, mapping: Mapped | None = None, remembered: Mapped | None = None) -> Match:
    """Finds our fields in a header.

    The columns that `mapping` names are what it says. Of a `remembered` one the same holds where all its columns are
    there, below `mapping`. The others are matched by their names, to fields that are still free.
    """
    try:
        places = _places(header, mapping or {})
    except UnusableFile as error:
        return Match([None] * len(header), str(error))
    proposed: dict[int, str | None] = {}
    if remembered:
        try:
            proposed = _places(header, remembered)
        except UnusableFile:
            # It belongs to another file.
            remembered = None
    taken = set(places.values())
    places |= {
        place: field
        for place, field in proposed.items()
        if place not in places and (field is None or field not in taken)
    }
    found = _by_themselves(header, places, {field for field in places.values() if field})
    names = [_alike(visible(name)) for name in header]
    for field, columns in _ambiguous(names, places).items():
        fields = [None if place in columns else found.get(place) for place in range(len(header))]
        told = f"The file has {len(columns)} columns named `{field}`. Keep one, or say in a mapping which one it is."
        return Match(fields, told)
    fields = [found.get(place) for place in range(len(header))]
    return Match(fields, _problem(names, fields), remembered=bool(remembered) and not mapping)


def _places(header: Row, mapping: Mapped) -> dict[int, str | None]:
    """What a mapping says of each column; raises `UnusableFile` where it does not fit the header."""
    names = column_names(header)
    plain = list(map(visible, header))
    # The first in which a name is found counts.
    exact = (_where(names), _where(plain))
    alike = (_where(map(_alike, names)), _where(map(_alike, plain)))
    places: dict[int, str | None] = {}
    for name, field in mapping.items():
        if field is not None and field not in FIELDS:
            raise UnusableFile(f"The mapping names a field `{_short(str(field))}`. The fields are {', '.join(FIELDS)}.")
        found = next((where[name] for where in exact if name in where), None)
        found = found or next((where[_alike(name)] for where in alike if _alike(name) in where), None)
        if not found:
            raise UnusableFile(f"The mapping names a column `{_short(name)}`, which the file does not have.")
        if len(found) > 1 and field is None:
            places |= dict.fromkeys(found)
            continue
        if len(found) > 1:
            raise UnusableFile(
                f"The mapping names the column `{_short(name)}`, and the file has {len(found)} of that name. Say which"
                f" one: `{_short(names[found[0]])}`, `{_short(names[found[1]])}` …"
            )
        if found[0] in places:
            raise UnusableFile(f"The mapping names the column `{_short(names[found[0]])}` twice.")
        if field is not None and field in places.values():
            raise UnusableFile(f"The mapping gives the field `{field}` to more than one column.")
        places[found[0]] = field
    return places


def _where(names: Iterable[str]) -> dict[str, list[int]]:
    """The places of each name."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    return places


def _by_themselves(header: Row, places: Mapping[int, str | None], taken: set[str]) -> dict[int, str | None]:
    """`places`, and the fields that are not `taken` where the names of other columns say so."""
    found = dict(places)
    width = width_without_reasons(header)
    names = [visible(name) for name in header]
    for field in FIELDS:
        exact = [place for place, name in enumerate(names) if _alike(name) == field and place not in found]
        if field not in taken and exact:
            found[exact[0]] = field
            taken = taken | {field}
    normal = [normalise(name) for name in names[:width]]
    for field in FIELDS:
        known = HEADER_NAMES[field]
        free = [place for place, name in enumerate(normal) if place not in found and name in known]
        if field not in taken and free:
            found[min(free, key=lambda place: known[normal[place]])] = field
    return found


def _ambiguous(names: Sequence[str], places: Mapping[int, str | None]) -> dict[str, set[int]]:
    """The fields that several columns are named after, and which; a mapping, `places`, may have chosen one."""
    named = {
        field: {place for place, name in enumerate(names) if name == field and place not in places} for field in FIELDS
    }
    return {field: columns for field, columns in named.items() if len(columns) > 1 and field not in places.values()}


def _problem(names: Sequence[str], fields: Sequence[str | None]) -> str | None:
    if "sku" in fields:
        return None
    shown = ", ".join(name[:SHOWN_OF_NAME] or "(empty)" for name in names[:SHOWN_COLUMNS])
    more = f" and {len(names) - SHOWN_COLUMNS:,} more" if len(names) > SHOWN_COLUMNS else ""
    return (
        f"The file has no column `sku`. Its columns are: {shown}{more}. Name the one that holds the SKUs `sku`, or say"
        " in a mapping which one it is."
    )


def width_without_reasons(header: Sequence[str]) -> int:
    """How many columns a header has without those that rejects.csv has added behind them."""
    width = len(header)
    while width > len(REJECT_COLUMNS) and tuple(header[width - len(REJECT_COLUMNS) : width]) == REJECT_COLUMNS:
        width -= len(REJECT_COLUMNS)
    return width


def _alike(name: str) -> str:
    return name.strip().lower()


def _short(name: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in visible(name))
    return shown[:SHOWN_OF_NAME]
