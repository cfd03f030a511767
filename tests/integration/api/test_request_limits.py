"""The limit of requests per minute: per key, session or address, and shared by all web processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg2
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from psycopg2.extensions import connection as Connection

import config
from access.request_counts import EXCHANGE_SECONDS, MAX_CLIENTS, RequestCounts
from api.session_cookie import COOKIE_NAME
from database import clock as database_clock
from support.api import read_error
from support.database import execute
from support.processes import Processes, find_free_ports
from support.sign_in import create_key, create_session, create_user
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

LIMIT = 5
CLIENT, OTHER_CLIENT = "198.51.100.7", "198.51.100.8"
# A minute since 1970, in seconds.
START = 60.0 * 30_000_000
TERMINATE_SQL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'acme-request-counts'
"""


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The environment, with a low limit."""
    return {**environment, "REQUESTS_PER_MINUTE": str(LIMIT)}


@pytest.fixture
def clock() -> Clock:
    """The clock of `counts`."""
    return Clock()


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests exchange counts themselves."""
    monkeypatch.setattr(RequestCounts, "_run", lambda _self: None)


@pytest.fixture
def counts(clock: Clock, database_url: str, no_thread: None) -> RequestCounts:
    """Counts of one process."""
    return RequestCounts(database_url, LIMIT, clock=clock)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to the database."""
    connection = psycopg2.connect(database_url)
    yield connection
    connection.close()


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the application, so that no test runs across the end of a minute."""
    monkeypatch.setitem(RequestCounts.__init__.__kwdefaults__ or {}, "clock", lambda: START)
    monkeypatch.setattr(RequestCounts, "_run", lambda _self: None)


@pytest.fixture
def remote(frozen: None, app: Flask) -> FlaskClient:
    """A client on another machine."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = CLIENT
    return client


def use_up(counts: RequestCounts, client: str, requests: int = LIMIT) -> None:
    """Count requests, which must be within the limit."""
    assert [counts.add(client) for _ in range(requests)] == [None] * requests


def get_statuses(client: FlaskClient, count: int, **values: object) -> list[int]:
    """Call the API and return the statuses."""
    return [client.get("/api/products", **values).status_code for _ in range(count)]


def test_an_address_beyond_the_limit_is_refused_until_it_has_waited(remote: FlaskClient) -> None:
    assert 429 not in get_statuses(remote, LIMIT)
    response = remote.get("/api/products")
    seconds = int(response.headers["Retry-After"])
    assert 60 <= seconds <= 120
    sentence = f"You sent too many requests. Try again in {seconds} seconds."
    assert read_error(response, 429, "too_many_requests") == sentence
    assert response.headers["Cache-Control"] == "no-store"
    assert get_statuses(remote, 1, environ_overrides={"REMOTE_ADDR": OTHER_CLIENT}) == [401]
    # The page and its files have no limit.
    assert remote.get("/").status_code == 200


def test_this_machine_has_no_limit(frozen: None, client: FlaskClient) -> None:
    for address in ("127.0.0.1", "::1"):
        statuses = get_statuses(client, LIMIT + 2, environ_overrides={"REMOTE_ADDR": address})
        assert set(statuses) == {200}


@pytest.mark.parametrize("environment_changes", [{"REQUESTS_PER_MINUTE": "0"}])
def test_without_a_limit_nothing_is_counted(
    environment: dict[str, str], environment_changes: dict[str, str], frozen: None
) -> None:
    from app import create_app

    application = create_app(config.load(environment | environment_changes))
    client = application.test_client()
    assert 429 not in get_statuses(client, LIMIT + 2, environ_overrides={"REMOTE_ADDR": CLIENT})


def test_a_key_and_a_session_have_counts_of_their_own(remote: FlaskClient, database_url: str) -> None:
    user_id = create_user(database_url)
    keys = [{"Authorization": f"Bearer {create_key(database_url, user_id)}"} for _ in range(2)]
    # Each is known from its first request on.
    assert get_statuses(remote, 1, headers=keys[0]) == get_statuses(remote, 1, headers=keys[1]) == [200]
    assert get_statuses(remote, LIMIT) == [401] * LIMIT
    assert get_statuses(remote, 1) == [429]
    assert get_statuses(remote, LIMIT, headers=keys[0]) == [200] * (LIMIT - 1) + [429]
    # Another address does not help.
    assert get_statuses(remote, 1, headers=keys[0], environ_overrides={"REMOTE_ADDR": OTHER_CLIENT}) == [429]
    assert get_statuses(remote, 1, headers=keys[1]) == [200]
    remote.set_cookie(COOKIE_NAME, create_session(database_url, user_id))
    remote.environ_base["REMOTE_ADDR"] = OTHER_CLIENT
    assert get_statuses(remote, LIMIT + 1) == [200] * LIMIT + [429]
    remote.delete_cookie(COOKIE_NAME)
    assert get_statuses(remote, 1) == [401]


def test_keys_and_sessions_that_do_not_exist_count_for_the_address(remote: FlaskClient) -> None:
    for number in range(LIMIT):
        remote.set_cookie(COOKIE_NAME, f"token {number}")
        headers = {"Authorization": f"Bearer acme_{number}"} if number % 2 else {}
        assert get_statuses(remote, 1, headers=headers) == [401]
    assert get_statuses(remote, 1, headers={"Authorization": "Bearer acme_new"}) == [429]
    assert get_statuses(remote, 1) == [429]


def test_the_addresses_of_an_ipv6_network_count_as_one(remote: FlaskClient) -> None:
    for number in range(LIMIT):
        assert get_statuses(remote, 1, environ_overrides={"REMOTE_ADDR": f"2001:db8::{number}:1"}) == [401]
    assert get_statuses(remote, 1, environ_overrides={"REMOTE_ADDR": "2001:db8::ffff"}) == [429]
    assert get_statuses(remote, 1, environ_overrides={"REMOTE_ADDR": "2001:db8:0:1::1"}) == [401]
    mapped = {"REMOTE_ADDR": f"::ffff:{CLIENT}"}
    assert get_statuses(remote, LIMIT, environ_overrides=mapped) == [401] * LIMIT
    assert get_statuses(remote, 1) == [429]


def test_the_window_slides(counts: RequestCounts, clock: Clock) -> None:
    use_up(counts, CLIENT)
    # The next minute begins after 60 s; 12 s later a fifth of the requests is more than a minute ago.
    assert counts.add(CLIENT) == 60 + 12
    clock.now = START + 60 + 11
    assert counts.add(CLIENT) == 1
    clock.now = START + 60 + 12
    assert counts.add(CLIENT) is None
    assert counts.add(CLIENT) == 12
    clock.now = START + 3 * 60
    use_up(counts, CLIENT)


def test_a_refused_request_does_not_count(counts: RequestCounts, clock: Clock) -> None:
    use_up(counts, CLIENT)
    assert {counts.add(CLIENT) for _ in range(100)} == {72}
    clock.now = START + 72
    assert counts.add(CLIENT) is None


def test_a_limit_of_one_request_can_be_met(counts: RequestCounts, clock: Clock, database_url: str) -> None:
    single = RequestCounts(database_url, 1, clock=clock)
    assert single.add(CLIENT) is None
    wait = single.add(CLIENT)
    assert wait == 120
    clock.now = START + wait
    assert single.add(CLIENT) is None


def test_processes_learn_what_the_others_counted(
    counts: RequestCounts, clock: Clock, database_url: str, connection: Connection
) -> None:
    others = RequestCounts(database_url, LIMIT, clock=clock)
    use_up(counts, CLIENT, 3)
    use_up(others, CLIENT, 2)
    for process in (counts, others, counts):
        process.exchange(connection)
    assert others.add(CLIENT) is not None
    # This one learns with its next exchange; until then its own count was right.
    use_up(counts, OTHER_CLIENT)
    counts.exchange(connection)
    assert execute(database_url, "SELECT sum(requests) FROM request_counts WHERE client = %s", (CLIENT,)) == [(5,)]


@pytest.mark.usefixtures("no_thread")
def test_the_clock_of_the_database_counts(database_hour_ahead: int, connection: Connection, database_url: str) -> None:
    # Also before the first exchange: a process connects to the database before it serves requests.
    database_clock.synchronize(connection)
    counts = RequestCounts(database_url, LIMIT)
    counts.add(CLIENT)
    counts.exchange(connection)
    [(minute,)] = execute(database_url, "SELECT minute FROM request_counts")
    [(now,)] = execute(database_url, "SELECT floor(extract(epoch FROM clock_timestamp()) / 60)::bigint")
    assert minute in {now + database_hour_ahead // 60 - 1, now + database_hour_ahead // 60}


def test_what_could_not_be_sent_is_sent_later(counts: RequestCounts, connection: Connection, database_url: str) -> None:
    use_up(counts, CLIENT, 3)
    broken = psycopg2.connect(database_url)
    broken.close()
    with pytest.raises(psycopg2.Error):
        counts.exchange(broken)
    use_up(counts, CLIENT, 2)
    assert counts.add(CLIENT) is not None
    counts.exchange(connection)
    assert execute(database_url, "SELECT requests FROM request_counts") == [(5,)]


@pytest.mark.usefixtures("no_thread")
def test_expired_rows_are_deleted(connection: Connection, database_url: str) -> None:
    counts = RequestCounts(database_url, LIMIT)
    execute(
        database_url,
        "INSERT INTO request_counts SELECT floor(extract(epoch FROM clock_timestamp()) / 60) - n, 'x', 1"
        " FROM generate_series(0, 100) n",
    )
    counts.exchange(connection)
    counts.clean(connection)
    # This minute and the previous one, and one more if a minute has ended meanwhile.
    assert execute(database_url, "SELECT count(*) FROM request_counts")[0][0] in {2, 1}


def test_the_memory_for_clients_is_bounded(clock: Clock, counts: RequestCounts, database_url: str) -> None:
    few = RequestCounts(database_url, LIMIT, clock=clock, max_clients=10)
    for number in range(100):
        use_up(few, f"client {number}", 2)
    assert len(few) == 10
    # Clients without requests make room for others.
    clock.now = START + 120
    use_up(few, "new")
    assert few.add("new") is not None
    assert len(few) == 1
    assert MAX_CLIENTS <= 100_000


def test_a_client_of_several_processes_is_limited(processes: Processes, database_url: str) -> None:
    webs = [WebProcess(processes, port) for port in find_free_ports(2)]
    for web in webs:
        web.start(TRUSTED_PROXIES="1", REQUESTS_PER_MINUTE="60")
    headers = {"X-Forwarded-For": CLIENT}

    def get(web: WebProcess, **headers: str) -> requests.Response:
        return requests.get(f"{web.api_url}/products", headers=headers, timeout=REQUEST_SECONDS)

    def sum_of_requests() -> int:
        return int(execute(database_url, "SELECT coalesce(sum(requests), 0) FROM request_counts")[0][0])

    first, second = webs
    refused_at = next(number for number in range(200) if get(first, **headers).status_code == 429)
    # Up to twice the limit if a minute ends meanwhile.
    assert refused_at >= 60
    wait_for("the first process has told the others", lambda: sum_of_requests() == refused_at)
    assert get(second, **headers).status_code == 401

    def is_refused_by_second() -> bool:
        return get(second, **headers).status_code == 429

    wait_for("the second process knows", is_refused_by_second, seconds=20 * EXCHANGE_SECONDS)
    assert sum_of_requests() < refused_at + 60
    assert get(second, **{"X-Forwarded-For": OTHER_CLIENT}).status_code == 401
    # The connections and rows of this machine do not exist.
    assert get(second).status_code == 200


def test_requests_pass_while_the_database_is_away(remote: FlaskClient, database_url: str) -> None:
    assert get_statuses(remote, 1) == [401]
    execute(database_url, "ALTER TABLE request_counts RENAME TO away")
    assert get_statuses(remote, LIMIT) == [401] * (LIMIT - 1) + [429]


def test_the_thread_ends_with_the_application(
    app: Flask, client: FlaskClient, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.environ_base["REMOTE_ADDR"] = CLIENT
    get_statuses(client, 1)
    count_rows = "SELECT count(*) FROM request_counts"
    wait_for("the request is counted in the database", lambda: execute(database_url, count_rows) == [(1,)])
    counts: RequestCounts = app.extensions["request_counts"]
    counts.close()
    assert "request-counts" not in {thread.name for thread in threading.enumerate()}
    execute(database_url, TERMINATE_SQL)
    # A request that comes late starts no other thread.
    get_statuses(client, 1)
    counts.close()
    assert "request-counts" not in {thread.name for thread in threading.enumerate()}
    assert "requests per minute" not in caplog.text


def test_the_thread_ends_while_the_database_is_unavailable() -> None:
    counts = RequestCounts("postgresql://127.0.0.1:1/none", LIMIT)
    counts.add(CLIENT)
    assert "request-counts" in {thread.name for thread in threading.enumerate()}
    counts.close()
    assert "request-counts" not in {thread.name for thread in threading.enumerate()}
