"""The broker that Celery uses if no RabbitMQ is configured: a folder of files that all processes share.

It is kombu's filesystem transport with changes: messages and exchange tables appear atomically, and a worker that
shuts down does not wait for messages. It survives a power cut: files that are damaged by one are skipped or written
again. Nothing is synced to the disk, because the database holds every job, and a reaper sends lost messages again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue as queues
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem

log = logging.getLogger(__name__)

URL_SCHEME = "filesystem"
POLL_SECONDS = 0.05
MAX_DRAIN_SECONDS = 0.2


class FileChannel(filesystem.Channel):
    """A channel whose messages are files, each named after its time and its queue.

    With kombu's own channel, a worker can read a half-written file, which ends the worker.
    """

    def _put(self, queue: str, payload: dict[str, Any], **_: Any) -> None:  # type: ignore[override]
        # Only processes of this machine share the folder.
        name = f"{time.time_ns():020}_{uuid.uuid4()}.{queue}.msg"  # noqa: TID251
        unfinished = Path(self.data_folder_out) / f"{name}.new"
        unfinished.write_text(json.dumps(payload), encoding="utf-8")
        unfinished.rename(Path(self.data_folder_out) / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(path.name for path in folder.iterdir() if path.name.partition(".")[2] == f"{queue}.msg"):
            claimed = folder / f"{name}.taken"
            # Renaming claims the message. It fails if another worker was faster.
            with contextlib.suppress(FileNotFoundError):
                (folder / name).rename(claimed)
                content = claimed.read_bytes()
                claimed.unlink()
                message = _parse(content)
                if isinstance(message, dict):
                    return message
                log.warning("The message %s is damaged and was dropped; its import gets another one", name)
        raise queues.Empty

    def _queue_bind(self, exchange: str, *binding: Any) -> None:
        # kombu creates the exchange table in place: others could read it while it is empty, or create it twice.
        table: Path = self._exchange_file(exchange)  # type: ignore[no-untyped-call]
        unfinished = table.with_name(f"{table.name}.{uuid.uuid4()}.new")
        unfinished.write_text("[]", encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, table)
        unfinished.unlink()
        _repair_table(table)
        super()._queue_bind(exchange, *binding)  # type: ignore[no-untyped-call]


def _parse(content: bytes) -> Any:
    """Return what a JSON file holds, None if it is damaged."""
    try:
        return json.loads(content)
    except ValueError:
        return None


def _repair_table(table: Path) -> None:
    """Empty an exchange table that is damaged; every process adds its queues when it connects."""
    with table.open("rb+") as file:
        filesystem.lock(file, filesystem.LOCK_EX)  # type: ignore[no-untyped-call]
        queues = _parse(file.read())
        if not isinstance(queues, list) or not all(isinstance(queue, list) and len(queue) == 3 for queue in queues):
            file.seek(0)
            file.truncate()
            file.write(b"[]")


class FileTransport(filesystem.Transport):
    """The transport of `filesystem:` URLs."""

    Channel = FileChannel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """Wait for messages, at most MAX_DRAIN_SECONDS: a worker waits for this call twice when it shuts down."""
        seconds = min(timeout or MAX_DRAIN_SECONDS, MAX_DRAIN_SECONDS)
        super().drain_events(connection, timeout=seconds)  # type: ignore[no-untyped-call]


def register_transport() -> None:
    """Make kombu use `FileTransport` for `filesystem:` URLs."""
    TRANSPORT_ALIASES[URL_SCHEME] = f"{__name__}:{FileTransport.__name__}"


def create_transport_options(folder: Path) -> dict[str, Any]:
    """Create the broker's folders in `folder` and return the options of the transport that uses them."""
    message_folder, control_folder = folder / "queues", folder / "control"
    for path in (message_folder, control_folder):
        path.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(message_folder),
        "data_folder_out": str(message_folder),
        "control_folder": str(control_folder),
        "polling_interval": POLL_SECONDS,
    }
