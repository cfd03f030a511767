"""Files of many bytes and few rows: no transaction idles, and a cancel takes effect. Files of many rows: a limit."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

import config
from database.connect import Component
from importer.jobs.heartbeat import ReadingProgress
from importer.jobs.repository import Job
from importer.pipeline.run import Observer
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, request_action
from support.jobs import create_job, create_runner, read_products, read_rejects, run_import
from support.threads import Threads
from support.waiting import wait_for

HEADER = b"sku,name\n"
BLANK_BYTES = 3_000_000
IDLE_LIMIT_MS = 200
FIND_BACKEND_SQL = """
SELECT state, state_change < clock_timestamp() - make_interval(secs => %s) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s
"""


@pytest.mark.thorough("\\r\\n", ",,,\\n")
@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b",,,\n", b"   \n"])
def test_a_transaction_does_not_idle_while_a_file_has_no_rows(
    runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, blank: bytes
) -> None:
    # A transaction that idles for longer than this is ended.
    monkeypatch.setattr(
        "database.connect.LIMIT_WAITS_SQL", f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_LIMIT_MS}"
    )
    states: list[str] = []

    class WaitInBlankLines(Observer):
        """After each chunk, wait until the connection has done nothing for longer than the limit."""

        def after_chunk(self, job: Job) -> None:
            def find_waiting_state() -> str | None:
                parameters = (2 * IDLE_LIMIT_MS / 1000, Component.IMPORTER.value)
                rows = execute(runner.database_url, FIND_BACKEND_SQL, parameters)
                return next((state for state, waits in rows if waits), None)

            states.append(wait_for("the connection waits", find_waiting_state))

    lines = blank * (BLANK_BYTES // len(blank))
    content = HEADER + lines + b"first,a\n" + lines + b",missing\n" + lines + b"last,b\n" + lines
    job = run_import(replace(runner, observer=WaitInBlankLines()), content)
    assert (job["status"], job["created_count"], job["total_records"]) == ("completed", 2, 3)
    line = content[: content.index(b",missing")].count(b"\n") + 1
    assert read_rejects(runner.database_url, job) == [(line, "missing_sku")]
    assert read_products(runner.database_url) == [("first", "a", "", True), ("last", "b", "", True)]
    # Outside of a transaction before the first row, in COPY from then on.
    assert set(states) == {"idle", "active"}
    assert states == sorted(states, reverse=True)


def repeat(lines: bytes) -> bytes:
    """Return a gzip member that is repeated until it unpacks to 4 GB."""
    unpacked = lines * ((1 << 24) // len(lines))
    return gzip.compress(unpacked, 1) * 256


@pytest.mark.thorough("members", "a line", "UTF-16", "after the header")
@pytest.mark.parametrize(
    "content",
    [
        lambda: gzip.compress(HEADER) + repeat(b"\n"),
        lambda: gzip.compress(HEADER + b"first,a\n") + repeat(b"\r\n"),
        lambda: repeat(b"\n"),
        lambda: repeat(b"  ;;\n"),
        lambda: gzip.compress(HEADER) + repeat(b"x"),
        lambda: gzip.compress(HEADER + b'a,"') + repeat(b"x" * 500 + b"\n"),
        lambda: gzip.compress(b"") * 1_000_000,
        lambda: gzip.compress(b"\xff\xfe" + HEADER.decode().encode("utf-16-le")) + repeat(b"\n\0"),
    ],
    ids=[
        "after the header",
        "after a row",
        "before the header",
        "delimiters",
        "a line",
        "a quote",
        "members",
        "UTF-16",
    ],
)
def test_reading_is_cancelled_although_there_are_no_rows(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, content: Callable[[], bytes]
) -> None:
    readings: list[ReadingProgress] = []

    def create_reading(*values: Any) -> ReadingProgress:
        readings.append(ReadingProgress(*values))
        return readings[-1]

    monkeypatch.setattr("importer.pipeline.stage.ReadingProgress", create_reading)
    task_id = create_job(runner, content(), "products.csv.gz")
    with Threads() as threads:
        threads.start(runner.run, task_id)
        wait_for("the progress moves", lambda: get_import(client, task_id)["progress"] > 0)
        assert request_action(client, task_id, "cancel")["status"] == "cancelled"
    job = get_import(client, task_id)
    assert (job["status"], read_products(runner.database_url)) == ("cancelled", [])
    # The rest of the file was not read.
    assert 0 < readings[0].share < 1


def test_a_file_with_more_rows_than_the_limit_fails_as_a_whole(settings: config.Settings) -> None:
    runner = create_runner(settings, max_rows=1000, chunk_rows=100)
    rows = b"".join(b"%d,n\n\n,,\n" % number for number in range(900)) + b",no SKU\n" * 100
    job = run_import(runner, HEADER + rows)
    assert (job["status"], job["created_count"], job["rejected_count"]) == ("completed", 900, 100)
    execute(runner.database_url, "TRUNCATE products, import_rejects")

    for more in (b"x,y\n", b",no SKU\n", b"".join(b"%d,n\n" % number for number in range(200_000))):
        job = run_import(runner, HEADER + rows + more)
        assert (job["status"], job["error_message"]) == (
            "failed",
            "The file has more than 1,000 rows, which is the limit. Split it into smaller files.",
        )
        assert read_products(runner.database_url) == []
        assert execute(runner.database_url, "SELECT count(*) FROM import_rejects") == [(0,)]
        assert execute(runner.database_url, "SELECT FROM pg_class WHERE relname LIKE 'import\\_staging%%'") == []
