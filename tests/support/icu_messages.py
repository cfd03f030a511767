"""Reads the texts of the page, which are in ICU MessageFormat, without formatting them."""

from __future__ import annotations

import json
import re

from support.paths import ROOT

SELECTOR_RE = re.compile(r"\s*(?:offset:\d+\s*)?(=\d+|\w+)\s*\{")


def read_catalogue(language: str) -> dict[str, str]:
    """Return the texts of a language by their keys."""
    texts: dict[str, str] = json.loads((ROOT / "static" / "locales" / f"{language}.json").read_text("utf-8"))
    return texts


def find_arguments(message: str) -> dict[str, set[str]]:
    """Return the arguments of a message, each with the values that it distinguishes, without `other`."""
    arguments: dict[str, set[str]] = {}
    position = 0
    while (start := message.find("{", position)) >= 0:
        position = _read_argument(message, start + 1, arguments)
    return arguments


def _read_argument(message: str, position: int, arguments: dict[str, set[str]]) -> int:
    """Add the argument that begins at `position`, and those within it. Return where it ends."""
    end = _find_end(message, position)
    name, *rest = message[position:end].split(",", 2)
    options = arguments.setdefault(name.strip(), set())
    if len(rest) == 2:
        place = end - len(rest[1])
        while option := SELECTOR_RE.match(message, place, end):
            if option[1] != "other":
                options.add(option[1])
            place = _find_end(message, option.end()) + 1
            for inner, values in find_arguments(message[option.end() : place - 1]).items():
                arguments.setdefault(inner, set()).update(values)
    return end + 1


def _find_end(message: str, position: int) -> int:
    """Return where the brace closes whose content begins at `position`."""
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(message[position], 0)
        position += 1
    return position - 1
