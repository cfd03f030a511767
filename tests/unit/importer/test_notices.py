"""Notices: one of each kind, bounded, with a sentence for one and for many."""

from __future__ import annotations

import string

import pytest

from importer.notices import MAX_LINES, MAX_SAMPLES, NOTICE_KINDS, Fix, NoticeKind, Notices, sort_notices


def test_a_notice_counts_everything_and_keeps_the_first_lines_and_samples() -> None:
    notices = Notices()
    for start in range(0, 60, 10):
        lines = range(start + 2, start + 12)
        samples = [{"text": f"row {line}"} for line in lines]
        notices.add("many_rejects", count=10, lines=lines, samples=samples, percent=12)
    (notice,) = notices.to_json()
    assert notice["count"] == 60
    assert notice["lines"] == [*range(2, 2 + MAX_LINES)]
    assert notice["samples"] == [{"text": f"row {line}"} for line in range(2, 2 + MAX_SAMPLES)]
    assert notice["fix"] is None


def test_a_sentence_knows_one_from_many_and_groups_digits() -> None:
    one, many = Notices(), Notices()
    one.add("many_rejects", percent=50)
    many.add("many_rejects", count=12_345, percent=50)
    assert one.to_json()[0]["message"].startswith("1 row was rejected")
    assert many.to_json()[0]["message"].startswith("12,345 rows were rejected")


def test_long_samples_are_shortened_also_within_objects() -> None:
    notices = Notices()
    notices.add("many_rejects", samples=[{"text": "x" * 500, "line": 7, "readings": {"cp1252": "y" * 500}}], percent=11)
    (sample,) = notices.to_json()[0]["samples"]
    assert sample == {"text": "x" * 199 + "…", "line": 7, "readings": {"cp1252": "y" * 199 + "…"}}


def test_a_fix_is_an_option_of_a_retry() -> None:
    notices = Notices()
    notices.add("many_rejects", fix=Fix("Read line 3 as the header", {"header_line": 3}), percent=11)
    assert "many_rejects" in notices
    assert notices.to_json()[0]["fix"] == {"label": "Read line 3 as the header", "options": {"header_line": 3}}


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
    assert "{count}" in kind.many
    assert kind.one.endswith((".", "?"))
    assert kind.many.endswith((".", "?"))
