"""The page translates errors of the API by their codes, so every code that it translates exists."""

from __future__ import annotations

import json
import re

from support.paths import ROOT

ERROR_RE = re.compile(r'ErrorType\(\s*\d{3},\s*"(\w+)"')
PREFIX = "error."


def test_the_page_translates_no_code_that_does_not_exist() -> None:
    codes = {code for path in (ROOT / "api").rglob("*.py") for code in ERROR_RE.findall(path.read_text("utf-8"))}
    texts = json.loads((ROOT / "static" / "locales" / "en.json").read_text("utf-8"))
    translated = {key.removeprefix(PREFIX) for key in texts if key.startswith(PREFIX)}
    assert translated
    assert translated <= codes
