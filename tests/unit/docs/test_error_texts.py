"""The page translates sentences of the API by their codes, so every code that it translates exists."""

from __future__ import annotations

import re
from string import Formatter

from api.imports.list_messages import SENTENCES
from support.icu_messages import find_arguments, read_catalogue
from support.paths import ROOT

ERROR_RE = re.compile(r'ErrorType\(\s*\d{3},\s*"(\w+)"')
PREFIX = "error."


def test_the_page_translates_no_code_that_does_not_exist() -> None:
    codes = {code for path in (ROOT / "api").rglob("*.py") for code in ERROR_RE.findall(path.read_text("utf-8"))}
    texts = read_catalogue("en")
    translated = {key.removeprefix(PREFIX) for key in texts if key.startswith(PREFIX)}
    assert translated
    assert translated <= codes


def test_the_page_has_a_german_text_for_each_message_about_missing_rows() -> None:
    prefix = "reject.list."
    texts = {key.removeprefix(prefix): text for key, text in read_catalogue("de").items() if key.startswith(prefix)}
    assert texts.keys() == SENTENCES.keys()
    for code, sentence in SENTENCES.items():
        assert set(find_arguments(texts[code])) <= {name for _, name, _, _ in Formatter().parse(sentence)}
