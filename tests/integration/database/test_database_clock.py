"""Everything follows the clock of the database, whatever time the machine of a process has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

import psycopg2
import pytest
from flask.testing import FlaskClient

from access import mail
from access.mail import Mail
from database import clock
from database.connect import Component, connected
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, upload
from support.paths import ROOT
from support.receiver import Receiver
from support.shifted_clock import shift_clock
from support.webhooks import emit_events, post, subscribe
from webhooks.sender import Sender

# More than a test takes, and less than the hour by which the database is ahead.
TOLERANCE_SECONDS = 600
RUN_SECONDS = 60
PROGRAM = """
import json, sys, time
from database import clock
from database.connect import Component, connected
with connected(sys.argv[1], Component.WEB):
    print(json.dumps([clock.unix_time(), time.time()]))
"""


def is_hour_ahead(at: datetime) -> bool:
    """Return whether a timestamp has the time of the database."""
    return abs(at - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=TOLERANCE_SECONDS)


@pytest.mark.parametrize("offset", [600, -600])
def test_a_process_with_a_wrong_clock_learns_the_time_when_it_connects(database_url: str, offset: int) -> None:
    command = [sys.executable, "-c", PROGRAM, database_url]
    environment = {**os.environ, **shift_clock(offset)}
    before = time.time()
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=True
    )
    after = time.time()
    shown, wrong = json.loads(result.stdout)
    assert before <= shown <= after
    assert before + offset <= wrong <= after + offset


def test_the_time_is_asked_for_again_after_a_while(
    database_url: str, own_clock: clock.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(database_url, Component.WEB) as connection:
        assert own_clock.age_seconds < clock.REFRESH_SECONDS
        now = time.clock_gettime(clock.ELAPSED_CLOCK)
        # The server's administrator corrects its clock.
        own_clock.set(0.0, now, now)
        clock.refresh(connection)
        assert clock.unix_time() < TOLERANCE_SECONDS
        monkeypatch.setattr(clock, "REFRESH_SECONDS", 0)
        clock.refresh(connection)
        assert clock.unix_time() == pytest.approx(time.time(), abs=TOLERANCE_SECONDS)
        assert not connection.autocommit


def test_a_lost_connection_is_an_error_of_the_database(database_url: str, own_clock: clock.Clock) -> None:
    with connected(database_url, Component.WEB) as connection:
        execute(database_url, "SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
        with pytest.raises(psycopg2.OperationalError):
            clock.synchronize(connection)


def test_requests_of_the_web_process_are_signed_by_it(
    database_hour_ahead: int, client: FlaskClient, shared_receiver: Receiver
) -> None:
    id = subscribe(client, shared_receiver.url("/ok/test"))
    assert client.post(f"/api/webhooks/{id}/test").json["test_result"]["success"]  # type: ignore[index]
    [request] = shared_receiver.requests("/ok/test")
    assert is_hour_ahead(datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC))


def test_a_filter_without_an_end_matches_what_the_database_has_just_written(
    client: FlaskClient, database_url: str, own_clock: clock.Clock, shared_receiver: Receiver
) -> None:
    id = subscribe(client, shared_receiver.url("/ok/filter"))
    emit_events(database_url, 2)
    answer = client.post(f"/api/webhooks/{id}/deliveries/resend", json={"filter": {}})
    assert answer.json["count"] == 2  # type: ignore[index]


def test_the_age_of_a_job_and_the_end_of_an_undo_follow_it(
    database_hour_ahead: int, client: FlaskClient, runner: ImportRunner
) -> None:
    task_id = upload(client, b"sku,name\na,b\n")
    # In this test, what the database writes is not ahead.
    age = get_import(client, task_id)["seconds_since_update"]
    assert age == pytest.approx(database_hour_ahead, abs=TOLERANCE_SECONDS)
    plan = client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}, "dry_run": True}).json
    assert plan is not None
    days = runner.retention.undo_days
    assert is_hour_ahead(datetime.fromisoformat(plan["undo_until"]) - timedelta(days=days))


def test_dates_of_receivers_are_compared_with_it(
    database_hour_ahead: int, database_url: str, sender: Sender, shared_receiver: Receiver
) -> None:
    with connected(database_url, Component.DISPATCHER):
        retry_at = datetime.now(UTC) + timedelta(hours=2)
    value = quote(format_datetime(retry_at, usegmt=True))
    response = post(sender, shared_receiver.url(f"/retry-after/{value}"))
    assert response.retry_after == pytest.approx(3600, abs=TOLERANCE_SECONDS)


def test_responses_have_its_date(database_hour_ahead: int, client: FlaskClient) -> None:
    for path in ("/", "/api/products", "/api/openapi.json"):
        [date] = client.get(path).headers.getlist("Date")
        assert is_hour_ahead(parsedate_to_datetime(date)), path


def test_mails_have_its_date(database_hour_ahead: int, database_url: str) -> None:
    with connected(database_url, Component.WEB):
        message = mail._message("shop@example.com", Mail("a@example.com", "Subject", "Text"))
    assert is_hour_ahead(parsedate_to_datetime(message["Date"]).replace(tzinfo=UTC))
