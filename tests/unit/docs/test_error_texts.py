"""The page translates errors of the API by their codes: every code that it can meet, and none that does not exist."""

from __future__ import annotations

import re
from string import Formatter

from api.imports.list_messages import SENTENCES
from support.icu_messages import find_arguments, read_catalogue
from support.paths import ROOT

ERROR_RE = re.compile(r'ErrorType\(\s*\d{3},\s*"(\w+)"')
# What the web server answers before it runs a call.
REFUSAL_RE = re.compile(r'Refusal\(\s*HTTPStatus\.\w+,\s*"(\w+)"')
# The code of a schema for all that may be wrong with a body.
SCHEMA_RE = re.compile(r'^    code = "(\w+)"$', re.MULTILINE)
PROBLEM_RE = re.compile(r'FieldProblem\(\s*"(\w+)"')
REASON_RE = re.compile(r'INVALID_FILE\.exception\([^()]*details={"reason": "(\w+)"}', re.DOTALL)
PREFIX = "error."
FIELD_PREFIX = "field."
# The sentence of these is that of the first field that is invalid, which the code does not tell.
SENTENCES_OF_FIELDS = {"invalid_body", "invalid_bulk", "invalid_fixes", "invalid_parameter"}


def _find_codes() -> set[str]:
    sources = [*(ROOT / "api").rglob("*.py"), ROOT / "server" / "refusals.py"]
    texts = [path.read_text("utf-8") for path in sources]
    return {code for text in texts for regex in (ERROR_RE, REFUSAL_RE, SCHEMA_RE) for code in regex.findall(text)}


def _find_translated(language: str, prefix: str = PREFIX) -> set[str]:
    return {key.removeprefix(prefix) for key in read_catalogue(language) if key.startswith(prefix)}


def test_the_page_translates_no_code_that_does_not_exist() -> None:
    assert _find_translated("en") <= _find_codes()


def test_the_page_translates_each_code() -> None:
    codes = _find_codes()
    assert len(codes) > 60
    assert codes - _find_translated("de") == SENTENCES_OF_FIELDS


def test_the_page_has_a_text_for_each_reason_why_a_file_is_refused() -> None:
    sources = (ROOT / "api" / "imports").rglob("*.py")
    reasons = {reason for path in sources for reason in REASON_RE.findall(path.read_text("utf-8"))}
    assert reasons == {"empty", "missing", "no_name", "other_suffix"}
    for language in ("en", "de"):
        text = read_catalogue(language)["error.invalid_file"]
        assert set(re.findall(r"(\w+) {", text)) == reasons - {"missing"} | {"other"}


def test_the_page_translates_each_code_of_a_field() -> None:
    codes = {code for path in (ROOT / "api").rglob("*.py") for code in PROBLEM_RE.findall(path.read_text("utf-8"))}
    assert len(codes) > 5
    assert codes == _find_translated("de", FIELD_PREFIX)


def test_the_page_has_a_german_text_for_each_message_about_missing_rows() -> None:
    prefix = "reject.list."
    texts = {key.removeprefix(prefix): text for key, text in read_catalogue("de").items() if key.startswith(prefix)}
    assert texts.keys() == SENTENCES.keys()
    for code, sentence in SENTENCES.items():
        assert set(find_arguments(texts[code])) <= {name for _, name, _, _ in Formatter().parse(sentence)}
