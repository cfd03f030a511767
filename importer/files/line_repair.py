"""Rewrites lines of CSV as RFC 4180 has them: quotes without spaces before them, doubled instead of escaped.

Lines are rewritten one by one as `csv.reader` asks for them, starting at the start of a row. Each line keeps its line
end, so rows keep their lines, and rejects show the lines as they are in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

ESCAPED_CHARACTER = re.compile(r"\\(.)", re.DOTALL)


class LineRepair:
    """Rewrites the lines of a file with this delimiter and quote.

    If `escaped`, quotes within quoted fields are written as backslash and quote. If `wrapped`, each whole line is
    quoted once more.
    """

    def __init__(self, delimiter: str, quote: str, *, escaped: bool, wrapped: bool) -> None:
        self._quote = quote
        self._escaped = escaped
        self._wrapped = wrapped
        ends = rf"{re.escape(delimiter)}\r\n"
        plain, escape = (rf"[^{quote}\\]", r"|\\.?") if escaped else (f"[^{quote}]", "")
        content = rf"(?:{plain}++|{quote}{quote}{escape})*+"
        self._content = re.compile(content, re.DOTALL)
        self._field_ends = f"{delimiter}\r\n"
        # A quoted field from its start on, with the spaces before it. It ends well, or its line ends before it, or text
        # follows its closing quote. Then the rest of the line has no fields.
        self._quoted_field = re.compile(
            rf"(?<![^{ends}]) *{quote}({content})(?:({quote})(?=[{ends}]|\Z)|\Z|({quote}.*))", re.DOTALL
        )

    def repair(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the rewritten lines. The first one is at the start of a row."""
        quote = self._quote
        is_inside = False

        def rewrite(match: re.Match[str]) -> str:
            nonlocal is_inside
            is_inside = match[2] is None and match[3] is None
            return quote + self._unescape(match[1]) + (match[2] or match[3] or "")

        for line in lines:
            if self._wrapped and not is_inside:
                line = unwrap(line, quote)
            if quote not in line and not is_inside:
                yield line
                continue
            start = ""
            if is_inside:
                match = self._content.match(line)
                end = match.end() if match else 0
                start = self._unescape(line[:end])
                is_inside = end == len(line)
                start, line = start + line[end : end + 1], line[end + 1 :]
                if line and line[0] not in self._field_ends:
                    yield start + line
                    continue
            # Text after a closing quote stays as it is; `csv.reader` raises an error.
            yield start + self._quoted_field.sub(rewrite, line)

    def _unescape(self, content: str) -> str:
        return unescape(content, self._quote) if self._escaped and "\\" in content else content


def unescape(text: str, quote: str) -> str:
    """Double the quotes that a backslash escapes, and halve double backslashes."""

    def replace(match: re.Match[str]) -> str:
        character = match[1]
        return character * 2 if character == quote else character if character == "\\" else match[0]

    return ESCAPED_CHARACTER.sub(replace, text)


def unwrap(line: str, quote: str) -> str:
    """Return what a line holds that is one quoted field as a whole; return other lines as they are.

    Quotes within the field are doubled, or all of them are escaped by a backslash.
    """
    if match := _wrapped_line(quote).fullmatch(line):
        return match[1].replace(quote + quote, quote) + match[2]
    if "\\" in line and (match := _escaped_line(quote).fullmatch(line)):
        return ESCAPED_CHARACTER.sub(lambda pair: pair[1] if pair[1] in {quote, "\\"} else pair[0], match[1]) + match[2]
    return line


@cache
def _wrapped_line(quote: str) -> re.Pattern[str]:
    return re.compile(rf"{quote}((?:[^{quote}]++|{quote}{quote})*+){quote}([ ]*(?:\r\n|\r|\n)?)")


@cache
def _escaped_line(quote: str) -> re.Pattern[str]:
    return re.compile(rf"{quote}((?:[^{quote}\\]++|\\.)*+){quote}([ ]*(?:\r\n|\r|\n)?)")


@cache
def spaced_quote(delimiter: str, quote: str) -> re.Pattern[str]:
    """Match a quote at the start of a field that has spaces before it."""
    return re.compile(rf"(?<![^{re.escape(delimiter)}\r\n]) +{quote}")
