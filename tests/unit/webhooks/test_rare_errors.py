"""Errors and platforms that are rare: each has a defined effect, which no other test needs."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

import pytest

import tasks
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import NOT_HTTP, create_response, create_sender
from webhooks import outbox, supervision, webhook_worker
from webhooks import sender as sender_module
from webhooks.outbox import Attempt, Delivery
from webhooks.process import DispatcherProcess
from webhooks.sender import Sender
from webhooks.ssrf_guard import check_url
from webhooks.supervision import Supervisor
from webhooks.webhook_worker import WebhookWorker

FAR_FUTURE = float("inf")


def fail(*_: object, **__: object) -> Any:
    """Fail with an error that nobody expects."""
    raise RuntimeError("a bug")


def test_a_response_that_confuses_a_library_counts_as_no_http(
    shared_receiver: Receiver, sender: Sender, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(sender_module, "decode_body", fail)
        response = sender.post(shared_receiver.url("/ok/secret-path"), b"{}", {})
    assert (response.status_code, response.success, response.error) == (None, False, NOT_HTTP)
    assert "The response of 127.0.0.1 cannot be read: RuntimeError: a bug" in caplog.text
    assert "secret-path" not in caplog.text
    assert sender.post(shared_receiver.url("/ok/next"), b"{}", {}).success


def test_a_url_that_only_the_library_refuses_gives_a_sentence(sender: Sender) -> None:
    url = "http://receiver１.example/"
    assert check_url(url, ()) == url
    response = sender.post(url, b"{}", {})
    assert response.status_code is None
    assert response.error == "The URL cannot be used. Enter one such as https://example.com:8443/hooks."


def test_a_platform_without_quick_acknowledgements_sends_requests_too(
    shared_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "TCP_QUICKACK", raising=False)
    sender = create_sender()
    assert sender.post(shared_receiver.url("/ok/x"), b"{}", {}).response_text == "ok"
    sender.close()


def test_other_log_lines_of_urllib3_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("urllib3.connection").warning("The certificate of %s is odd", "receiver.example")
    assert caplog.messages == ["The certificate of receiver.example is odd"]


def test_a_worker_that_fails_between_response_and_result_closes_and_keeps_nothing_loaded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class InstantSender:
        def post(self, *_: object, **__: object) -> Any:
            return create_response()

        def close(self) -> None: ...

    monkeypatch.setattr(webhook_worker, "decide", fail)
    attempts: list[Attempt] = []
    worker = WebhookWorker(
        outbox.Receiver(1, "http://receiver.example/", "a secret", None, None),
        new_sender=lambda: InstantSender(),  # type: ignore[arg-type, return-value]
        on_result=attempts.append,
        schedule=(0,),
        concurrency=1,
    )
    worker.keep_until(FAR_FUTURE)
    worker.add([Delivery(number, 1, f"evt_{number}", "{}", 0) for number in range(3)])
    wait_for("the end of the worker", lambda: worker.closed and not worker.loaded)
    assert attempts == []
    assert "Unexpected error; webhook 1 will retry" in caplog.text


def test_no_thread_starts_again_once_one_has_failed_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "RESTART_SECONDS", 0)
    ended: list[str] = []
    supervisor = Supervisor(on_give_up=lambda: ended.append("the dispatcher"))
    calls: list[str] = []

    def fail_while_another_gives_up() -> None:
        calls.append("call")
        supervisor.run("leases", fail)
        raise RuntimeError("another bug")

    supervisor.run("delivery", fail_while_another_gives_up)
    assert (calls, ended, supervisor.has_given_up) == (["call"], ["the dispatcher"], True)


def test_a_worker_that_ends_waits_for_its_dispatcher(monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[tuple[threading.Thread, float | None]] = []
    monkeypatch.setattr(DispatcherProcess, "join", lambda thread, seconds: joined.append((thread, seconds)))
    dispatcher = DispatcherProcess()
    monkeypatch.setattr(tasks, "companions", [dispatcher])
    tasks.wait_for_dispatcher()
    assert joined == [(dispatcher, tasks.DISPATCHER_STOP_SECONDS)]
