"""The order, concurrency and lifetime of the requests to one webhook, sent by a fake sender."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.waiting import wait_for
from support.webhooks import create_response
from webhooks.outbox import Attempt, Delivery, Receiver
from webhooks.sender import Response
from webhooks.webhook_worker import HEAD_START_SECONDS, WebhookWorker

RECEIVER = Receiver(1, "http://receiver.example/", "a secret", None, None)
LEASE_SECONDS = 60
# How long a request has to start at the most before a test says that it does not start.
QUIET_SECONDS = 0.2


class FakeReceiver:
    """Holds each request until the test responds to it. It stands for the sender of every thread."""

    def __init__(self) -> None:
        self.started: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.responses: queue.SimpleQueue[Response | Exception] = queue.SimpleQueue()
        self.open_senders = 0
        self._lock = threading.Lock()

    def create_sender(self) -> Any:
        with self._lock:
            self.open_senders += 1
        return self

    def post(self, url: str, body: bytes, headers: dict[str, str], *, on_sent: Callable[[], None]) -> Response:
        self.started.put(body)
        on_sent()
        response = self.responses.get(timeout=60)
        if isinstance(response, Exception):
            raise response
        return response

    def close(self) -> None:
        with self._lock:
            self.open_senders -= 1

    def expect(self, *numbers: int) -> None:
        """Wait for the requests with these numbers, in this order."""
        assert [int(self.started.get(timeout=60)) for _ in numbers] == list(numbers)

    def expect_none(self) -> None:
        """Assert that no request starts now."""
        with pytest.raises(queue.Empty):
            self.started.get(timeout=QUIET_SECONDS)

    def respond(self, response: Response | Exception | None = None) -> None:
        """Respond to the request that has waited the longest, by default with 200."""
        self.responses.put(response or create_response())


@pytest.fixture
def receiver() -> FakeReceiver:
    return FakeReceiver()


@pytest.fixture
def attempts() -> queue.SimpleQueue[Attempt]:
    """The results of the requests."""
    return queue.SimpleQueue()


CreateWorker = Callable[..., WebhookWorker]


@pytest.fixture
def create_worker(receiver: FakeReceiver, attempts: queue.SimpleQueue[Attempt]) -> Iterator[CreateWorker]:
    """A function that creates a worker with a lease; its keywords are those of `WebhookWorker`."""
    workers = []

    def create(webhook: Receiver = RECEIVER, **options: Any) -> WebhookWorker:
        values = {"schedule": (0, 5), "concurrency": 2, "idle_seconds": 60, **options}
        worker = WebhookWorker(webhook, new_sender=receiver.create_sender, on_result=attempts.put, **values)
        worker.keep_until(time.monotonic() + LEASE_SECONDS)
        workers.append(worker)
        return worker

    yield create
    for worker in workers:
        worker.close()
    for _ in range(receiver.open_senders):
        receiver.respond()
    wait_for("the end of all threads", lambda: receiver.open_senders == 0)


def deliveries(*numbers: int) -> list[Delivery]:
    """Return deliveries whose ids and bodies are these numbers."""
    return [Delivery(number, RECEIVER.id, f"evt_{number}", str(number), tries=0) for number in numbers]


def confirm(worker: WebhookWorker, attempt: Attempt) -> None:
    """Act as the result writer does after its commit."""
    worker.confirm_written(attempt.delivery.id, success=attempt.response.success)


def test_a_slow_receiver_gets_concurrent_requests_up_to_the_limit(
    create_worker: CreateWorker, receiver: FakeReceiver
) -> None:
    worker = create_worker(concurrency=2)
    started = time.monotonic()
    worker.add(deliveries(1, 2, 3))
    receiver.expect(1, 2)
    assert time.monotonic() - started >= HEAD_START_SECONDS
    receiver.expect_none()
    assert worker.waiting == 1
    receiver.respond()
    receiver.expect(3)


def test_a_delivery_stays_loaded_until_its_result_is_written(
    create_worker: CreateWorker, receiver: FakeReceiver, attempts: queue.SimpleQueue[Attempt]
) -> None:
    worker = create_worker()
    worker.add(deliveries(1))
    receiver.expect(1)
    receiver.respond()
    attempt = attempts.get(timeout=60)
    assert (attempt.delivery.id, attempt.outcome.status, worker.loaded) == (1, "delivered", {1})
    confirm(worker, attempt)
    assert worker.loaded == set()


def test_a_failing_webhook_gets_one_request_at_a_time_until_one_succeeds(
    create_worker: CreateWorker, receiver: FakeReceiver, attempts: queue.SimpleQueue[Attempt]
) -> None:
    worker = create_worker()
    worker.add(deliveries(1, 2))
    receiver.expect(1, 2)
    receiver.respond(create_response(500))
    confirm(worker, attempts.get(timeout=60))
    worker.add(deliveries(3, 4))
    receiver.expect_none()
    receiver.respond(create_response(500))
    confirm(worker, attempts.get(timeout=60))
    receiver.expect(3)
    receiver.expect_none()
    receiver.respond()
    confirm(worker, attempts.get(timeout=60))
    worker.add(deliveries(5))
    receiver.expect(4, 5)


def test_no_request_starts_after_the_end_of_the_lease(create_worker: CreateWorker, receiver: FakeReceiver) -> None:
    worker = create_worker()
    worker.keep_until(time.monotonic())
    worker.add(deliveries(1))
    receiver.expect_none()
    worker.keep_until(time.monotonic() + LEASE_SECONDS)
    receiver.expect(1)


def test_a_closed_worker_finishes_its_request_and_forgets_what_waits(
    create_worker: CreateWorker, receiver: FakeReceiver, attempts: queue.SimpleQueue[Attempt]
) -> None:
    worker = create_worker(concurrency=1)
    worker.add(deliveries(1, 2))
    receiver.expect(1)
    worker.close()
    worker.add(deliveries(3))
    assert (worker.loaded, worker.waiting) == ({1}, 0)
    receiver.respond()
    assert attempts.get(timeout=60).delivery.id == 1
    receiver.expect_none()


def test_threads_without_deliveries_end_and_start_again(create_worker: CreateWorker, receiver: FakeReceiver) -> None:
    worker = create_worker(idle_seconds=0)
    for number in (1, 2):
        worker.add(deliveries(number))
        receiver.expect(number)
        receiver.respond()
        wait_for("the end of the thread", lambda: receiver.open_senders == 0)


def test_an_unexpected_error_is_a_failed_attempt(
    create_worker: CreateWorker,
    receiver: FakeReceiver,
    attempts: queue.SimpleQueue[Attempt],
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = create_worker()
    worker.add(deliveries(1, 2))
    receiver.expect(1)
    receiver.respond(RuntimeError("a bug"))
    attempt = attempts.get(timeout=60)
    assert attempt.response.error == "The request could not be made. The log of the worker says why."
    assert attempt.outcome.status == "pending"
    assert "RuntimeError: a bug" in caplog.text
    assert "\n" not in caplog.text.strip()
    receiver.expect(2)


def test_an_unusable_secret_is_a_failed_attempt(
    create_worker: CreateWorker, attempts: queue.SimpleQueue[Attempt]
) -> None:
    worker = create_worker(Receiver(1, "http://receiver.example/", "whsec_not base64", None, None))
    worker.add(deliveries(1))
    attempt = attempts.get(timeout=60)
    assert attempt.response.error == "The request could not be made. The log of the worker says why."
    assert attempt.headers == {}


def test_a_worker_whose_thread_fails_closes_itself(
    create_worker: CreateWorker, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("no certificates")

    monkeypatch.setattr(receiver, "create_sender", fail)
    worker = create_worker()
    worker.add(deliveries(1, 2))
    wait_for("the end", lambda: worker.closed)
    assert (worker.loaded, worker.waiting) == (set(), 0)


def test_a_thread_that_cannot_be_started_is_started_later(
    create_worker: CreateWorker, receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    worker = create_worker()
    with monkeypatch.context() as without_threads:
        without_threads.setattr(threading.Thread, "start", fail)
        worker.add(deliveries(1))
    assert worker.waiting == 1
    worker.keep_until(time.monotonic() + LEASE_SECONDS)
    receiver.expect(1)
