"""The embedded broker, which stores each message in a file."""

from __future__ import annotations

import queue
import threading

import config
from celery_app import create_celery

MESSAGES = 1000


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
