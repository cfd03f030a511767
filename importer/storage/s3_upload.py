"""Stores an object of an S3-compatible service as its bytes arrive."""

from __future__ import annotations

import contextlib
import logging
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from importer.storage.storage import Hasher, Storage, StoredUpload, read_back
from monitoring.context import carry

log = logging.getLogger(__name__)

# Of one upload: with the part that is being filled, this many more parts are in memory.
PARTS_IN_FLIGHT = 2
BLOCK_BYTES = 1 << 20
TAIL_SUFFIX = ".tail"
# What an upload has after its last whole part, until the next request brings more. Each checkpoint has one of its own:
# a writer that was replaced by a newer one, and does not know it yet, must not change the tail of that one.
TAIL_NAME = "{name}.{id}" + TAIL_SUFFIX


class PartStorage(Storage, Protocol):
    """A storage whose files consist of parts. All parts of a file but the last have `part_bytes`."""

    @property
    def part_bytes(self) -> int:
        """The size of the parts of a new upload."""

    def put(self, name: str, data: bytes) -> None:
        """Store a small file."""

    def begin(self, name: str) -> str:
        """Begin to store a file by parts; return the id of the upload."""

    def send_part(self, name: str, upload_id: str, number: int, data: bytes) -> str:
        """Store a part; return its ETag."""

    def complete(self, name: str, upload_id: str, parts: list[dict[str, Any]]) -> None:
        """Make a file of the parts."""

    def abort(self, name: str, upload_id: str) -> None:
        """Remove the parts of an upload; do nothing if it has ended."""


class S3Upload:
    """An object that is being stored: in one request if it is small, otherwise part by part, several at a time."""

    def __init__(
        self,
        storage: PartStorage,
        name: str,
        *,
        size: int = 0,
        state: dict[str, Any] | None = None,
        tail: bytes = b"",
        hasher: Hasher | None,
    ) -> None:
        state = state or {}
        self.hasher = hasher
        self._storage = storage
        self._name = name
        self._size = size
        self._upload_id: str | None = state.get("upload_id")
        self._etags: list[str] = list(state.get("etags", ()))
        # Some services demand that all parts but the last have the same size, so an upload keeps that of its start.
        self._part_bytes: int = state.get("part_bytes", storage.part_bytes)
        # The start of the next part in blocks, which are hashed, and what comes after them.
        self._blocks = [tail] if tail else []
        self._blocks_bytes = len(tail)
        self._rest = bytearray()
        # The tails that are stored: those of the last checkpoint, and of the one before it.
        self._tails: list[str] = list(state.get("tails", ()))
        self._executor = ThreadPoolExecutor(PARTS_IN_FLIGHT, thread_name_prefix="upload-part")
        self._sending: list[Future[str]] = []

    @property
    def size(self) -> int:
        """How many bytes were written."""
        return self._size

    def write(self, data: bytes) -> None:
        """Write the next bytes. Wait if too many parts are being sent."""
        self._rest += data
        self._size += len(data)
        while len(self._rest) >= (wanted := min(BLOCK_BYTES, self._part_bytes - self._blocks_bytes)):
            self._cut_block(wanted)
            if self._blocks_bytes == self._part_bytes:
                self._send()

    def checkpoint(self) -> dict[str, Any]:
        """Wait until all parts are stored. What is too small for a part is stored as an object of its own."""
        self._wait(0)
        self._cut_block(len(self._rest))
        if self._blocks:
            tail = TAIL_NAME.format(name=self._name, id=uuid.uuid4().hex)
            self._storage.put(tail, b"".join(self._blocks))
            # Until this checkpoint is kept, the one before it may still be needed.
            for old in self._tails[:-1]:
                self._storage.delete(old)
            self._tails = [*self._tails[-1:], tail]
        return {
            "upload_id": self._upload_id,
            "etags": [*self._etags],
            "part_bytes": self._part_bytes,
            "tail_bytes": self._blocks_bytes,
            "tails": [*self._tails],
        }

    def finish(self) -> StoredUpload:
        """Store the rest, and make the object appear under its name."""
        self._cut_block(len(self._rest))
        if self._upload_id is None:
            self._storage.put(self._name, b"".join(self._blocks))
        else:
            if self._blocks:
                self._send()
            self._wait(0)
            parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, start=1)]
            self._storage.complete(self._name, self._upload_id, parts)
        self._executor.shutdown()
        self._delete_tails()
        if self.hasher is None:
            return read_back(self._storage, self._name)
        with contextlib.closing(self.hasher):
            return StoredUpload(self._name, self._size, self.hasher.hexdigest())

    def abort(self) -> None:
        """Remove what was stored."""
        self.release()
        try:
            if self._upload_id is not None:
                self._storage.abort(self._name, self._upload_id)
            self._delete_tails()
        except OSError as error:
            log.warning("The parts of an upload could not be removed from %s: %s", self._storage.location, error)
        if self.hasher:
            self.hasher.close()

    def release(self) -> None:
        """Wait for the parts that are being sent."""
        self._executor.shutdown(cancel_futures=True)
        self._blocks.clear()
        self._rest.clear()

    def _cut_block(self, size: int) -> None:
        """Make the next block of the part that is being filled."""
        block = bytes(memoryview(self._rest)[:size])
        del self._rest[:size]
        if block:
            if self.hasher:
                self.hasher.add(block)
            self._blocks.append(block)
            self._blocks_bytes += len(block)

    def _send(self) -> None:
        """Send the blocks as the next part."""
        if self._upload_id is None:
            self._upload_id = self._storage.begin(self._name)
        self._wait(PARTS_IN_FLIGHT - 1)
        data = b"".join(self._blocks)
        self._blocks.clear()
        self._blocks_bytes = 0
        number = len(self._etags) + len(self._sending) + 1
        send = self._storage.send_part
        self._sending.append(self._executor.submit(carry(send), self._name, self._upload_id, number, data))

    def _wait(self, allowed: int) -> None:
        """Wait until at most this many parts are being sent."""
        while len(self._sending) > allowed:
            self._etags.append(self._sending.pop(0).result())

    def _delete_tails(self) -> None:
        for name in self._tails:
            self._storage.delete(name)
