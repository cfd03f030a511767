"""Errors that nobody expects: every thread of a dispatcher starts again, or the dispatcher ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import Client, StartDispatcher, all_finished, count_by_status, emit_events, subscribe
from webhooks import dispatcher as dispatcher_module
from webhooks import expander, outbox, result_writer, results, retention, supervision
from webhooks.dispatcher import Dispatcher
from webhooks.outbox import WebhookLease

# Where each thread of a dispatcher fails.
PLACES = {
    "leases": (WebhookLease, "renew"),
    "delivery": (outbox, "read_due"),
    "results": (result_writer, "write_attempts"),
    "retention": (retention, "remove_old"),
    "requests": (Dispatcher, "_create_sender"),
}


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "RESTART_SECONDS", 0.01)


def fail_first(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, failures: float) -> Callable[[], int]:
    """Let a function fail this often with an unexpected error; returns a function that counts its calls."""
    function = getattr(owner, name)
    calls = 0

    def fail(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= failures:
            raise RuntimeError("a bug")
        return function(*arguments, **named)

    monkeypatch.setattr(owner, name, fail)
    return lambda: calls


@pytest.mark.parametrize("place", PLACES)
def test_a_thread_that_fails_is_started_again(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    owner, name = PLACES[place]
    count_calls = fail_first(monkeypatch, owner, name, 2)
    webhook = subscribe(client, receiver.url("/ok/x"))
    dispatcher = start_dispatcher(lease_seconds=1, idle_seconds=60)
    emit_events(database_url, 5)
    wait_for("all", all_finished(database_url, webhook, 5))
    # Retention runs once a minute.
    wait_for("calls after the failures", lambda: count_calls() > (1 if place == "retention" else 2))
    assert count_by_status(database_url, webhook) == {"delivered": 5}
    assert execute(database_url, "SELECT count(*) FROM webhook_attempts") == [(5,)]
    assert not dispatcher.has_failed


def test_an_expansion_that_fails_is_repeated(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_first(monkeypatch, expander, "expand", 2)
    webhook = subscribe(client, receiver.url("/ok/x"), "product.updated")
    client.post("/api/products", json={"sku": "A"})
    client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}})
    start_dispatcher()
    wait_for("the delivery", all_finished(database_url, webhook, 1))


@pytest.mark.parametrize("place", ["leases", "delivery"])
def test_a_dispatcher_whose_thread_keeps_failing_ends_and_releases_its_leases(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    owner, name = PLACES[place]
    with monkeypatch.context() as broken:
        fail_first(broken, owner, name, float("inf"))
        webhook = subscribe(client, receiver.url("/ok/x"))
        emit_events(database_url, 2)
        dispatcher = start_dispatcher(lease_seconds=1, stop_seconds=1)
        wait_for("the end", lambda: dispatcher.has_failed)
        wait_for("the release", lambda: execute(database_url, "SELECT lease_token FROM webhooks") == [(None,)])
    assert "has failed too often" in caplog.text
    start_dispatcher()
    wait_for("another dispatcher", all_finished(database_url, webhook, 2))


def test_a_result_that_cannot_be_stored_delays_no_other_result(
    client: Client,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_attempts = results.write_attempts

    def write(cursor: Any, attempts: Any) -> Any:
        if any(attempt.url.endswith("/ok/bad") for attempt in attempts):
            raise TypeError("a bug")
        return write_attempts(cursor, attempts)

    monkeypatch.setattr(result_writer, "write_attempts", write)
    bad, good = subscribe(client, receiver.url("/ok/bad")), subscribe(client, receiver.url("/ok/good"))
    start_dispatcher()
    emit_events(database_url, 20)
    for webhook in (bad, good):
        wait_for("all", all_finished(database_url, webhook, 20))
    assert receiver.count() == 40, "nothing was sent again"
    assert execute(database_url, "SELECT count(*) FROM webhook_attempts") == [(40,)]


def test_a_dispatcher_program_that_fails_exits_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class FailedDispatcher:
        has_failed = True

        def __init__(self, _: object) -> None: ...

        def run(self) -> None: ...

        def stop(self) -> None: ...

    monkeypatch.setattr(dispatcher_module, "Dispatcher", FailedDispatcher)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        dispatcher_module.main()
    assert ended.value.code == 1
