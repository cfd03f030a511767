"""A pytest plugin: receivers of webhooks, and senders and dispatchers in the process of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import config
from support.receiver import Receiver
from support.webhooks import Resolve, StartDispatcher, create_sender
from webhooks.dispatcher import Dispatcher, Options
from webhooks.sender import Sender

STOP_SECONDS = 20


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A process that receives webhooks."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def _session_receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def shared_receiver(_session_receiver: Receiver) -> Receiver:
    """The same receiver process for many tests; it has forgotten the requests of earlier tests."""
    _session_receiver.clear()
    return _session_receiver


@pytest.fixture
def sender() -> Iterator[Sender]:
    """A sender that may reach this machine and has short timeouts."""
    sender = create_sender()
    yield sender
    sender.close()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Resolves names under `.example` to the given addresses, one list per lookup; the last list is used again.

    A call returns the list of the names that are resolved from then on.
    """
    resolved_names: list[str] = []
    getaddrinfo = socket.getaddrinfo

    def answer_with(*answers: list[str]) -> list[str]:
        remaining = list(answers)

        def resolve_example(host: str, port: int, *options: Any, **named: Any) -> list[Any]:
            if not host.endswith(".example"):
                return getaddrinfo(host, port, *options, **named)
            resolved_names.append(host)
            addresses = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", resolve_example)
        return resolved_names

    return answer_with


@pytest.fixture
def start_dispatcher(settings: config.Settings) -> Iterator[StartDispatcher]:
    """A function that starts a dispatcher in a thread of this process; its keywords are those of `Options`."""
    running: list[tuple[Dispatcher, threading.Thread]] = []

    def start(**options: Any) -> Dispatcher:
        values = {"lease_seconds": 4, "allowed_networks": settings.webhook_allowed_networks, **options}
        dispatcher = Dispatcher(Options(settings.database_url, **values))
        thread = threading.Thread(target=dispatcher.run, daemon=True)
        running.append((dispatcher, thread))
        thread.start()
        return dispatcher

    yield start
    for dispatcher, _ in running:
        dispatcher.stop()
    for _, thread in running:
        thread.join(STOP_SECONDS)
        assert not thread.is_alive()
