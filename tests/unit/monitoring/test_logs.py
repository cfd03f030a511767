"""Log lines as text and as JSON, and the request and the job that they name."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from monitoring import context, logs
from monitoring.errors import ErrorCounter
from monitoring.metrics import REGISTRY
from support.paths import ROOT

RFC_3339_RE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}\+00:00")


class Lines:
    """A logger and what it has written."""

    def __init__(self, log_format: str) -> None:
        self.stream = io.StringIO()
        self.handler = logs.prepare(logs.Handler(self.stream), log_format)
        self.log = logging.Logger("importer.test")
        self.log.addHandler(self.handler)

    def read(self) -> list[dict[str, Any]]:
        """Return the lines, which must be JSON."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def no_context() -> Iterator[None]:
    """A thread that works for nobody, whatever earlier tests have left open."""
    context.set_request_id(None)
    context.set_task_id(None)
    yield
    context.set_request_id(None)
    context.set_task_id(None)


def test_a_line_of_json_has_the_documented_fields() -> None:
    lines = Lines("json")
    lines.log.warning("%s wörks\nnow", "It")
    (line,) = lines.read()
    assert RFC_3339_RE.fullmatch(line.pop("time"))
    assert line == {"level": "WARNING", "logger": "importer.test", "message": "It wörks\nnow"}


def test_a_line_of_json_can_be_written_in_any_encoding() -> None:
    lines = Lines("json")
    lines.log.warning("%s", "wörks \ud800")
    assert lines.stream.getvalue().isascii()
    assert [line["message"] for line in lines.read()] == ["wörks \ud800"]


def test_a_line_of_json_has_the_exception_and_no_unknown_fields() -> None:
    lines = Lines("json")
    try:
        raise ValueError("a bug")
    except ValueError:
        lines.log.exception("It failed", extra={"data": {"args": "a secret"}})
    (line,) = lines.read()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: a bug")
    assert "secret" not in lines.stream.getvalue()


def test_a_value_that_is_no_json_does_not_lose_the_line() -> None:
    lines = Lines("json")
    lines.log.warning("%s", "\ud800")
    lines.log.warning("%r", object())
    assert len(lines.stream.getvalue().splitlines()) == 2


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_names_the_request_and_the_job_as_long_as_the_thread_works_for_them(log_format: str) -> None:
    lines = Lines(log_format)
    context.set_request_id("r-1")
    with context.working_on("t-1"):
        lines.log.warning("one")
    lines.log.warning("two")
    context.set_request_id(None)
    lines.log.warning("three")
    if log_format == "json":
        ids = [(line.get("request_id"), line.get("task_id")) for line in lines.read()]
        assert ids == [("r-1", "t-1"), ("r-1", None), (None, None)]
    else:
        ends = [line.partition(": ")[2] for line in lines.stream.getvalue().splitlines()]
        assert ends == ["one [request r-1, task t-1]", "two [request r-1]", "three"]


def test_a_thread_names_them_only_if_its_function_was_carried() -> None:
    seen: list[str | None] = []

    def look() -> None:
        seen.append(context.current_task_id())
        context.set_task_id("another")

    with context.working_on("t-1"):
        thread = threading.Thread(target=context.carry(look))
        with ThreadPoolExecutor(1) as executor:
            executor.submit(look).result()
            executor.submit(context.carry(look)).result()
        # Each call of `carry` is a copy, so two threads can work at the same time.
        thread.start()
        thread.join()
        assert context.current_task_id() == "t-1"
    assert seen == [None, "t-1", "t-1"]


@pytest.mark.parametrize("given", ["5f0c", "Root=1-67891233-abcdef012345678912345678", "a" * 100, "A/b:c.d_e+f@g"])
def test_usual_ids_of_other_processes_are_accepted(given: str) -> None:
    assert context.accept_request_id(given) == given


@pytest.mark.parametrize("given", ["", "a" * 101, "a b", "a\nb", "ä", "a%sb", "a]", "{a}", '"', None, 7, ["a"]])
def test_other_ids_are_not_accepted(given: object) -> None:
    assert context.accept_request_id(given) is None


def test_new_ids_are_accepted_and_differ() -> None:
    ids = {context.new_request_id() for _ in range(10)}
    assert len(ids) == 10
    assert all(context.accept_request_id(id) for id in ids)


def test_a_closed_stream_does_not_disturb(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    handler = logs.prepare(logs.Handler(Broken()), "text")
    handler.handle(logging.makeLogRecord({"msg": "lost"}))
    assert capsys.readouterr().err == ""


def test_logging_that_somebody_else_has_set_up_stays_as_it_is() -> None:
    handlers = list(logging.getLogger().handlers)
    assert handlers
    logs.configure("json")
    assert logging.getLogger().handlers == handlers


def test_only_errors_with_a_traceback_are_counted_under_few_names() -> None:
    def count(package: str) -> float:
        return REGISTRY.get_sample_value("acme_unexpected_errors_total", {"package": package}) or 0

    before = {name: count(name) for name in ("webhooks", "other")}
    log = logging.Logger("webhooks.sender")
    log.addHandler(ErrorCounter())
    log.error("a sentence for the operator")
    for level in (log.exception, log.warning):
        try:
            raise ValueError
        except ValueError:
            level("it failed", exc_info=True)
    log.name = "a-name-that-a-library-made-up.x"
    try:
        raise ValueError
    except ValueError:
        log.exception("it failed")
    assert count("webhooks") - before["webhooks"] == 1
    assert count("other") - before["other"] == 1


TALK_PROGRAM = """
import logging, sys
from monitoring import logs
logs.talk(sys.argv[1], "embedded")
logging.getLogger("embedded.supervision").info("It is running")
logging.getLogger("alembic").info("a detail")
logging.getLogger("database").warning("a problem")
import threading
thread = threading.Thread(target=lambda: 1 / 0, name="broken")
thread.start()
thread.join()
raise ValueError("a bug")
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_program_talks_on_stdout_and_warns_on_stderr(log_format: str) -> None:
    command = [sys.executable, "-c", TALK_PROGRAM, log_format]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    if log_format == "text":
        assert result.stdout == "It is running\n"
        assert result.stderr.count("WARNING database: a problem\n") == 1
        assert "ERROR monitoring.logs: A thread has ended with an error: broken\nTraceback" in result.stderr
        assert result.stderr.endswith("ValueError: a bug\n")
        return
    (said,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (said["logger"], said["message"]) == ("embedded.supervision", "It is running")
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["WARNING", "ERROR", "CRITICAL"]
    assert ["Error: " in line.get("exception", "") for line in lines] == [False, True, True]
