"""The kinds of failures: each is declared once, and its sentence exists in every language of the page."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Mapping

import pytest

import importer
from importer.errors import FailureKind, ImportFailure, UnusableFile
from importer.files.zip_archive import NO_FILE
from importer.jobs.log_messages import NOUNS
from importer.pipeline.runner import NO_PROGRESS
from importer.pipeline.stage import TOO_MANY_ROWS
from support.paths import ROOT

PREFIX = "failure."
# `npm run message-types` reads the arguments of each text from its syntax.
ARGUMENTS_LINE = re.compile(r"^  'failure\.(\w+)': (?:null|\{ (.*) \});$", re.MULTILINE)


def _find_kinds() -> list[FailureKind]:
    kinds: dict[int, FailureKind] = {}
    for module in pkgutil.walk_packages(importer.__path__, "importer."):
        for value in vars(importlib.import_module(module.name)).values():
            values = value.values() if isinstance(value, dict) else [value]
            kinds.update((id(kind), kind) for kind in values if isinstance(kind, FailureKind))
    return sorted(kinds.values(), key=lambda kind: kind.code)


KINDS = _find_kinds()


def _read_texts(language: str) -> Mapping[str, str]:
    texts = json.loads((ROOT / "static" / "locales" / f"{language}.json").read_text("utf-8"))
    return {key.removeprefix(PREFIX): text for key, text in texts.items() if key.startswith(PREFIX)}


def _read_arguments() -> dict[str, dict[str, str]]:
    """Return the types of the arguments by the code of the failure, which are the same in every language."""
    types = (ROOT / "static" / "js" / "core" / "message-types.d.ts").read_text("utf-8")
    return {
        code: dict(argument.split(": ") for argument in arguments.split("; ") if argument)
        for code, arguments in ARGUMENTS_LINE.findall(types)
    }


ARGUMENTS = _read_arguments()


def test_each_kind_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(codes) > 50
    assert codes == sorted(set(codes))


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_has_a_text_for_each_kind_and_no_other(language: str) -> None:
    assert [*_read_texts(language)] == [kind.code for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_the_texts_need_no_detail_that_the_kind_lacks(kind: FailureKind) -> None:
    assert {*ARGUMENTS[kind.code]} <= kind.details


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_the_texts_have_words_for_each_code_that_the_sentence_has(kind: FailureKind) -> None:
    for name, words in kind.words.items():
        options = re.findall(r"'(\w+)'", ARGUMENTS[kind.code][name])
        # One of the codes may be `other`.
        assert len({*words} - {*options}) <= 1
        assert {*options} - {"other"} <= {*words}


def test_a_failure_has_the_sentence_and_the_details() -> None:
    failure = UnusableFile(TOO_MANY_ROWS, limit=5_000_000)
    assert str(failure) == "The file has more than 5,000,000 rows, which is the limit. Split it into smaller files."
    assert (failure.code, failure.details) == ("too_many_rows", {"limit": 5_000_000})


def test_a_detail_that_is_a_code_becomes_words() -> None:
    failure = ImportFailure(NO_PROGRESS, job="bulk", attempts=3, reason="Why.", source="job")
    assert str(failure).startswith(f"The {NOUNS['bulk']} was started 3 times and stopped")


def test_lists_are_joined() -> None:
    assert "It holds a.pdf, b.pdf and 1,000 more." in NO_FILE.describe(
        {"count": 1002, "names": ["a.pdf", "b.pdf"], "more": 1000}
    )
    assert "It is empty." in NO_FILE.describe({"count": 0, "names": [], "more": 0})
