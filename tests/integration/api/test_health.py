"""GET /api/health."""

from __future__ import annotations

import shutil
import threading
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

import celery_app
import config
from api import health_details
from catalogue import search_index_builds, search_indexes
from database.connect import Component, connected
from importer.pipeline.runner import ImportRunner
from support.api import read_json
from support.database import execute, url_of
from support.jobs import create_job
from support.threads import Threads
from support.waiting import wait_for

pytestmark = pytest.mark.usefixtures("own_broker")


def read_parts(client: FlaskClient, status: int = 200) -> dict[str, Any]:
    """Return the health without its details."""
    health: dict[str, Any] = read_json(client.get("/api/health"), status)
    del health["details"]
    return health


def read_details(client: FlaskClient) -> Any:
    """Return the details of the health, whose worker is down."""
    return read_json(client.get("/api/health"), 503)["details"]


def test_health_says_which_part_is_down_and_which_version_runs(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_up = {"status": "healthy", "database": "up", "broker": "up", "worker": "up", "version": config.VERSION}
    assert read_parts(client, 503) == {**all_up, "status": "unhealthy", "worker": "down"}

    execute(settings.database_url, "INSERT INTO workers (name) VALUES ('one')")
    assert read_parts(client) == all_up

    execute(settings.database_url, "UPDATE workers SET seen_at = now() - interval '1 hour'")
    assert read_json(client.get("/api/health"), 503)["worker"] == "down"

    unreachable = config.load({"CELERY_BROKER_URL": "amqp://guest@127.0.0.1:1//"})
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(unreachable))
    assert read_json(client.get("/api/health"), 503)["broker"] == "down"


def test_the_details_tell_how_many_imports_wait_and_for_how_long(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    details = read_details(client)
    free = details.pop("disk_free_bytes")
    del details["search_index"]
    assert details == {"queue_length": 0, "oldest_pending_seconds": 0, "version": config.VERSION}
    assert 0 < free <= shutil.disk_usage(settings.upload_dir).total

    first, second, running = (create_job(runner, b"sku\n") for _ in range(3))
    set_age = "UPDATE import_jobs SET updated_at = now() - make_interval(mins => %s), status = %s WHERE task_id = %s"
    execute(settings.database_url, set_age, (10, "pending", first))
    execute(settings.database_url, set_age, (5, "pending", second))
    execute(settings.database_url, set_age, (60, "processing", running))
    details = read_details(client)
    assert details["queue_length"] == 2
    assert 600 <= details["oldest_pending_seconds"] < 3000


def test_a_detail_that_cannot_be_read_is_null_and_the_others_are_read(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_cursor: object) -> int:
        raise ValueError("a bug")

    monkeypatch.setitem(health_details.DATABASE_DETAILS, "queue_length", fail)
    settings.upload_dir.rename(settings.upload_dir.with_name("elsewhere"))
    execute(settings.database_url, "INSERT INTO workers (name) VALUES ('one')")
    health = read_json(client.get("/api/health"))
    assert health["status"] == "healthy"
    assert health["details"] == {
        "queue_length": None,
        "oldest_pending_seconds": 0,
        "search_index": {"age_seconds": None, "recent_rows": 0, "error": None},
        "disk_free_bytes": None,
        "version": config.VERSION,
    }
    assert "The health detail queue_length could not be read: a bug" in caplog.text


def test_details_of_a_locked_table_are_null(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health_details, "STATEMENT_TIMEOUT_MS", 100)
    execute(settings.database_url, "INSERT INTO workers (name) VALUES ('one')")
    connection = psycopg2.connect(settings.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE import_jobs")
        health = read_json(client.get("/api/health"))
    connection.close()
    assert (health["status"], health["database"]) == ("healthy", "up")
    assert (health["details"]["queue_length"], health["details"]["oldest_pending_seconds"]) == (None, None)
    # The second detail of a slow database is not even tried.
    assert caplog.text.count("could not be read") == 1
    assert read_json(client.get("/api/health"))["details"]["queue_length"] == 0


def test_a_disk_that_does_not_answer_delays_no_answer(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answered = threading.Event()

    def hang(_folder: object) -> None:
        answered.wait()
        raise OSError("the disk is gone")

    monkeypatch.setattr(health_details, "DISK_TIMEOUT_SECONDS", 0.1)
    execute(settings.database_url, "INSERT INTO workers (name) VALUES ('one')")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", hang)
        for _ in range(2):
            health = read_json(client.get("/api/health"))
            assert (health["status"], health["details"]["disk_free_bytes"]) == ("healthy", None)
        assert caplog.text.count("The disk has not answered within 0.1 s.") == 2
        # Only one thread waits for the disk.
        assert [thread.name for thread in threading.enumerate()].count("disk-reader") == 1
        answered.set()
        wait_for("the thread ends", lambda: "disk-reader" not in [thread.name for thread in threading.enumerate()])
    assert read_json(client.get("/api/health"))["details"]["disk_free_bytes"] > 0


def test_health_checks_at_the_same_time_share_one_reading_of_the_disk(
    app: Flask, settings: config.Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started, answer = threading.Event(), threading.Event()
    read_usage = shutil.disk_usage

    def read_slowly(folder: Any) -> Any:
        started.set()
        answer.wait()
        return read_usage(folder)

    monkeypatch.setattr(health_details, "DISK_TIMEOUT_SECONDS", 60)
    monkeypatch.setattr(shutil, "disk_usage", read_slowly)
    free: list[int] = []

    def check() -> None:
        with app.test_client() as client:
            free.append(read_json(client.get("/api/health"), 503)["details"]["disk_free_bytes"])

    with Threads() as threads:
        threads.start(check)
        assert started.wait(60)
        second = threads.start(check)
        # The second check would end by itself if it did not wait for the reading of the first one.
        second.join(1)
        assert second.is_alive()
        answer.set()
    assert all(free) and len(free) == 2
    assert "could not be read" not in caplog.text


def test_details_of_the_database_are_null_while_it_is_down(
    client: FlaskClient, settings: config.Settings, caplog: pytest.LogCaptureFixture
) -> None:
    name = settings.database_url.partition("?")[0].rpartition("/")[2]
    server = url_of(settings.database_url, "postgres")
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    health = read_json(client.get("/api/health"), 503)
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (health["database"], health["worker"]) == ("down", "unknown")
    assert (health["details"]["queue_length"], health["details"]["oldest_pending_seconds"]) == (None, None)
    assert health["details"]["disk_free_bytes"] > 0
    assert "could not be read" not in caplog.text


def test_health_says_how_current_the_search_indexes_are(client: FlaskClient, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku) VALUES ('A'), ('B')")
    assert client.get("/api/health").get_json()["details"]["search_index"]["recent_rows"] == 2
    assert search_indexes.build_indexes(database_url)
    execute(database_url, "INSERT INTO products (sku) VALUES ('C')")
    with connected(database_url, Component.SEARCH_INDEX) as connection, connection, connection.cursor() as cursor:
        search_index_builds.record_start(cursor, "text")
        search_index_builds.record_failure(cursor, "text", "could not extend file: No space left on device")
    health = client.get("/api/health").get_json()["details"]["search_index"]
    assert health["age_seconds"] >= 0
    assert health["recent_rows"] == 1
    assert health["error"] == "text: could not extend file: No space left on device"
