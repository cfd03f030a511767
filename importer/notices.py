"""Notices: what a person should know about a file beside its rejected rows.

Each part of the importer that repairs, skips or doubts something in a file adds a notice here. A job shows them on its
check and on its result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from importer.notice_kinds import NOTICE_KINDS, NoticeKind, format_label

MAX_LINES = 20
MAX_SAMPLES = 5
MAX_SAMPLE_CHARACTERS = 200


class Fix(NamedTuple):
    """Options of a retry that settle a notice. The label of their button has a code of `FIX_LABELS` and `details`."""

    code: str
    options: Mapping[str, Any]
    details: Mapping[str, Any] = {}

    def to_json(self) -> dict[str, Any]:
        """Return the fix as clients see it."""
        return {
            "code": self.code,
            "label": format_label(self.code, self.details),
            "details": dict(self.details),
            "options": dict(self.options),
        }


@dataclass
class Notice:
    """A notice about `count` rows, or other places of a file.

    `lines` are the lines of the first of them, counted from 1. A sample is an object with the key `text`, and others
    that depend on the code. `details` fill in the sentence. A retry can choose one of `fixes`.
    """

    kind: NoticeKind
    count: int = 0
    lines: list[int] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    fixes: Sequence[Fix] = ()

    @property
    def message(self) -> str:
        """What was found and what to do, in a sentence or two."""
        return self.kind.format_message(self.count, self.details)

    def to_json(self) -> dict[str, Any]:
        """Return the notice as clients see it."""
        shown = [fix.to_json() for fix in self.fixes]
        return {
            "code": self.kind.code,
            "message": self.message,
            "details": self.details,
            "count": self.count,
            "lines": self.lines,
            "samples": self.samples,
            "fix": shown[0] if len(shown) == 1 else None,
            "fixes": shown,
        }


class Notices:
    """The notices about one file, at most one of each kind."""

    def __init__(self) -> None:
        self._notices: dict[str, Notice] = {}

    def add(
        self,
        code: str,
        *,
        count: int = 1,
        lines: Iterable[int] = (),
        samples: Iterable[Mapping[str, Any]] = (),
        fix: Fix | None = None,
        fixes: Sequence[Fix] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add places to the notice with this code, one of `NOTICE_KINDS`.

        Only the first lines and samples are kept. Texts of samples are shortened. `details` are those of the kind, and
        replace earlier ones. So does `fix`, or `fixes` if there is a choice between several.
        """
        notice = self._notices.setdefault(code, Notice(NOTICE_KINDS[code]))
        notice.count += count
        for line, _ in zip(lines, range(MAX_LINES - len(notice.lines)), strict=False):
            notice.lines.append(line)
        for sample, _ in zip(samples, range(MAX_SAMPLES - len(notice.samples)), strict=False):
            notice.samples.append({key: _shorten(value) for key, value in sample.items()})
        notice.details = dict(details or {})
        notice.fixes = fixes or ([fix] if fix else notice.fixes)

    def __contains__(self, code: str) -> bool:
        return code in self._notices

    def to_json(self) -> list[dict[str, Any]]:
        """Return the notices as clients see them."""
        return sort_notices([notice.to_json() for notice in self._notices.values()])


def show_stored(notices: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return stored notices as clients see them. Those of older versions lack what was added since."""
    shown = []
    for notice in sort_notices(notices):
        stored = notice.get("fixes") or [notice["fix"]] * bool(notice.get("fix"))
        fixes = [{"code": None, "details": {}, **fix} for fix in stored]
        fix = fixes[0] if len(fixes) == 1 else None
        shown.append({"details": {}, **notice, "fix": fix, "fixes": fixes})
    return shown


def sort_notices(notices: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return notices in the order in which clients see them."""
    ranks = {code: rank for rank, code in enumerate(NOTICE_KINDS)}
    return sorted(notices, key=lambda notice: ranks.get(notice["code"], len(ranks)))


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_SAMPLE_CHARACTERS:
        return value[: MAX_SAMPLE_CHARACTERS - 1] + "…"
    if isinstance(value, Mapping):
        return {key: _shorten(part) for key, part in value.items()}
    return value
