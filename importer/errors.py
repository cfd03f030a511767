"""The exceptions that end or interrupt an import, and the kinds of failures.

A module declares the failures that it raises as `FailureKind` constants. `raise UnusableFile(KIND, limit=5)` gives the
details from which the sentence is built, so that clients can build the same sentence in another language.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter

# A name, a number, or several names, as JSON.
Detail = str | int | float | list[str]


@dataclass(frozen=True)
class FailureKind:
    """A kind of failure. `code` identifies it and never changes.

    `sentence` is the template of its English sentence, or a function that returns it. The fields of the template, or
    the parameters of the function, are the names of the details. A detail that is a code stands in `words`, with the
    English words for each value. Other languages need the details in `extra` besides.
    """

    code: str
    sentence: str | Callable[..., str]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    extra: frozenset[str] = frozenset()

    @property
    def details(self) -> frozenset[str]:
        """The names of the details."""
        return self.extra.union(self._names())

    def describe(self, details: Mapping[str, Detail]) -> str:
        """Return the English sentence."""
        if callable(self.sentence):
            return self.sentence(**details)
        shown = {name: self.words[name][str(value)] if name in self.words else value for name, value in details.items()}
        return self.sentence.format(**shown)

    def _names(self) -> Iterator[str]:
        if callable(self.sentence):
            yield from inspect.signature(self.sentence).parameters
        else:
            yield from (name for _, name, _, _ in Formatter().parse(self.sentence) if name)


class ImportFailure(Exception):
    """The job cannot succeed, now or later. The message is the sentence that the job shows."""

    def __init__(self, kind: FailureKind, **details: Detail) -> None:
        super().__init__(kind.describe(details))
        self.kind = kind
        self.details = details

    @property
    def code(self) -> str:
        """The code for programs."""
        return self.kind.code


class UnusableFile(ImportFailure):
    """The file as a whole cannot be imported."""


class Interruption(Exception):
    """The job cannot go on now, but later: it stops in good order and continues with another message."""

    def __init__(self, reason: ImportFailure) -> None:
        super().__init__(str(reason))
        self.reason = reason


class LeaseLost(Exception):
    """Another worker holds the lease, or the job has ended. Unwritten work must be discarded."""


class Interrupted(Exception):
    """The job stopped between two transactions and continues with another message."""
