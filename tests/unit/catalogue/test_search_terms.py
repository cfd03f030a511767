"""How a search is split into words and quoted texts. The JavaScript parser is tested with the same examples."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from catalogue.search_terms import Term, parse_field, parse_query
from support.paths import ROOT

PARSERS: dict[str, Callable[[str], tuple[Term, ...]]] = {"query": parse_query, "field": parse_field}
EXAMPLES = json.loads((ROOT / "tests" / "search-terms.json").read_text())


def read_term(text: str) -> Term:
    """Return a term of an example: a minus before it excludes it, and a plus protects a minus that is part of it."""
    return Term(text[1:], excluded=text[0] == "-") if text[0] in "+-" else Term(text)


@pytest.mark.parametrize(
    ("kind", "text", "terms"),
    [(kind, example["text"], example["terms"]) for kind, examples in EXAMPLES.items() for example in examples],
)
def test_a_search_has_the_terms_of_the_example(kind: str, text: str, terms: list[str]) -> None:
    assert PARSERS[kind](text) == tuple(map(read_term, terms))
