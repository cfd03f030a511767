"""Log lines as text or as JSON, with the request and the job that they belong to.

A line of JSON has `time` (RFC 3339, in UTC), `level`, `logger` and `message`, and if there are any `request_id`,
`task_id` and `exception`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from logging.handlers import WatchedFileHandler
from types import TracebackType
from typing import TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from monitoring import context

TEXT, JSON = "text", "json"
TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s%(context)s"
JSON_FIELDS = ("levelname", "name", "message")
JSON_NAMES = {"levelname": "level", "name": "logger", "exc_info": "exception"}
# Celery adds `data` to some records, with the arguments of a task.
LEFT_OUT = ("context", "data")

log = logging.getLogger(__name__)


class Handler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream, stderr by default. A closed stream is no error: the process must go on working."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a stream that is closed, and report everything else as usual."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


class ContextFilter(logging.Filter):
    """Adds the request and the job to a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set `request_id` and `task_id` if there are any, and `context` for a line of text."""
        ids = {"request_id": context.current_request_id(), "task_id": context.current_task_id()}
        known = {name: id for name, id in ids.items() if id}
        vars(record).update(known)
        parts = [f"{name.removesuffix('_id')} {id}" for name, id in known.items()]
        record.context = f" [{', '.join(parts)}]" if parts else ""
        return True


def create_formatter(log_format: str, text_format: str = TEXT_FORMAT) -> logging.Formatter:
    """Return the formatter of the setting LOG_FORMAT."""
    if log_format != JSON:
        return logging.Formatter(text_format)
    return JsonFormatter(
        JSON_FIELDS,
        rename_fields=JSON_NAMES,
        timestamp="time",
        reserved_attrs=[*RESERVED_ATTRS, *LEFT_OUT],
    )


def prepare(handler: logging.Handler, log_format: str, text_format: str = TEXT_FORMAT) -> logging.Handler:
    """Let a handler write lines in the format of the setting LOG_FORMAT, and return it."""
    handler.setFormatter(create_formatter(log_format, text_format))
    handler.addFilter(ContextFilter())
    return handler


def configure(log_format: str, *, level: int = logging.INFO, file: str | None = None) -> None:
    """Write the log lines of this process to stderr, or append them to a file.

    Calling it again replaces what an earlier call did. Does nothing if someone else has set up logging before, such as
    a test.
    """
    root = logging.getLogger()
    ours = [handler for handler in root.handlers if getattr(handler, "is_of_product", False)]
    if len(ours) < len(root.handlers):
        return
    for handler in ours:
        root.removeHandler(handler)
        handler.close()
    # Importing it decides whether metrics are shared, which a worker must do before.
    from monitoring.errors import ErrorCounter

    lines: logging.Handler = WatchedFileHandler(file, encoding="utf-8") if file else Handler()
    for handler in (prepare(lines, log_format), ErrorCounter()):
        handler.is_of_product = True  # type: ignore[attr-defined]
        root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if log_format == JSON:
        logging.captureWarnings(True)
    threading.excepthook = _log_end_of_thread
    sys.excepthook = _log_end_of_process


def _log_end_of_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):
        name = failure.thread.name if failure.thread else "unknown"
        log.error("A thread has ended with an error: %s", name, exc_info=failure.exc_value)


def _log_end_of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    with contextlib.suppress(Exception):
        log.critical("The process ends because of an unexpected error", exc_info=(kind, error, trace))


def talk(log_format: str, name: str) -> None:
    """Write the lines of a logger and of those below it to stdout, for the person who started the program.

    As text they are sentences without time and level. All other lines are warnings or worse, and go to stderr.
    """
    configure(log_format, level=logging.WARNING)
    speaker = logging.getLogger(name)
    speaker.addHandler(prepare(Handler(sys.stdout), log_format, "%(message)s"))
    speaker.setLevel(logging.INFO)
    speaker.propagate = False
