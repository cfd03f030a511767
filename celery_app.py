"""The Celery instance: its broker, its queues, and what they guarantee.

PostgreSQL knows the state of every job; a message only wakes a worker. Messages are durable and confirmed, and
acknowledged late, so that one whose worker dies goes to another. What gets lost all the same, the sweep finds.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue as queues
import signal
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from celery import Celery, platforms
from celery.signals import worker_ready
from kombu import Exchange, Queue  # type: ignore[attr-defined]
from kombu.transport import TRANSPORT_ALIASES, filesystem

import config

log = logging.getLogger(__name__)

IMPORTS_QUEUE = "imports"
RUN_IMPORT = "imports.run"

CONFIRM_SECONDS = 5
CONNECT_SECONDS = 4
# Who uploads a file waits no longer than this for a broker that is away.
PUBLISH_RETRIES: dict[str, Any] = {"max_retries": 1, "interval_start": 0.2}
SOFT_SHUTDOWN_SECONDS = 8
LOST_WAIT_SECONDS = 1
EMBEDDED_POLL_SECONDS = 0.05
DRAIN_SECONDS = 0.2


class FileChannel(filesystem.Channel):
    """Messages as files, whole or not at all.

    kombu's own channel lets a reader see a file that is just being written, upon which a worker ends.
    """

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]
        name = f"{time.time_ns():020}_{uuid.uuid4()}.{queue}.msg"
        unfinished = Path(self.data_folder_out) / f"{name}.new"
        unfinished.write_text(json.dumps(payload), encoding="utf-8")
        unfinished.rename(Path(self.data_folder_out) / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(path.name for path in folder.iterdir() if path.name.partition(".")[2] == f"{queue}.msg"):
            taken = folder / f"{name}.taken"
            # Another worker may be quicker.
            with contextlib.suppress(FileNotFoundError):
                (folder / name).rename(taken)
                payload = taken.read_text(encoding="utf-8")
                taken.unlink()
                return json.loads(payload)
        raise queues.Empty

    def _queue_bind(self, exchange: str, *binding: Any) -> None:
        # kombu would create the table in place, where others read it while it is empty, or create it again.
        table: Path = self._exchange_file(exchange)  # type: ignore[no-untyped-call]
        unfinished = table.with_name(f"{table.name}.{uuid.uuid4()}.new")
        unfinished.write_text("[]", encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, table)
        unfinished.unlink()
        super()._queue_bind(exchange, *binding)  # type: ignore[no-untyped-call]


class FileTransport(filesystem.Transport):
    """The embedded broker: nothing to start, one folder that web and workers share."""

    Channel = FileChannel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """As of any transport, but never for long: a worker that is told to stop waits for the end of this, twice."""
        seconds = min(timeout or DRAIN_SECONDS, DRAIN_SECONDS)
        super().drain_events(connection, timeout=seconds)  # type: ignore[no-untyped-call]


TRANSPORT_ALIASES["filesystem"] = "celery_app:FileTransport"


def _queue(name: str) -> Queue:
    exchange = Exchange(name, type="direct", durable=True)  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name, durable=True)  # type: ignore[no-untyped-call]


def _broker_options(settings: config.Settings) -> dict[str, Any]:
    if not settings.broker_is_embedded:
        # Without confirms a message can vanish unnoticed; without a time-out a confirm can hang.
        return {"confirm_publish": True, "confirm_timeout": CONFIRM_SECONDS, **PUBLISH_RETRIES}
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
        # RabbitMQ closes the channel of a message held beyond its consumer_timeout. That must not end the worker: the
        # import it runs is held in PostgreSQL, and a second start of its task finds that and returns.
        broker_channel_error_retry=True,
        # Small CloudAMQP plans allow few connections; a dead one is noticed by TCP.
        broker_pool_limit=1,
        broker_heartbeat=None,
        result_backend=settings.celery_result_backend or None,
        task_ignore_result=True,
        task_queues=[_queue(IMPORTS_QUEUE)],
        task_default_queue=IMPORTS_QUEUE,
        task_default_exchange=IMPORTS_QUEUE,
        task_default_routing_key=IMPORTS_QUEUE,
        task_routes={"imports.*": {"queue": IMPORTS_QUEUE}},
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # No result that a child left behind is waited for.
        worker_lost_wait=LOST_WAIT_SECONDS,
        worker_prefetch_multiplier=1,
        # For the same reason.
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
        celery.send_task(RUN_IMPORT, args=[task_id], queue=IMPORTS_QUEUE, retry=True, retry_policy=PUBLISH_RETRIES)
    except Exception as error:
        # Whatever went wrong, the job is in the database; the drivers raise many kinds of errors here.
        log.warning("Import %s: the broker did not take its message and is asked again later: %s", task_id, error)
        return False
    return True


@worker_ready.connect  # type: ignore[untyped-decorator]
def shut_down_softly(**_: Any) -> None:
    """Lets SIGTERM, as deployments send it, begin the soft shutdown.

    Celery's own switch for that, REMAP_SIGTERM, is read before `celery -A celery_app` gets here.
    """
    platforms.signals["SIGTERM"] = lambda *_: signal.raise_signal(signal.SIGQUIT)


try:
    celery = app = make_celery(config.load())
except config.ConfigError as error:
    # This module is what `celery -A celery_app` loads; it would show a stack trace.
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    sys.exit(2)
