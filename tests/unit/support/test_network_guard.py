"""The guard that keeps tests away from the network."""

from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com"])
def test_a_connection_to_another_machine_fails_the_test(host: str) -> None:
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=f"this one connects to {host}"):
        client.connect((host, 80))


def test_a_connection_to_this_machine_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()
