"""The Celery application: its broker, its queue, and its delivery guarantees.

PostgreSQL holds the state of every job; a message only tells a worker to look at one. Messages are durable, the broker
confirms them, and workers acknowledge them after the work. If a worker dies, its message goes to another worker. If a
message is lost anyway, a reaper finds its job; every worker runs a reaper.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, ClassVar

from celery import Celery
from celery.signals import import_modules, setup_logging
from celery.worker.consumer import Consumer
from kombu import Exchange, Queue  # type: ignore[attr-defined]

import config
from embedded import broker
from monitoring import context, logs
from monitoring.shared_metrics import share_metrics, shared_folder

log = logging.getLogger(__name__)

# RabbitMQ does not change the type of a queue, so each type has a queue of its own.
IMPORTS_QUEUES = {"classic": "imports", "quorum": "imports.quorum"}
RUN_IMPORT = "imports.run"  # The name of the task.
# The header of a message with the id of the request that sent it. Messages of earlier versions lack it.
REQUEST_ID_HEADER = "request_id"

CONFIRM_TIMEOUT_SECONDS = 5
CONNECT_TIMEOUT_SECONDS = 4
# Short, because an upload waits this long if the broker is unavailable.
PUBLISH_RETRY_POLICY: dict[str, Any] = {"max_retries": 1, "interval_start": 0.2}
# A worker that has a task waits for so long before it ends the task. Within this time, a task hands its job over.
SOFT_SHUTDOWN_SECONDS = 8
LOST_WORKER_WAIT_SECONDS = 1

broker.register_transport()


class ImportConsumer(Consumer):  # type: ignore[misc]
    """Celery's consumer without delayed delivery, which would declare dozens of queues that nobody uses."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        """The steps of the consumer."""

        default_steps: ClassVar = [
            step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        ]


def _create_queue(queue_type: str) -> Queue:
    name = IMPORTS_QUEUES[queue_type]
    exchange = Exchange(name, type="direct", durable=True)  # type: ignore[no-untyped-call]
    # Earlier versions declared the classic queue without a type.
    arguments = None if queue_type == "classic" else {"x-queue-type": queue_type}
    return Queue(name, exchange, routing_key=name, durable=True, queue_arguments=arguments)  # type: ignore[no-untyped-call]


def _transport_options(settings: config.Settings) -> dict[str, Any]:
    if settings.broker_is_embedded:
        return broker.create_transport_options(config.make_folder("DATA_DIR", settings.data_dir) / "broker")
    # Without confirms a message can be lost unnoticed. Without a timeout the wait for a confirm can last forever.
    return {"confirm_publish": True, "confirm_timeout": CONFIRM_TIMEOUT_SECONDS, **PUBLISH_RETRY_POLICY}


def create_celery(settings: config.Settings) -> Celery:
    """Return a Celery application for these settings; raises `ConfigError` if DATA_DIR cannot be written."""
    app = Celery("acme", include=["tasks"])
    queue_type = "classic" if settings.broker_is_embedded else settings.queue_type
    queue_name = IMPORTS_QUEUES[queue_type]
    app.conf.update(
        broker_url=settings.broker_url,
        broker_transport_options=_transport_options(settings),
        broker_connection_timeout=CONNECT_TIMEOUT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # RabbitMQ closes the channel of a message that is not acknowledged within its consumer_timeout. The worker
        # reconnects and goes on: its import has a lease in PostgreSQL, and a second task for that import finds the
        # lease and returns.
        broker_channel_error_retry=True,
        # Small CloudAMQP plans allow few connections. TCP detects a dead one without heartbeats.
        broker_pool_limit=1,
        broker_heartbeat=None,
        result_backend=settings.celery_result_backend or None,
        task_ignore_result=True,
        task_queues=[_create_queue(queue_type)],
        task_default_queue=queue_name,
        task_default_exchange=queue_name,
        task_default_routing_key=queue_name,
        task_routes={"imports.*": {"queue": queue_name}},
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # Tasks have no results, so there is nothing to wait for after a child process died.
        worker_lost_wait=LOST_WORKER_WAIT_SECONDS,
        worker_prefetch_multiplier=1,
        # A running import needs no connection to the broker, so it continues without one.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_consumer="celery_app:ImportConsumer",
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS,
        worker_send_task_events=False,
        worker_hijack_root_logger=True,
        task_serializer="json",
        accept_content=["json"],
        timezone="UTC",
    )
    return app


def wake_import(task_id: str) -> bool:
    """Send the message of an import to the workers.

    Return false if the broker does not accept it; then the reaper sends it later.
    """
    # Importing it decides whether metrics are shared, which a worker must do before: see `begin_worker`.
    from monitoring.metrics import MESSAGES

    request_id = context.current_request_id()
    try:
        celery.send_task(
            RUN_IMPORT,
            args=[task_id],
            headers={REQUEST_ID_HEADER: request_id} if request_id else None,
            retry=True,
            retry_policy=PUBLISH_RETRY_POLICY,
        )
    except Exception as error:
        # The transports raise many kinds of errors. All are handled alike: the database has the job, so none is fatal.
        log.warning("Job %s: the broker did not accept the message; it will be sent later: %s", task_id, error)
        MESSAGES.labels("refused").inc()
        return False
    MESSAGES.labels("sent").inc()
    return True


@import_modules.connect  # type: ignore[untyped-decorator]
def begin_worker(**_: Any) -> None:
    """Let a worker share its metrics with its child processes and its dispatcher, before it imports the tasks."""
    if settings.metrics_port and not shared_folder():
        share_metrics()
    if settings.log_format == logs.JSON:
        # Celery warns of some settings before it sets up the logs.
        logs.configure(settings.log_format)


@setup_logging.connect  # type: ignore[untyped-decorator]
def configure_logs(loglevel: int, logfile: str | None, **_: Any) -> None:
    """Write the logs of a worker and of its child processes in the format of the product, instead of Celery's."""
    logs.configure(settings.log_format, level=loglevel, file=logfile)
    if settings.log_format == logs.JSON:
        from celery.apps import worker

        # Celery prints these sentences about its shutdown as they are.
        worker.safe_say = lambda message, *_: log.info("%s", str(message).strip())


try:
    settings = config.load()
    celery = app = create_celery(settings)
except config.ConfigError as error:
    # `celery -A celery_app` loads this module and would print a traceback.
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
