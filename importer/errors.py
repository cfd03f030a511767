"""The exceptions that end or interrupt an import."""

from __future__ import annotations


class ImportFailure(Exception):
    """The import cannot succeed, now or later. The message is the sentence that the job shows."""


class UnusableFile(ImportFailure):
    """The file as a whole cannot be imported."""


class LeaseLost(Exception):
    """Another worker holds the lease, or the job has ended. Unwritten work must be discarded."""


class Interrupted(Exception):
    """The import stopped between two transactions and continues with the next message."""
