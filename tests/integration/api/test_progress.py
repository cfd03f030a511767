"""Streams of the progress of an import, on real web and worker processes."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from flask import Flask

from access.actors import Actor
from api.sse import KEEP_ALIVE_SECONDS, JobSubscription, StreamHub
from support.job_streams import (
    CANCELLED,
    COMPLETED,
    FAILED,
    insert_running_job,
    parse_events,
    read_events,
    update_job,
)
from support.paths import SAMPLE
from support.processes import Processes
from support.waiting import wait_for
from support.web import (
    REQUEST_SECONDS,
    WebProcess,
    count_connections,
    count_listening_connections,
    end_connections,
)

# The contract promises a comment line at least this often.
MAX_KEEP_ALIVE_SECONDS = 15
# The listener, a request, and two connections that stay in the pool.
MAX_CONNECTIONS = 4


def progress_path(task_id: str) -> str:
    return f"/upload/progress/{task_id}"


def stream_path(task_id: str) -> str:
    return f"{progress_path(task_id)}/stream"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Small slices, so that an import changes its progress often."""
    return {**environment, "SLICE_ROWS": "100", "CHUNK_ROWS": "100"}


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A web process that has not been started."""
    return WebProcess(processes, free_port)


def test_a_stream_reports_an_import_from_its_upload_to_its_end(web: WebProcess, processes: Processes) -> None:
    web.start()
    files = {"file": ("a.csv", SAMPLE.read_bytes())}
    upload = requests.post(f"{web.api_url}/upload", files=files, timeout=REQUEST_SECONDS)
    task_id = upload.json()["task_id"]
    polled_jobs = [web.call("GET", progress_path(task_id))]

    def poll() -> None:
        while polled_jobs[-1]["status"] not in {"completed", "failed"}:
            polled_jobs.append(web.call("GET", progress_path(task_id)))

    poller = threading.Thread(target=poll)
    with web.open_stream(stream_path(task_id)) as response:
        stream = read_events(response)
        first_event = next(stream)
        # No worker runs yet, and the first event arrives all the same.
        assert first_event[1]["status"] == "pending"
        processes.start_worker()
        poller.start()
        events = [first_event, *stream]
    poller.join()
    numbers = [number for number, _ in events]
    assert numbers == sorted(set(numbers))
    assert len(events) > 3
    for jobs in ([job for _, job in events], polled_jobs):
        for field in ("progress", "processed_records", "rows_read", "rows_written", "updated_at"):
            values = [job[field] for job in jobs]
            assert values == sorted(values), field
        assert all((job["progress"] == 100) == (job["status"] == "completed") for job in jobs)
    assert [job["status"] for _, job in events].count("completed") == 1
    last_job = events[-1][1]
    assert last_job == web.call("GET", progress_path(task_id))
    assert (last_job["processed_records"], last_job["total_records"]) == (2000, 2000)


def test_a_stream_of_an_ended_job_has_its_final_state_and_ends(web: WebProcess, database_url: str) -> None:
    web.start()
    for ending in (COMPLETED, FAILED, CANCELLED):
        task_id = insert_running_job(database_url)
        update_job(database_url, task_id, ending)
        with web.open_stream(stream_path(task_id)) as response:
            assert list(read_events(response)) == [(2, web.call("GET", progress_path(task_id)))]


def test_a_client_that_reconnects_gets_the_current_state(web: WebProcess, database_url: str) -> None:
    web.start()
    task_id = insert_running_job(database_url)
    with web.open_stream(stream_path(task_id)) as response:
        assert next(read_events(response))[0] == 1
    update_job(database_url, task_id, "progress = 10")
    update_job(database_url, task_id, "progress = 20")
    for last_event_id in ("1", "2", "3", "999", "nonsense"):
        with web.open_stream(stream_path(task_id), **{"Last-Event-ID": last_event_id}) as response:
            number, job = next(read_events(response))
            assert (number, job["progress"]) == (3, 20)


def test_beyond_the_limit_of_streams_clients_can_poll(web: WebProcess, database_url: str) -> None:
    web.start(MAX_STREAMS="2")
    path = stream_path(insert_running_job(database_url))
    task_id = path.split("/")[-2]
    with web.open_stream(path) as first, web.open_stream(path) as second:
        streams = [read_events(first), read_events(second)]
        assert [next(stream)[0] for stream in streams] == [1, 1]
        with web.open_stream(path) as third:
            assert (third.status_code, third.json()["code"]) == (503, "too_many_streams")
        assert web.call("GET", progress_path(task_id))["status"] == "processing"
        update_job(database_url, task_id, COMPLETED)
        assert [[job["status"] for _, job in stream] for stream in streams] == [["completed"]] * 2
    with web.open_stream(stream_path(insert_running_job(database_url))) as fourth:
        assert next(read_events(fourth))[0] == 1


def test_a_client_that_disconnects_frees_its_place(web: WebProcess, database_url: str) -> None:
    web.start(MAX_STREAMS="1")
    path = stream_path(insert_running_job(database_url))
    with web.open_stream(path) as response:
        next(read_events(response))

    def is_accepted() -> bool:
        with web.open_stream(path) as another:
            return another.status_code == 200

    assert not is_accepted()
    # The job does not change, so only the keep-alive notices that the client has disconnected.
    wait_for("the place is free", is_accepted, seconds=30)


def test_many_streams_delay_no_request_and_need_no_connections(web: WebProcess, database_url: str) -> None:
    web.start(MAX_STREAMS="60")
    task_ids = [insert_running_job(database_url) for _ in range(3)]
    with contextlib.ExitStack() as stack:
        responses = [stack.enter_context(web.open_stream(stream_path(task_ids[n % 3]))) for n in range(60)]
        streams = [read_events(response) for response in responses]
        assert {next(stream)[0] for stream in streams} == {1}
        assert count_connections(database_url) <= MAX_CONNECTIONS
        for _ in range(20):
            web.call("GET", "/products")
        for task_id in task_ids:
            update_job(database_url, task_id, COMPLETED)
        assert [[job["status"] for _, job in stream] for stream in streams] == [["completed"]] * 60
        assert count_connections(database_url) <= MAX_CONNECTIONS


def test_a_stream_reports_the_end_although_its_database_connection_was_lost(web: WebProcess, database_url: str) -> None:
    web.start()
    task_id = insert_running_job(database_url)
    with web.open_stream(stream_path(task_id)) as response:
        stream = read_events(response)
        next(stream)
        assert count_listening_connections(database_url) == 1
        end_connections(database_url)
        # The listener may be disconnected now. It reports what it missed when it is connected again.
        update_job(database_url, task_id, "progress = 50")
        update_job(database_url, task_id, COMPLETED)
        events = list(stream)
    assert [number for number, _ in events] in ([2, 3], [3])
    assert events[-1][1]["status"] == "completed"


def test_behind_a_transaction_pooler_streams_work_without_listen(web: WebProcess, database_url: str) -> None:
    web.start(DATABASE_URL=f"{database_url}&pgbouncer=true")
    task_id = insert_running_job(database_url)
    with web.open_stream(stream_path(task_id)) as response:
        stream = read_events(response)
        assert next(stream)[0] == 1
        update_job(database_url, task_id, "progress = 50")
        assert next(stream)[1]["progress"] == 50
        assert count_listening_connections(database_url) == 0
        update_job(database_url, task_id, COMPLETED)
        assert [(number, job["status"]) for number, job in stream] == [(3, "completed")]


# In the process of the test, which can change a job between two steps of a stream.


@pytest.fixture
def hub(app: Flask) -> StreamHub:
    """The hub of the application."""
    streams: StreamHub = app.extensions["streams"]
    return streams


def read_lines(app: Flask, task_id: str) -> Iterator[str]:
    """Yield the lines of a stream as they arrive."""
    response = app.test_client().get(f"/api{stream_path(task_id)}", buffered=False)
    assert response.status_code == 200
    with contextlib.closing(response):
        for chunk in response.response:
            yield from (chunk.decode() if isinstance(chunk, bytes) else chunk).split("\n")[:-1]


def act_after_subscribing(monkeypatch: pytest.MonkeyPatch, hub: StreamHub, act: Callable[[], None]) -> None:
    """Call `act` between the subscription of a stream and the reading of its first state."""
    subscribe = hub.subscribe_to_job

    def subscribe_and_act(job_id: int, actor: Actor) -> JobSubscription | None:
        subscription = subscribe(job_id, actor)
        act()
        return subscription

    monkeypatch.setattr(hub, "subscribe_to_job", subscribe_and_act)


def test_a_stream_skips_states_that_are_older_than_its_first_one(
    app: Flask, hub: StreamHub, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = insert_running_job(database_url)
    # The listener has published the first state when the stream reads the second one.
    act_after_subscribing(monkeypatch, hub, lambda: update_job(database_url, task_id, "progress = 60"))
    stream = parse_events(read_lines(app, task_id))
    events = [next(stream)]
    update_job(database_url, task_id, COMPLETED)
    events += stream
    assert [(number, job["progress"]) for number, job in events] == [(2, 60), (3, 100)]


def test_a_stream_that_cannot_start_takes_no_place(
    app: Flask, hub: StreamHub, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = insert_running_job(database_url)
    act_after_subscribing(monkeypatch, hub, lambda: end_connections(database_url))
    response = app.test_client().get(f"/api{stream_path(task_id)}")
    assert response.status_code == 503
    assert hub.streams == 0


def test_a_stream_without_news_sends_keep_alives(app: Flask, hub: StreamHub, database_url: str) -> None:
    assert hub.keep_alive_seconds == KEEP_ALIVE_SECONDS < MAX_KEEP_ALIVE_SECONDS
    hub.keep_alive_seconds = 0.05
    task_id = insert_running_job(database_url)
    lines = read_lines(app, task_id)
    assert next(line for line in lines if line.startswith(":"))
    update_job(database_url, task_id, COMPLETED)
    assert [job["status"] for _, job in parse_events(lines)] == ["completed"]


def test_streams_work_in_a_process_with_many_open_files(
    app: Flask, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("This system does not allow so many open files.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    # `select` supports descriptors below 1024 only.
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        task_id = insert_running_job(database_url)
        stream = parse_events(read_lines(app, task_id))
        assert next(stream)[0] == 1
        update_job(database_url, task_id, "progress = 50")
        assert next(stream)[1]["progress"] == 50
        update_job(database_url, task_id, COMPLETED)
        assert [number for number, _ in stream] == [3]
        assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_unknown_import_has_no_stream(app: Flask, hub: StreamHub) -> None:
    response = app.test_client().get(f"/api{stream_path('nothing')}")
    assert (response.status_code, response.mimetype) == (404, "application/json")
    assert hub.streams == 0
