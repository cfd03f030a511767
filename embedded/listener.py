"""The socket on which the web process listens."""

from __future__ import annotations

import errno
import os
import socket
import time

from embedded.errors import LaunchError

# The web process of a killed run needs some time to release the port.
PORT_RELEASE_SECONDS = 2
POLL_SECONDS = 0.1
# A browser on this machine reaches a listener on all addresses through loopback.
LOOPBACK_OF_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing binds to these keys.


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host` and `port`; port 0 takes any free one.

    Raises `LaunchError` if the address cannot be used or the port stays in use for PORT_RELEASE_SECONDS.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise LaunchError(f"HOST {host!r} is not an address of this machine") from None
    is_dual_stack = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    deadline = time.monotonic() + PORT_RELEASE_SECONDS
    while True:
        try:
            return socket.create_server(address[:2], family=family, dualstack_ipv6=is_dual_stack)
        except PermissionError as error:
            raise LaunchError(
                f"port {port} cannot be used ({os.strerror(error.errno or 0)}): set PORT to one above 1023"
            ) from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise LaunchError(f"HOST {host!r} cannot be used: {os.strerror(error.errno or 0)}") from None
            if time.monotonic() > deadline:
                raise LaunchError(f"port {port} is in use: set PORT to another one, such as PORT={port + 1}") from None
        time.sleep(POLL_SECONDS)


def browser_url(host: str, port: int) -> str:
    """Return the address that a browser on this machine opens."""
    host = LOOPBACK_OF_WILDCARD.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
