"""The hub of the live streams: its limit, its queues, and how it survives errors."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import psycopg2
import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection

from access.actors import LOCAL
from api.sse import (
    CHANGE_INTERVAL_SECONDS,
    MAX_QUEUED_EVENTS,
    ChangeSubscription,
    JobEvent,
    JobSubscription,
    StreamHub,
)
from api.topics import PRODUCTS_TOPIC, PROGRESS_CHANNEL, WEBHOOKS_TOPIC
from support.api import read_error
from support.database import execute
from support.job_streams import insert_running_job
from support.waiting import wait_for

JOB_ID = 1


class Jobs:
    """The jobs of a test in place of the table: `read` returns their current states."""

    def __init__(self) -> None:
        self.events: dict[int, JobEvent] = {}
        self.errors: queue.SimpleQueue[Exception] = queue.SimpleQueue()

    def read(self, job_ids: Iterable[int]) -> dict[int, JobEvent]:
        """Raise the next of `errors`, if any; otherwise return the events of these jobs."""
        if not self.errors.empty():
            raise self.errors.get()
        return {job_id: self.events[job_id] for job_id in job_ids if job_id in self.events}


@pytest.fixture
def jobs() -> Jobs:
    """The jobs that the hub reads; none at first."""
    return Jobs()


CreateHub = Callable[..., StreamHub]


@pytest.fixture
def create_hub(database_url: str, jobs: Jobs) -> Iterator[CreateHub]:
    """A function that creates a hub. Its threads end with the test, which must close its subscriptions."""

    def create(
        connect: Callable[[], Connection] | None = None, *, max_streams: int = 2, listen: bool = True
    ) -> StreamHub:
        open_connection = connect or (lambda: psycopg2.connect(database_url))
        return StreamHub(
            open_connection,
            jobs.read,
            lambda _actors: set(),
            max_streams=max_streams,
            listen=listen,
            keep_alive_seconds=0.05,
        )

    running_before = set(threading.enumerate())
    yield create
    wait_for("the threads have ended", lambda: set(threading.enumerate()) <= running_before, seconds=10)


def subscribe_to_job(hub: StreamHub) -> JobSubscription:
    subscription = hub.subscribe_to_job(JOB_ID, LOCAL)
    assert subscription is not None
    return subscription


def next_text(subscription: JobSubscription) -> str:
    """Return the text of the next event."""
    return next(text for text in subscription if text is not None)


def notify(url: str) -> None:
    """Send the notification that the job has changed."""
    execute(url, f"NOTIFY {PROGRESS_CHANNEL}, '{JOB_ID}'")


def test_topics_share_the_limit_of_streams(create_hub: CreateHub) -> None:
    hub = create_hub(max_streams=3)
    subscriptions: list[JobSubscription | ChangeSubscription | None] = [
        hub.subscribe_to_job(JOB_ID, LOCAL),
        hub.subscribe_to_changes(PRODUCTS_TOPIC, LOCAL),
        hub.subscribe_to_changes(WEBHOOKS_TOPIC, LOCAL),
    ]
    assert hub.streams == 3
    assert hub.subscribe_to_job(JOB_ID, LOCAL) is None
    assert hub.subscribe_to_changes(PRODUCTS_TOPIC, LOCAL) is None
    for subscription in subscriptions:
        assert subscription is not None
        subscription.close()
        # A stream can be closed by its end and by the server.
        subscription.close()
    assert hub.streams == 0


def test_a_full_queue_drops_its_oldest_events(create_hub: CreateHub) -> None:
    with subscribe_to_job(create_hub()) as subscription:
        last_revision = MAX_QUEUED_EVENTS + 10
        for revision in range(1, last_revision + 1):
            subscription.put(JobEvent(revision, str(revision), revision == last_revision))
        assert list(subscription) == [str(revision) for revision in range(11, last_revision + 1)]


def test_an_event_that_is_not_newer_is_skipped(create_hub: CreateHub) -> None:
    with subscribe_to_job(create_hub()) as subscription:
        subscription.seen_revision = 2
        for revision in (2, 3, 3, 1, 4):
            subscription.put(JobEvent(revision, str(revision), revision == 4))
        assert list(subscription) == ["3", "4"]


def test_a_job_that_was_deleted_has_no_event(create_hub: CreateHub, jobs: Jobs, database_url: str) -> None:
    with subscribe_to_job(create_hub()) as subscription:
        notify(database_url)
        assert next(iter(subscription)) is None
        jobs.events[JOB_ID] = JobEvent(1, "created", False)
        notify(database_url)
        assert next_text(subscription) == "created"


def test_the_hub_retries_after_an_unexpected_error(
    create_hub: CreateHub, jobs: Jobs, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with subscribe_to_job(create_hub()) as subscription:
        jobs.events[JOB_ID] = JobEvent(1, "first", False)
        jobs.errors.put(RuntimeError("a bug"))
        notify(database_url)
        assert next_text(subscription) == "first"
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        "Unexpected error; live updates will retry"
    ]


def test_the_hub_reports_the_current_state_once_it_is_connected(
    create_hub: CreateHub, jobs: Jobs, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    jobs.events[JOB_ID] = JobEvent(1, "current", False)
    attempts = iter([False, True])

    def connect() -> Connection:
        if not next(attempts, True):
            raise psycopg2.OperationalError("no route")
        return psycopg2.connect(database_url)

    with subscribe_to_job(create_hub(connect)) as subscription:
        assert next_text(subscription) == "current"
    assert "The database is unavailable; live updates will retry: no route" in caplog.messages


def test_the_hub_gives_up_on_the_database_once_there_are_no_streams(create_hub: CreateHub) -> None:
    def connect() -> Connection:
        raise psycopg2.OperationalError("no route")

    subscribe_to_job(create_hub(connect)).close()


def test_a_stream_beyond_the_limit_is_refused(app: Flask, create_hub: CreateHub, database_url: str) -> None:
    app.extensions["streams"] = create_hub(max_streams=0)
    task_id = insert_running_job(database_url)
    for path in (f"upload/progress/{task_id}/stream", "products/changes", "webhooks/changes"):
        read_error(app.test_client().get(f"/api/{path}"), 503, "too_many_streams")


def test_behind_a_pooler_a_change_right_after_a_subscription_is_reported(
    create_hub: CreateHub, database_url: str
) -> None:
    hub = create_hub(listen=False)
    first = hub.subscribe_to_changes(WEBHOOKS_TOPIC, LOCAL)
    # The thread polls already, so the next subscription begins between two looks.
    second = hub.subscribe_to_changes(PRODUCTS_TOPIC, LOCAL)
    assert first is not None
    assert second is not None
    with contextlib.closing(first), contextlib.closing(second):
        execute(database_url, "INSERT INTO products (sku) VALUES ('A-1')")
        reports = iter(second)
        wait_for("the report of the change", lambda: next(reports), seconds=10)


def test_changes_within_the_interval_are_reported_once_after_it(create_hub: CreateHub) -> None:
    subscription = create_hub().subscribe_to_changes(PRODUCTS_TOPIC, LOCAL)
    assert subscription is not None
    with contextlib.closing(subscription):
        reports = iter(subscription)
        subscription.put()
        reported_at = time.monotonic()
        assert next(reports)
        subscription.put()
        subscription.put()
        assert next(reports)
        assert time.monotonic() - reported_at >= CHANGE_INTERVAL_SECONDS
        assert not next(reports)
