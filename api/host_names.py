"""Names and addresses of servers, as `Host` headers have them: which are this server's, and which are loopback."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Sequence

import config

LOOPBACK_NAME = "localhost"
LABEL = "[0-9A-Za-z_-]+"
# An IPv6 address is in brackets. A port and the dot of a fully qualified name may follow.
HOST_RE = re.compile(rf"(?P<name>\[[0-9A-Fa-f:.]+\]|{LABEL}(?:\.{LABEL})*)\.?(?::\d*)?")
# Each request asks for the same few names and addresses several times.
CACHED_NAMES = 256


@functools.lru_cache(CACHED_NAMES)
def parse_host(host: str) -> str | None:
    """Return the name or address in a `Host` header, in lower case and without the port; None if it is malformed.

    An IPv6 address is in brackets.
    """
    match = HOST_RE.fullmatch(host)
    return match["name"].lower() if match else None


def is_trusted(name: str, settings: config.Settings, bound_address: str) -> bool:
    """Return whether a name or address from `Host` is one of this server's.

    `name` is in lower case and has no port; an IPv6 address is in brackets. `bound_address` is the address that the
    server listens on, which can differ from the setting HOST if the command line of gunicorn sets it.
    """
    own_name = settings.host.lower()
    if name == LOOPBACK_NAME or name.strip("[]") == own_name or matches_any(name, settings.trusted_hosts):
        return True
    address = parse_address(name)
    if address is None:
        return False
    # An attacker can point a name at this server, but not an IP address. So trust every address at which clients can
    # reach the server: any address, or only loopback addresses if the server listens only on loopback.
    return address.is_loopback or not (is_loopback(own_name) and is_loopback(bound_address))


def matches_any(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name is one of `patterns`: a name, `*.example.com` for its subdomains, or `*` for any name."""
    return any(
        pattern in {"*", name} or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in patterns
    )


@functools.lru_cache(CACHED_NAMES)
def is_loopback(host: str) -> bool:
    """Return whether a server that listens on this host is reachable from its own machine only."""
    address = parse_address(host)
    return host == LOOPBACK_NAME if address is None else address.is_loopback


def server_url(settings: config.Settings) -> str:
    """Return an address of the server that a browser on its machine or in its network can open, as the settings say.

    Without a name in TRUSTED_HOSTS, it is the one on which the web process listens.
    """
    if named := next((name for name in settings.trusted_hosts if "*" not in name), None):
        return f"https://{named}"
    address = parse_address(settings.host)
    # A server that listens on all addresses answers on loopback as well.
    host = "127.0.0.1" if address is not None and address.is_unspecified else settings.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}"


@functools.lru_cache(CACHED_NAMES)
def parse_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return a name as an IP address, or None if it is not one."""
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
