"""Notices: one of each kind, bounded, with a sentence for one and for many."""

from __future__ import annotations

import json
import re
import string

import pytest

from importer.jobs.missing_limit import PARTICIPLES
from importer.notice_kinds import FINDINGS, FIX_LABELS, NOTICE_KINDS, REASONS, NoticeKind
from importer.notices import MAX_LINES, MAX_SAMPLES, Fix, Notices, show_stored, sort_notices
from importer.pipeline.other_file import UNITS, split_age
from support.paths import ROOT


def test_a_notice_counts_everything_and_keeps_the_first_lines_and_samples() -> None:
    notices = Notices()
    for start in range(0, 60, 10):
        lines = range(start + 2, start + 12)
        samples = [{"text": f"row {line}"} for line in lines]
        notices.add("many_rejects", count=10, lines=lines, samples=samples, details={"percent": 12})
    (notice,) = notices.to_json()
    assert notice["count"] == 60
    assert notice["lines"] == [*range(2, 2 + MAX_LINES)]
    assert notice["samples"] == [{"text": f"row {line}"} for line in range(2, 2 + MAX_SAMPLES)]
    assert notice["fix"] is None


def test_a_sentence_knows_one_from_many_and_groups_digits() -> None:
    one, many = Notices(), Notices()
    one.add("many_rejects", details={"percent": 50})
    many.add("many_rejects", count=12_345, details={"percent": 50})
    assert one.to_json()[0]["message"].startswith("1 row was rejected")
    assert many.to_json()[0]["message"].startswith("12,345 rows were rejected")


def test_long_samples_are_shortened_also_within_objects() -> None:
    notices = Notices()
    notices.add(
        "many_rejects",
        samples=[{"text": "x" * 500, "line": 7, "readings": {"cp1252": "y" * 500}}],
        details={"percent": 11},
    )
    (sample,) = notices.to_json()[0]["samples"]
    assert sample == {"text": "x" * 199 + "…", "line": 7, "readings": {"cp1252": "y" * 199 + "…"}}


def test_a_fix_is_an_option_of_a_retry() -> None:
    notices = Notices()
    notices.add(
        "many_rejects", fix=Fix("use_header_line", {"header_line": 1200}, {"line": 1200}), details={"percent": 11}
    )
    assert "many_rejects" in notices
    assert notices.to_json()[0]["fix"] == {
        "code": "use_header_line",
        "label": "Use line 1,200 as the header",
        "details": {"line": 1200},
        "options": {"header_line": 1200},
    }


def test_a_notice_has_the_facts_of_its_sentence_and_no_others() -> None:
    notices = Notices()
    notices.add("many_rejects", count=2, details={"percent": 11})
    assert notices.to_json()[0]["details"] == {"percent": 11}
    notices.add("long_numbers", details={"percent": 11})
    with pytest.raises(ValueError, match="Declare them"):
        notices.to_json()


def test_a_stored_notice_of_an_older_version_is_completed() -> None:
    fix = {"label": "Accept short rows", "options": {"short_rows": "accept"}}
    old = {"code": "short_rows", "message": "One.", "count": 1, "lines": [], "samples": [], "fix": fix}
    shown_fix = {**fix, "code": None, "details": {}}
    shown = {**old, "details": {}, "fix": shown_fix, "fixes": [shown_fix]}
    assert show_stored([old]) == show_stored([{**old, "fixes": [fix]}]) == [shown]
    assert show_stored([{**old, "fix": None}])[0]["fixes"] == []


def test_the_page_has_the_text_of_every_kind_with_no_other_arguments() -> None:
    for kind in NOTICE_KINDS.values():
        assert read_arguments(f"notice.{kind.code}").keys() <= {"count", *kind.details}
    assert read_codes("notice.") == NOTICE_KINDS.keys()
    for code, label in FIX_LABELS.items():
        assert read_arguments(f"fix.{code}").keys() == {
            name for _, name, _, _ in string.Formatter().parse(label) if name
        }
    assert read_codes("fix.") == FIX_LABELS.keys()


@pytest.mark.parametrize(
    ("kind", "name", "codes"),
    [
        ("looks_like_another_file", "finding", set(FINDINGS)),
        ("looks_like_another_file", "unit", {unit for unit, _ in UNITS}),
        ("missing_products", "action", set(PARTICIPLES)),
        ("missing_products", "limit_check", {"exceeded", "kept"}),
        ("encoding_uncertain", "reason", set(REASONS)),
        ("encoding_uncertain", "extent", {"at_least", "exact"}),
    ],
)
def test_the_text_of_the_page_has_all_codes_of_a_detail_but_one_for_others(
    kind: str, name: str, codes: set[str]
) -> None:
    chosen = set(re.findall(r"'(\w+)'", read_arguments(f"notice.{kind}")[name]))
    assert chosen - {"other"} < codes
    assert len(codes - chosen) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than a minute"), (60, "1 minute"), (3599, "59 minutes"), (7200, "2 hours"), (90_000, "1 day")],
)
def test_an_age_is_in_words(seconds: int, words: str) -> None:
    age, unit = split_age(seconds)
    details = {"finding": "same_content", "name": "a.csv", "age": age, "unit": unit}
    assert f"imported {words} ago, as" in NOTICE_KINDS["looks_like_another_file"].format_message(1, details)


def read_arguments(key: str) -> dict[str, str]:
    """Return the arguments of a text of the page with their types. It has the same ones in each language."""
    types = (ROOT / "static" / "js" / "core" / "message-types.d.ts").read_text("utf-8")
    found = re.search(rf"^  '{re.escape(key)}': (?:null|{{ (.*) }});$", types, re.MULTILINE)
    assert found, f"Add the text {key} to the catalogues, and run `npm run message-types`."
    return dict(argument.split(": ", 1) for argument in (found[1] or "").split("; ") if argument)


def read_codes(prefix: str) -> set[str]:
    """Return the codes that have a German text with this prefix."""
    texts = json.loads((ROOT / "static" / "locales" / "de.json").read_text("utf-8"))
    return {key.removeprefix(prefix) for key in texts if key.startswith(prefix)}


def test_unknown_notices_of_other_versions_come_last() -> None:
    first = next(iter(NOTICE_KINDS))
    assert [notice["code"] for notice in sort_notices([{"code": "from_the_future"}, {"code": first}])] == [
        first,
        "from_the_future",
    ]


@pytest.mark.parametrize("kind", NOTICE_KINDS.values(), ids=lambda kind: kind.code)
def test_the_sentences_of_a_kind_need_the_same_details_and_are_sentences(kind: NoticeKind) -> None:
    needed = [
        {name for _, name, _, _ in string.Formatter().parse(template) if name} - {"count"}
        for template in (kind.one, kind.many)
    ]
    assert needed[0] == needed[1]
    assert kind.one.endswith((".", "?"))
    assert kind.many.endswith((".", "?"))
