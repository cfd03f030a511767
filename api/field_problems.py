"""What is wrong with a field of a request: a sentence that also has a code and details for programs."""

from __future__ import annotations

from typing import Any


class FieldProblem(str):
    """A sentence about a field. marshmallow passes it on like any other one, and the 400 shows its code and details."""

    __slots__ = ("code", "details")

    code: str
    details: dict[str, Any]

    def __new__(cls, code: str, sentence: str, **details: Any) -> FieldProblem:
        """Return the sentence; `details` are the facts in it, by name."""
        problem = super().__new__(cls, sentence)
        problem.code = code
        problem.details = details
        return problem

    def format(self, *_args: object, **_kwargs: object) -> FieldProblem:
        """Return the problem itself: marshmallow would fill in a template, which a sentence is not."""
        return self


def find_problems(fields: dict[str, list[str]]) -> dict[str, list[dict[str, Any] | None]]:
    """Return the codes and details of the sentences about each field, None for a sentence without a code.

    A field whose sentences have no code at all is left out.
    """
    return {
        name: [_to_json(sentence) for sentence in sentences]
        for name, sentences in fields.items()
        if any(isinstance(sentence, FieldProblem) for sentence in sentences)
    }


def _to_json(sentence: str) -> dict[str, Any] | None:
    return {"code": sentence.code, "details": sentence.details} if isinstance(sentence, FieldProblem) else None
