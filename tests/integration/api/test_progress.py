"""Live progress over Server-Sent Events, on real web and worker processes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from flask import Flask

import api.sse
from api.sse import Progress, Subscription
from support.database import execute
from support.paths import SAMPLE
from support.processes import Processes
from support.waiting import wait_for

SECONDS = 60


class Web:
    """A web process and what tests ask of it."""

    def __init__(self, processes: Processes, port: int, url: str) -> None:
        self.root = f"http://127.0.0.1:{port}/api"
        self.database_url = url
        self._processes = processes
        self._port = port

    def start(self, **changes: str) -> None:
        """Starts the process with changed settings and waits until it answers."""
        self._processes.start_web(self._port, **changes)

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{self.root}/products", timeout=SECONDS).ok
            return False

        wait_for("the web process answers", answers)

    def job(self, task_id: str) -> dict[str, Any]:
        answer = requests.get(f"{self.root}/upload/progress/{task_id}", timeout=SECONDS)
        assert answer.status_code == 200
        return dict(answer.json())

    def create_job(self) -> str:
        """Records a job that no worker knows of."""
        return create_job(self.database_url)

    def change(self, task_id: str, assignments: str = "") -> None:
        change(self.database_url, task_id, assignments)

    @contextlib.contextmanager
    def stream(self, task_id: str, **headers: str) -> Iterator[requests.Response]:
        """The answer to a request for a stream."""
        address = f"{self.root}/upload/progress/{task_id}/stream"
        with requests.get(address, headers=headers, stream=True, timeout=SECONDS) as answer:
            yield answer

    def connections(self, condition: str = "true") -> int:
        """How many database connections the process has."""
        counted = execute(
            self.database_url,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            f" AND application_name LIKE 'acme-%%' AND {condition}",
        )
        return int(counted[0][0])


def create_job(url: str) -> str:
    task_id = str(uuid.uuid4())
    execute(
        url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size, status, announced_at)"
        " VALUES (%s, 'a.csv', 'none', 1, 'processing', now())",
        (task_id,),
    )
    return task_id


def change(url: str, task_id: str, assignments: str = "") -> None:
    """Changes a job as a worker does."""
    more = f", {assignments}" if assignments else ""
    execute(url, f"UPDATE import_jobs SET revision = revision + 1{more} WHERE task_id = %s", (task_id,))


COMPLETED = "status = 'completed', progress = 100, finished_at = now()"


def events(lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The id and the job of each event of a stream, read as WHATWG HTML 9.2.6 says."""
    number, data = -1, ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            data += value
        elif not line and data:
            yield number, json.loads(data)
            data = ""
        else:
            assert line == "" or line.startswith((":", "retry: "))


def events_of(answer: requests.Response) -> Iterator[tuple[int, dict[str, Any]]]:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert "no-cache" in answer.headers["Cache-Control"]
    return events(answer.iter_lines(chunk_size=1, decode_unicode=True))


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Few rows a slice, so that there is something to see."""
    return {**environment, "SLICE_ROWS": "100", "CHUNK_ROWS": "100"}


@pytest.fixture
def web(processes: Processes, free_port: int, database_url: str) -> Web:
    return Web(processes, free_port, database_url)


def test_an_import_is_told_from_its_upload_to_its_end(web: Web, processes: Processes) -> None:
    web.start()
    answer = requests.post(f"{web.root}/upload", files={"file": ("a.csv", SAMPLE.read_bytes())}, timeout=SECONDS)
    task_id = answer.json()["task_id"]
    polled = [web.job(task_id)]

    def poll() -> None:
        while polled[-1]["status"] not in {"completed", "failed"}:
            polled.append(web.job(task_id))

    poller = threading.Thread(target=poll)
    with web.stream(task_id) as response:
        told = events_of(response)
        first = next(told)
        # Nothing works on it yet, and still the first event is there.
        assert first[1]["status"] == "pending"
        processes.start_worker()
        poller.start()
        seen = [first, *told]
    poller.join()
    numbers = [number for number, _ in seen]
    assert numbers == sorted(set(numbers))
    assert len(seen) > 3
    for jobs in ([job for _, job in seen], polled):
        for field in ("progress", "processed_records", "rows_read", "rows_written", "updated_at"):
            values = [job[field] for job in jobs]
            assert values == sorted(values), field
        assert all((job["progress"] == 100) == (job["status"] == "completed") for job in jobs)
    assert [job["status"] for _, job in seen].count("completed") == 1
    assert seen[-1][1] == web.job(task_id)
    assert (seen[-1][1]["processed_records"], seen[-1][1]["total_records"]) == (2000, 2000)


def test_a_client_that_comes_late_gets_the_last_state_and_the_end(web: Web) -> None:
    web.start()
    for ending in (COMPLETED, "status = 'failed', error_message = 'No.'", "status = 'cancelled'"):
        task_id = web.create_job()
        web.change(task_id, ending)
        with web.stream(task_id) as response:
            assert list(events_of(response)) == [(2, web.job(task_id))]


def test_a_client_that_comes_back_gets_the_present_state(web: Web) -> None:
    web.start()
    task_id = web.create_job()
    with web.stream(task_id) as response:
        assert next(events_of(response))[0] == 1
    web.change(task_id, "progress = 10")
    web.change(task_id, "progress = 20")
    for known in ("1", "2", "3", "999", "nonsense"):
        with web.stream(task_id, **{"Last-Event-ID": known}) as response:
            number, job = next(events_of(response))
            assert (number, job["progress"]) == (3, 20)


def test_beyond_the_limit_of_streams_clients_are_told_to_poll(web: Web) -> None:
    web.start(MAX_STREAMS="2")
    task_id = web.create_job()
    with web.stream(task_id) as one, web.stream(task_id) as two:
        told = [events_of(one), events_of(two)]
        assert [next(each)[0] for each in told] == [1, 1]
        with web.stream(task_id) as three:
            assert (three.status_code, three.json()["code"]) == (503, "too_many_streams")
        assert web.job(task_id)["status"] == "processing"
        web.change(task_id, COMPLETED)
        assert [[job["status"] for _, job in each] for each in told] == [["completed"]] * 2
    with web.stream(web.create_job()) as four:
        assert next(events_of(four))[0] == 1


def test_a_client_that_goes_away_frees_its_place(web: Web) -> None:
    web.start(MAX_STREAMS="1")
    task_id = web.create_job()
    with web.stream(task_id) as response:
        next(events_of(response))

    def accepted() -> bool:
        with web.stream(task_id) as again:
            return again.status_code == 200

    assert not accepted()
    # Nothing happens to the job: only the signs of life find out that nobody listens.
    wait_for("the place is free", accepted, seconds=30)


def test_many_streams_keep_nothing_waiting_and_need_no_connections(web: Web) -> None:
    web.start(MAX_STREAMS="60")
    task_ids = [web.create_job() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        told = [events_of(stack.enter_context(web.stream(task_ids[number % 3]))) for number in range(60)]
        assert {next(each)[0] for each in told} == {1}
        assert web.connections() <= 4
        for _ in range(20):
            assert requests.get(f"{web.root}/products", timeout=SECONDS).status_code == 200
        for task_id in task_ids:
            web.change(task_id, COMPLETED)
        assert [[job["status"] for _, job in each] for each in told] == [["completed"]] * 60
        assert web.connections() <= 4


def test_the_end_is_told_although_the_database_ended_every_connection(web: Web) -> None:
    web.start()
    task_id = web.create_job()
    with web.stream(task_id) as response:
        told = events_of(response)
        next(told)
        assert web.connections("query LIKE 'LISTEN%%'") == 1
        execute(
            web.database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        # The listener may be away just now: what it misses it tells when it is back.
        web.change(task_id, "progress = 50")
        web.change(task_id, COMPLETED)
        seen = list(told)
    assert [number for number, _ in seen] in ([2, 3], [3])
    assert seen[-1][1]["status"] == "completed"


def test_behind_a_transaction_pooler_changes_are_told_without_listening(web: Web) -> None:
    web.start(DATABASE_URL=f"{web.database_url}&pgbouncer=true")
    task_id = web.create_job()
    with web.stream(task_id) as response:
        told = events_of(response)
        assert next(told)[0] == 1
        web.change(task_id, "progress = 50")
        assert next(told)[1]["progress"] == 50
        assert web.connections("query LIKE 'LISTEN%%'") == 0
        web.change(task_id, COMPLETED)
        assert [(number, job["status"]) for number, job in told] == [(3, "completed")]


# In this process, where the moment can be chosen.


def stream(app: Flask, task_id: str) -> Iterator[str]:
    """The lines of a stream as they come."""
    response = app.test_client().get(f"/api/upload/progress/{task_id}/stream", buffered=False)
    assert response.status_code == 200
    with contextlib.closing(response):
        for chunk in response.response:
            yield from (chunk.decode() if isinstance(chunk, bytes) else chunk).split("\n")[:-1]


def after_subscribing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    subscribe = Progress.subscribe

    def wrapped(progress: Progress, job_id: int) -> Subscription | None:
        subscription = subscribe(progress, job_id)
        act()
        return subscription

    monkeypatch.setattr(Progress, "subscribe", wrapped)


def test_a_state_that_was_overtaken_is_not_told(app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = create_job(database_url)
    # The listener has told the first state when the stream reads the second one.
    after_subscribing(monkeypatch, lambda: change(database_url, task_id, "progress = 60"))
    told = events(stream(app, task_id))
    seen = [next(told)]
    change(database_url, task_id, COMPLETED)
    seen += told
    assert [(number, job["progress"]) for number, job in seen] == [(2, 60), (3, 100)]


def test_a_stream_that_cannot_begin_takes_no_place(
    app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = create_job(database_url)
    end_connections = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )
    after_subscribing(monkeypatch, lambda: list(execute(database_url, end_connections)).clear())
    response = app.test_client().get(f"/api/upload/progress/{task_id}/stream")
    assert response.status_code == 503
    assert app.extensions["progress"].streams == 0


def test_signs_of_life_come_while_nothing_happens(
    app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.sse.PING_SECONDS < 15
    monkeypatch.setattr(api.sse, "PING_SECONDS", 0.05)
    task_id = create_job(database_url)
    lines = stream(app, task_id)
    assert next(line for line in lines if line.startswith(":"))
    change(database_url, task_id, COMPLETED)
    assert [job["status"] for _, job in events(lines)] == ["completed"]


def test_streams_work_in_a_process_with_very_many_open_files(
    app: Flask, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("This system does not allow so many open files.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        task_id = create_job(database_url)
        told = events(stream(app, task_id))
        assert next(told)[0] == 1
        change(database_url, task_id, "progress = 50")
        assert next(told)[1]["progress"] == 50
        change(database_url, task_id, COMPLETED)
        assert [number for number, _ in told] == [3]
        assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
