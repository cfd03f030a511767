"""A web process of the product, and what tests ask it over HTTP."""

from __future__ import annotations

import contextlib
from typing import Any

import requests

from support.database import execute
from support.processes import Process, Processes
from support.waiting import wait_for

REQUEST_SECONDS = 60
SERVER_ERROR = 500


class WebProcess:
    """A web process on a port of this machine. `api_url` is the base of all calls, and `headers` are sent with each."""

    def __init__(self, processes: Processes, port: int) -> None:
        self.port = port
        self.api_url = f"http://127.0.0.1:{port}/api"
        self.headers: dict[str, str] = {}
        self._processes = processes

    def start(self, **changes: str) -> Process:
        """Start the process with further environment variables, wait until it answers, and return it."""
        process = self._processes.start_web(self.port, **changes)
        wait_for("the web process answers", self._answers)
        return process

    def _answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.api_url}/products", timeout=REQUEST_SECONDS).status_code < SERVER_ERROR
        return False

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make a call, which must succeed, and return its JSON."""
        response = requests.request(
            method, f"{self.api_url}{path}", json=body, headers=self.headers, timeout=REQUEST_SECONDS
        )
        assert response.ok, response.text
        return response.json()

    def send(self, method: str, path: str, **headers: str) -> requests.Response:
        """Make a call with further headers and return its response, whatever its status."""
        headers = self.headers | headers
        return requests.request(method, f"{self.api_url}{path}", headers=headers, timeout=REQUEST_SECONDS)

    def open_stream(self, path: str, **headers: str) -> requests.Response:
        """Open a stream; the response is a context manager that closes it."""
        headers = self.headers | headers
        return requests.get(f"{self.api_url}{path}", headers=headers, stream=True, timeout=REQUEST_SECONDS)


def count_connections(url: str, condition: str = "true") -> int:
    """Return the number of connections that the product has to the database; `condition` is SQL and limits them."""
    rows = execute(
        url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        f" AND application_name LIKE 'acme-%' AND {condition}",
    )
    return int(rows[0][0])


def count_listening_connections(url: str) -> int:
    """Return the number of connections that wait for the notifications of streams."""
    # After LISTEN, the connection asks for changes that did not notify.
    return count_connections(url, "(query LIKE '%LISTEN %' OR query LIKE '%pg_try_advisory_xact_lock%')")


def end_connections(url: str) -> None:
    """Let PostgreSQL end all connections to this database."""
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
