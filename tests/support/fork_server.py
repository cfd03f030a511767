"""A process that forks processes of the product, and has imported before what they need.

A new Python process of the product spends most of a second of CPU time on imports, and the tests start hundreds. The
server imports the libraries and the product once. A child that it forks differs from a new process in nothing else that
the product can see: it has its own arguments, environment, output, session and `__main__`.

`forked_processes.py` has the other end. It sends a request over the socket whose descriptor is the only argument, with
two descriptors: the output of the process, and a socket for reports on it. The first report is the process id, the
second one the exit status. The process stays a zombie until the other end of that socket is closed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_REQUEST_BYTES = 1 << 20
# These modules read the environment while they are imported, so each process imports them itself, as well as the
# modules that import them.
READ_THE_ENVIRONMENT = ("celery_app", "tasks")
LIBRARIES = (
    "alembic.command",
    "celery.app.amqp",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.fixups.django",
    "celery.worker.consumer",
    "flask_smorest",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "kombu.transport.filesystem",
    "kombu.transport.pyamqp",
    "sqlalchemy.dialects.postgresql.psycopg2",
)
PACKAGES = ("access", "api", "catalogue", "database", "embedded", "importer", "server", "tables", "webhooks")
MODULES = ("config", "models", "secret_key", "webhook_service")


@dataclass(frozen=True)
class Request:
    """What to run: arguments for `python`, which begin with `-m` or the name of a script, and an environment."""

    arguments: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Child:
    """A forked process, and the socket for reports on it."""

    pid: int
    reports: socket.socket


def preload() -> None:
    """Import what processes of the product need and what does not depend on their environment."""
    for name in READ_THE_ENVIRONMENT:
        sys.modules[name] = None  # type: ignore[assignment]  # Importing it raises an ImportError.
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in (*MODULES, *_list_modules()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in READ_THE_ENVIRONMENT:
        del sys.modules[name]
    # A collection in a child would copy every page that it shares with its siblings.
    gc.collect()
    gc.freeze()


def _list_modules() -> list[str]:
    folders = [str(ROOT / package) for package in PACKAGES]
    return [
        module.name
        for package, folder in zip(PACKAGES, folders, strict=True)
        for module in pkgutil.walk_packages([folder], f"{package}.", onerror=lambda _: None)
    ]


class Server:
    """Forks a process for each request."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> Request | None:
        """Return the request in each forked process; return None in the server when the tests have ended."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._control:
                    message, descriptors, _, _ = socket.recv_fds(self._control, MAX_REQUEST_BYTES, 2)
                    if not message:
                        return None
                    request = Request(**json.loads(message))
                    if self._fork(*descriptors):
                        return request
                elif isinstance(key.fileobj, socket.socket):
                    self._reap(key.data)
                else:
                    self._report_end(key)

    def _fork(self, output: int, report_descriptor: int) -> bool:
        """Fork a process and report its id; return whether this is that process."""
        assert threading.active_count() == 1, "Only a process with a single thread can be forked safely."
        reports = socket.socket(fileno=report_descriptor)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            reports.close()
            self._close()
            return True
        os.close(output)
        child = Child(pid, reports)
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, child)
        self._selector.register(reports, selectors.EVENT_READ, child)
        _send(reports, pid)
        return False

    def _report_end(self, key: selectors.SelectorKey) -> None:
        """Report the exit status of a process that has ended, in the form that `subprocess` uses."""
        child: Child = key.data
        # The process stays a zombie, so that no other process gets its id while a test may still send it a signal.
        end = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert end
        _send(child.reports, end.si_status if end.si_code == os.CLD_EXITED else -end.si_status)
        self._selector.unregister(key.fileobj)
        os.close(key.fd)

    def _reap(self, child: Child) -> None:
        """Let go of a process whose end the test knows."""
        self._selector.unregister(child.reports)
        child.reports.close()
        os.waitpid(child.pid, 0)

    def _close(self) -> None:
        """Close every descriptor of the server in a forked process."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)
        self._selector.close()


def _send(reports: socket.socket, number: int) -> None:
    # The test may have ended without waiting for the process.
    with contextlib.suppress(BrokenPipeError):
        reports.sendall(b"%d\n" % number)


def run(request: Request) -> None:
    """Run what the request names as `python` would run it; raises what it raises, such as `SystemExit`."""
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    if request.arguments[0] == "-m":
        name, *options = request.arguments[1:]
        sys.argv = [name, *options]
        # The module runs again, under the name `__main__`.
        sys.modules.pop(name, None)
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        script, *options = request.arguments
        sys.argv = [script, *options]
        runpy.run_path(script, run_name="__main__")


def main() -> None:
    """Serve requests until the other end of the socket is closed."""
    # As in a process that `python -m` starts in the project's folder.
    sys.path[0] = str(ROOT)
    preload()
    if request := Server(socket.socket(fileno=int(sys.argv[1]))).serve():
        run(request)


if __name__ == "__main__":
    main()
