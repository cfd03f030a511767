"""What can end or interrupt an import."""


class ImportFailure(Exception):
    """The import cannot succeed, now or later; the message is the sentence that its job shows."""


class UnusableFile(ImportFailure):
    """The file as a whole cannot be imported."""


class LeaseLost(Exception):
    """Another worker has taken the job over, or somebody ended it; what was in work must not be written."""


class Interrupted(Exception):
    """The import stopped in good order before its end and goes on under the next message."""
