"""Receives the body of a request for a resumable upload: straight to the storage, with a checkpoint now and then."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from flask import current_app, request

import config
from api.errors import REQUEST_TIMEOUT, ApiError, ErrorType
from api.imports.jobs import announce_job
from api.imports.new_imports import insert_import
from api.imports.storage import storage, storage_error
from api.imports.tus import CHECKSUM_MISMATCH, Checksum, new_hash
from database.pooled_connections import autocommitting
from importer.jobs import resumable_uploads
from importer.jobs.resumable_uploads import FenceLost, ResumableUpload
from importer.storage.running import Run, RunningUploads
from importer.storage.storage import Hasher, StoredUpload, Upload, read_back
from models import db

log = logging.getLogger(__name__)

# If a client stalls, what has arrived of a block is lost. The server receives as many bytes at a time.
BLOCK_BYTES = 131_072
# A killed process loses at most what came after the last checkpoint.
CHECKPOINT_BYTES = 64 << 20
CHECKPOINT_SECONDS = 5
# What an interrupted request still reads of what has arrived already.
LAST_BYTES = 16 << 20
# After such a pause, the client may have gone on in another connection, to another process.
PAUSE_SECONDS = 0.25
SECONDS_PER_HOUR = 3600

UPLOAD_NOT_FOUND = ErrorType(404, "upload_not_found", "There is no unfinished upload with this id. Begin a new one.")
UPLOAD_TAKEN_OVER = ErrorType(
    409, "upload_taken_over", "A newer request goes on with this upload. Ask for its Upload-Offset with HEAD."
)
SERVER_STOPS = ErrorType(
    503, "server_stops", "The server is being restarted. Ask for the Upload-Offset with HEAD, and send the rest."
)
BODY_EXCEEDS_FILE = ErrorType(
    413, "body_exceeds_file", "The body has more bytes than are left of the file, so it was refused."
)
UPLOAD_BROKEN_OFF = ErrorType(
    400, "upload_broken_off", "The body ended early. Ask for the Upload-Offset with HEAD, and send the rest."
)


class Body(Protocol):
    """The body of a request."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer only at the end."""


class BrokenOff(Exception):
    """The body of a request ended early. `is_slow` says that the server gave up."""

    def __init__(self, *, is_slow: bool) -> None:
        super().__init__()
        self.is_slow = is_slow


def running_uploads() -> RunningUploads:
    """Return the uploads that this process receives."""
    running: RunningUploads = current_app.extensions["running_uploads"]
    return running


def find_wake() -> Callable[[], None] | None:
    """Return a function that lets the current request see the end of its body after the bytes that have arrived.

    Return None where that is not possible: with TLS, another thread must not touch the socket.
    """
    client = request.environ.get("gunicorn.socket")
    if not isinstance(client, socket.socket) or isinstance(client, ssl.SSLSocket):
        return None

    def wake() -> None:
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RD)

    return wake


class Receiver:
    """Writes the body of one request to an upload that it has acquired."""

    def __init__(self, upload: ResumableUpload, run: Run) -> None:
        self.upload = upload
        self._run = run
        self._storage = storage()

    def receive(self, body: Body, size: int | None, checksum: Checksum | None) -> ResumableUpload:
        """Write a body of `size` bytes, and record where the upload is then; finish it if it is complete.

        `size` is None if only the end of the body tells it. Raises `ApiError` or `BrokenOff`. What has arrived counts
        nevertheless, unless the body must have a checksum.
        """
        try:
            writer = self._resume()
        except FileNotFoundError:
            return self._recover()
        broken: BrokenOff | None = None
        try:
            try:
                self._write(writer, body, size, checksum)
            except BrokenOff as error:
                if checksum:
                    raise
                broken = error
            self._checkpoint(writer)
            if self.upload.offset == self.upload.length:
                return self._insert(writer.finish())
            running_uploads().keep_hasher(self.upload.id, writer.hasher)
        except FenceLost:
            _close(writer.hasher)
            raise UPLOAD_TAKEN_OVER.exception() from None
        except OSError as error:
            _close(writer.hasher)
            if isinstance(error, FileNotFoundError):
                return self._recover()
            # A request that was replaced, and has noticed it too late, may have taken the file from this one.
            if self._has_lost_fence() or error.errno == errno.ESTALE:
                raise UPLOAD_TAKEN_OVER.exception() from None
            raise
        except BaseException:
            _close(writer.hasher)
            raise
        finally:
            writer.release()
        if broken:
            raise broken
        return self.upload

    def complete(self) -> ResumableUpload:
        """Insert the import of an upload whose last byte has arrived, if that did not happen yet."""
        if self.upload.is_finished or self.upload.offset < self.upload.length:
            return self.upload
        return self.receive(_NoBody(), 0, None)

    def _resume(self) -> Upload:
        upload = self.upload
        hasher = running_uploads().take_hasher(upload.id)
        try:
            writer = self._storage.resume(upload.stored_name, upload.offset, upload.state, hasher)
        except BaseException:
            _close(hasher)
            raise
        if hasher is not writer.hasher:
            _close(hasher)
        return writer

    def _write(self, writer: Upload, body: Body, size: int | None, checksum: Checksum | None) -> None:
        rest = self.upload.length - self.upload.offset if size is None else size
        computed = new_hash(checksum.algorithm) if checksum else None
        saved_at, saved = time.monotonic(), writer.size
        settings: config.Settings = current_app.config["SETTINGS"]
        ends_at = saved_at + settings.upload_hours * SECONDS_PER_HOUR
        last_bytes = LAST_BYTES if self._run.reaches_end else 0
        while rest > 0:
            started = time.monotonic()
            data = _read(body, min(rest, BLOCK_BYTES))
            now = time.monotonic()
            if now - started > PAUSE_SECONDS:
                with autocommitting(db.engine) as cursor:
                    resumable_uploads.check_fence(cursor, self.upload)
            if not data and size is None:
                break
            if not data:
                raise BrokenOff(is_slow=False)
            rest -= len(data)
            if computed:
                computed.update(data)
            writer.write(data)
            if self._run.is_interrupted:
                last_bytes -= len(data)
                if last_bytes <= 0:
                    raise BrokenOff(is_slow=False)
            if now > ends_at and rest:
                raise BrokenOff(is_slow=True)
            is_due = now - saved_at > CHECKPOINT_SECONDS or writer.size - saved >= CHECKPOINT_BYTES
            if is_due and rest and not checksum:
                self._checkpoint(writer)
                saved_at, saved = time.monotonic(), writer.size
        if size is None and not rest and _read(body, 1):
            raise BODY_EXCEEDS_FILE.exception()
        if checksum and not checksum.matches(computed):
            raise CHECKSUM_MISMATCH.exception()

    def _has_lost_fence(self) -> bool:
        """Return whether a storage may have failed because a newer request writes the upload."""
        try:
            with autocommitting(db.engine) as cursor:
                resumable_uploads.check_fence(cursor, self.upload)
        except FenceLost:
            return True
        return False

    def _checkpoint(self, writer: Upload) -> None:
        with autocommitting(db.engine) as cursor:
            # A request that was replaced should not store anything that nobody needs.
            resumable_uploads.check_fence(cursor, self.upload)
        state = writer.checkpoint()
        with autocommitting(db.engine) as cursor:
            self.upload = resumable_uploads.save(cursor, self.upload, writer.size, state)

    def _insert(self, stored: StoredUpload) -> ResumableUpload:
        """Insert the import of the stored file. If that fails, the next request does it."""
        upload = self.upload
        if stored.size != upload.length:
            return self._give_up()
        connection: Any = db.session.connection().connection.driver_connection
        with connection.cursor() as cursor:
            resumable_uploads.finish(cursor, upload)
        insert_import(upload.id, upload.filename, stored, upload.options)
        db.session.commit()
        announce_job(upload.id)
        return upload._replace(offset=upload.length, is_finished=True)

    def _recover(self) -> ResumableUpload:
        """Insert the import if the file is complete; give up if not, because what was stored of the upload is gone."""
        if self._has_lost_fence():
            raise UPLOAD_TAKEN_OVER.exception()
        if not self._storage.exists(self.upload.stored_name):
            return self._give_up()
        # A process was killed after it had stored the file, and before it had inserted the import.
        try:
            return self._insert(read_back(self._storage, self.upload.stored_name))
        except FenceLost:
            raise UPLOAD_TAKEN_OVER.exception() from None

    def _give_up(self) -> ResumableUpload:
        """Forget an upload whose stored bytes are gone, so that its client begins again."""
        log.error("What was stored of the upload %s is gone", self.upload.id)
        with autocommitting(db.engine) as cursor:
            resumable_uploads.delete_fenced(cursor, self.upload)
        raise UPLOAD_NOT_FOUND.exception()


class _NoBody:
    def read(self, _size: int, /) -> bytes:
        return b""


def receive_body(
    upload_id: str, acquire: Callable[[], ResumableUpload], body: Body, size: int | None, checksum: Checksum | None
) -> ResumableUpload:
    """Acquire an upload by calling `acquire`, write a body to it, and return it as it is then; raises `ApiError`."""
    with running_uploads().run(upload_id, find_wake()) as run:
        upload = acquire()
        if run.is_interrupted:
            raise _interruption()
        if upload.is_finished:
            return upload
        try:
            return Receiver(upload, run).receive(body, size, checksum)
        except BrokenOff as error:
            if run.is_interrupted:
                raise _interruption() from None
            raise (REQUEST_TIMEOUT if error.is_slow else UPLOAD_BROKEN_OFF).exception() from None
        except OSError as error:
            raise storage_error(error) from error


def _interruption() -> ApiError:
    """Return the error for a request that was interrupted."""
    return (SERVER_STOPS if running_uploads().is_stopping else UPLOAD_TAKEN_OVER).exception()


def read_upload(upload_id: str, acquire: Callable[[], ResumableUpload]) -> ResumableUpload:
    """Acquire an upload, so that its offset stays as it is, and return it; finish it if it is complete."""
    with running_uploads().run(upload_id, None) as run:
        try:
            return Receiver(acquire(), run).complete()
        except OSError as error:
            raise storage_error(error) from error


def discard(upload: ResumableUpload) -> None:
    """Remove what is stored of an upload that was removed. The reaper removes what cannot be removed now."""
    _close(running_uploads().take_hasher(upload.id))
    try:
        storage().discard(upload.stored_name, upload.state)
    except OSError as error:
        log.warning("The upload %s could not be removed from the storage now: %s", upload.id, error)


def parse_id(upload_id: str) -> str:
    """Return the id of an upload in the form that the database has; raise the 404 if it is not one."""
    try:
        return str(uuid.UUID(upload_id))
    except ValueError:
        raise UPLOAD_NOT_FOUND.exception() from None


def _read(body: Body, size: int) -> bytes:
    """Return the next bytes of a body; raise `BrokenOff` if it cannot be read."""
    try:
        return body.read(size)
    except TimeoutError:
        raise BrokenOff(is_slow=True) from None
    except ApiError:
        raise
    except Exception as error:  # The server's own errors of bodies that end early or are malformed.
        log.info("The body of an upload broke off: %r", error)
        raise BrokenOff(is_slow=False) from None


def _close(hasher: Hasher | None) -> None:
    if hasher:
        hasher.close()
