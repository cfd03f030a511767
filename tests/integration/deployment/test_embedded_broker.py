"""The embedded broker, which stores each message in a file."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import pytest

import config
from celery_app import create_celery
from embedded.broker import FileTransport

MESSAGES = 1000
# What a power cut leaves of a message.
DAMAGED_MESSAGES = [b"", b'{"body": "W10=", "content-enc', bytes(200), b"\xff\xfe", b"[]"]
DAMAGED_TABLES = [b"", b'[["imports", "impo', bytes(30), b'{"a": 1}', b"[1]"]


@pytest.fixture(autouse=True)
def broker_state() -> None:
    """Forget the queues of other folders, which kombu remembers for all connections of a process."""
    FileTransport.global_state.clear()  # type: ignore[no-untyped-call]


def broker_folder(environment: dict[str, str]) -> Path:
    """Return the folder of the embedded broker."""
    return Path(environment["DATA_DIR"]) / "broker"


def publish(app: Any, connection: Any, body: dict[str, int]) -> None:
    """Declare the queue and send a message, as the product does."""
    connection.Producer().publish(body, routing_key="imports", exchange="imports", declare=[app.conf.task_queues[0]])


def test_damaged_messages_are_dropped_and_the_next_one_is_received(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    app = create_celery(config.load(environment))
    messages = broker_folder(environment) / "queues"
    with app.connection_for_read() as reader, app.connection_for_write() as writer:
        for number, content in enumerate(DAMAGED_MESSAGES):
            (messages / f"{number:020}_damaged.imports.msg").write_bytes(content)
        publish(app, writer, {"number": 1})
        assert "body" in reader.channel()._get("imports")
        with pytest.raises(queue.Empty):
            reader.channel()._get("imports")
    assert list(messages.iterdir()) == []
    assert caplog.text.count("is damaged") == len(DAMAGED_MESSAGES)


@pytest.mark.parametrize("content", DAMAGED_TABLES)
def test_a_damaged_exchange_table_is_written_again(environment: dict[str, str], content: bytes) -> None:
    app = create_celery(config.load(environment))
    table = broker_folder(environment) / "control" / "imports.exchange"
    with app.connection_for_write() as connection:
        publish(app, connection, {"number": 1})
        intact = table.read_bytes()
    FileTransport.global_state.clear()  # type: ignore[no-untyped-call]
    table.write_bytes(content)
    with app.connection_for_read() as reader, app.connection_for_write() as writer:
        publish(app, writer, {"number": 2})
        assert table.read_bytes() == intact
        channel = reader.channel()
        assert [bool(channel._get("imports")) for _ in range(2)] == [True, True]


def test_no_reader_sees_a_message_that_is_only_partly_written(environment: dict[str, str]) -> None:
    app = create_celery(config.load(environment))
    with app.connection_for_read() as reader, app.connection_for_write() as writer:
        all_sent = threading.Event()

        def send_messages() -> None:
            producer = writer.Producer()
            for number in range(MESSAGES):
                producer.publish({"number": number}, routing_key="imports", declare=[app.conf.task_queues[0]])
            all_sent.set()

        sender = threading.Thread(target=send_messages, daemon=True)
        channel = reader.channel()
        sender.start()
        received = 0
        while received < MESSAGES:
            # Read this first: more messages may arrive between an empty queue and this question.
            were_all_sent = all_sent.is_set()
            try:
                channel._get("imports")
                received += 1
            except queue.Empty:
                assert not were_all_sent, f"{MESSAGES - received} messages are lost"
                assert sender.is_alive() or all_sent.is_set()
        sender.join()
