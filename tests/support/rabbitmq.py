"""Connect to RabbitMQ servers: the one of this machine, and those that tests start."""

from __future__ import annotations

import os
from typing import Any

import config
from celery_app import create_celery

RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


def create_broker_connection(url: str) -> Any:
    """Return a kombu connection to a broker; it connects when it is first used."""
    return create_celery(config.load({"CELERY_BROKER_URL": url})).connection_for_write()
