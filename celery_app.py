"""The Celery instance: its broker, its queues, and what they guarantee.

PostgreSQL knows the state of every job; a message only wakes a worker. Messages are durable and confirmed, and
acknowledged late, so that one whose worker dies goes to another. What gets lost all the same, the sweep finds.
"""

from __future__ import annotations

import logging
import os
from typing import Any

# Celery reads this on import: SIGTERM, as deployments send it, begins the soft shutdown below.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")

from celery import Celery
from kombu import Exchange, Queue  # type: ignore[attr-defined]
from kombu.exceptions import OperationalError

import config

log = logging.getLogger(__name__)

IMPORTS_QUEUE = "imports"
WEBHOOKS_QUEUE = "webhooks"
RUN_IMPORT = "imports.run"

CONFIRM_SECONDS = 5
CONNECT_SECONDS = 4
SOFT_SHUTDOWN_SECONDS = 8
EMBEDDED_POLL_SECONDS = 0.05


def _queue(name: str) -> Queue:
    exchange = Exchange(name, type="direct", durable=True)  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name, durable=True)  # type: ignore[no-untyped-call]


def _broker_options(settings: config.Settings) -> dict[str, Any]:
    if not settings.broker_is_embedded:
        # Without confirms a message can vanish unnoticed; without a time-out a confirm can hang.
        return {"confirm_publish": True, "confirm_timeout": CONFIRM_SECONDS}
    folder = config.make_folder("DATA_DIR", settings.data_dir) / "broker"
    for name in ("queues", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(folder / "queues"),
        "data_folder_out": str(folder / "queues"),
        "control_folder": str(folder / "control"),
        "polling_interval": EMBEDDED_POLL_SECONDS,
    }


def make_celery(settings: config.Settings) -> Celery:
    """Returns the Celery instance for these settings."""
    app = Celery("acme", include=["tasks"])
    app.conf.update(
        broker_url=settings.broker_url,
        broker_transport_options=_broker_options(settings),
        broker_connection_timeout=CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Small CloudAMQP plans allow few connections; a dead one is noticed by TCP.
        broker_pool_limit=1,
        broker_heartbeat=None,
        result_backend=settings.celery_result_backend or None,
        task_ignore_result=True,
        task_queues=[_queue(IMPORTS_QUEUE), _queue(WEBHOOKS_QUEUE)],
        task_default_queue=IMPORTS_QUEUE,
        task_default_exchange=IMPORTS_QUEUE,
        task_default_routing_key=IMPORTS_QUEUE,
        task_routes={"imports.*": {"queue": IMPORTS_QUEUE}, "webhooks.*": {"queue": WEBHOOKS_QUEUE}},
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A running import holds its lease in PostgreSQL; a second start of its task finds that and returns.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS,
        worker_send_task_events=False,
        worker_hijack_root_logger=True,
        task_serializer="json",
        accept_content=["json"],
        timezone="UTC",
    )
    return app


def wake_import(task_id: str) -> bool:
    """Tells the workers of an import; False when the broker cannot be reached, which the sweep makes up for."""
    try:
        celery.send_task(RUN_IMPORT, args=[task_id], queue=IMPORTS_QUEUE, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("Import %s: the broker did not take its message and is asked again later: %s", task_id, error)
        return False
    return True


celery = app = make_celery(config.load())
