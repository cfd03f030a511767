"""The words and quoted texts of a search.

Spaces separate words, and a product has to contain each of them. A text in quotes is one term with its spaces; quotes
count at the start of a word only, so `5"` is a word. In a query, a minus before a word or a quoted text excludes it.
Every other character is plain. The page has the same rules (static/js/products/search-terms.js), and
tests/search-terms.json has examples of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The characters with the Unicode property White_Space. Python's `\s` has more, that of JavaScript has others.
SPACES = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
FIELD_TERM = re.compile(rf'()"([^"]*)"?|([^{SPACES}]+)')
QUERY_TERM = re.compile(rf'(-?)"([^"]*)"?|([^{SPACES}]+)')
# Each term costs time for every product that a search reads.
MAX_TERMS = 20


@dataclass(frozen=True)
class Term:
    """A text that products must contain, or must not contain if it is `excluded`."""

    text: str
    excluded: bool = False


def parse_query(text: str) -> tuple[Term, ...]:
    """Return the different terms of a query, in their order. Only a text without characters has none.

    A quote that is not closed ends with the text. Empty quotes and words of hyphens only are left out. If nothing else
    is left, the whole text is the term: a search never finds more than its text says.
    """
    terms = []
    for minus, quoted, word in QUERY_TERM.findall(text):
        if not word:
            terms.append(Term(quoted, excluded=bool(minus)))
        elif word.strip("-"):
            terms.append(Term(word.removeprefix("-"), excluded=word.startswith("-")))
    return _without_empty(terms, text)


def parse_field(text: str) -> tuple[Term, ...]:
    """Return the different terms of a filter for one field, in their order.

    The rules are those of `parse_query`, except that hyphens are plain: many SKUs have them.
    """
    terms = [Term(quoted or word) for _, quoted, word in FIELD_TERM.findall(text)]
    return _without_empty(terms, text)


def _without_empty(terms: list[Term], text: str) -> tuple[Term, ...]:
    found = dict.fromkeys(term for term in terms if term.text)
    return tuple(found or ([Term(text)] if text else []))
