"""Counts unexpected errors: log records of the level ERROR or above that have a traceback."""

from __future__ import annotations

import logging

from monitoring.metrics import ERROR_PACKAGES, OTHER, UNEXPECTED_ERRORS


class ErrorCounter(logging.Handler):
    """Counts unexpected errors by the package that logs them."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        """Count the record if it has a traceback."""
        if record.exc_info and record.exc_info[0] is not None:
            package = record.name.partition(".")[0]
            UNEXPECTED_ERRORS.labels(package if package in ERROR_PACKAGES else OTHER).inc()
