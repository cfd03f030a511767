"""A pytest plugin that closes the network to tests: their sockets may connect only to this machine.

It guards Python's sockets in the test process. It does not see the connections of libpq and of child processes.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

CONNECT_METHODS = ("connect", "connect_ex")


@pytest.fixture(autouse=True)
def closed_network() -> Iterator[None]:
    """Fail a test that connects to another machine."""
    with pytest.MonkeyPatch.context() as patches:
        for name in CONNECT_METHODS:
            patches.setattr(socket.socket, name, _guard(getattr(socket.socket, name)))
        yield


def _guard(connect: Any) -> Any:
    def connect_to_this_machine(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
            # `Failed` derives from BaseException, so the error handling of the product does not swallow it.
            pytest.fail(f"A test may connect only to this machine, but this one connects to {address[0]}.")
        return connect(self, address)

    return connect_to_this_machine


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
