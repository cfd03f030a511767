"""Where webhooks may go: public addresses, and the networks that WEBHOOK_ALLOWED_NETWORKS names.

What counts is the address that is dialled. A name is looked up once for a connection, what comes out is checked, and
that same address is dialled: a name server that gives another answer the next time changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from urllib.parse import urlsplit

import idna
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

Networks = tuple[IPv4Network | IPv6Network, ...]

MAX_URL_CHARACTERS = 2048
MAX_PORT = 65_535

# After the IANA registries of special-purpose addresses (RFC 6890), which `ipaddress` knows in different states, and
# all that carry IPv4 addresses within IPv6 ones. Of IPv6 only 2000::/3 is in public use.
NOT_PUBLIC = [
    (ipaddress.ip_network(network), kind)
    for kind, networks in {
        "an unspecified address": "0.0.0.0/8 ::/128",
        "a loopback address": "127.0.0.0/8 ::1/128",
        "a private address": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10",
        "a link-local address": "169.254.0.0/16 fe80::/10",
        "a shared address (carrier-grade NAT)": "100.64.0.0/10",
        "a multicast address": "224.0.0.0/4 ff00::/8",
        "an address that stands for an IPv4 one": "::ffff:0:0/96 ::/96 64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32",
        "an address for documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "an address for benchmarks": "198.18.0.0/15 2001:2::/48",
        "a reserved address": "192.0.0.0/24 192.88.99.0/24 240.0.0.0/4 100::/64 2001::/23 5f00::/16",
    }.items()
    for network in networks.split()
]
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
IPV4_IN_LAST_BITS = [ipaddress.ip_network(network) for network in ("::/96", "::ffff:0:0/96", "64:ff9b::/96")]


class ForbiddenAddress(Exception):
    """An address that webhooks must not reach; the message is one sentence."""


class Unreachable(Exception):
    """No connection could be made; the message is one sentence."""


def check_address(address: str, allowed: Networks) -> None:
    """Raises `ForbiddenAddress` unless `address` is public, or within the networks `allowed`."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in allowed) or _embeds_allowed(ip, allowed):
        return
    kind = next((kind for network, kind in NOT_PUBLIC if ip in network), None)
    if kind is None and ip.version == 6 and ip not in PUBLIC_IPV6:
        kind = "a reserved address"
    if kind is not None:
        raise ForbiddenAddress(
            f"{address} is {kind}. Webhooks reach public addresses only, and the networks in WEBHOOK_ALLOWED_NETWORKS."
        )


def _embeds_allowed(ip: IPv4Address | IPv6Address, allowed: Networks) -> bool:
    """Whether an IPv6 address is just another way to write an IPv4 one that is allowed."""
    if ip.version == 4 or not any(ip in network for network in IPV4_IN_LAST_BITS):
        return False
    inner = IPv4Address(int(ip) & 0xFFFFFFFF)
    return any(inner in network for network in allowed)


def literal_address(host: str) -> str | None:
    """The address that `host` is, in any way of writing that the system takes; None for a name."""
    try:
        return str(ipaddress.IPv6Address(host.strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:
        # Also decimal, octal, hexadecimal and with fewer parts: 2130706433, 0177.0.0.1, 0x7f.1.
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def check_url(url: str, allowed: Networks) -> str:
    """Returns the URL of a receiver without spaces around it; raises `ValueError` with a sentence where it is unusable.

    Names are not looked up here: what they stand for is checked whenever they are dialled.
    """
    url = url.strip(" ")
    if not url:
        raise ValueError("Give the URL of the receiver, such as https://example.com/hooks.")
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"At most {MAX_URL_CHARACTERS:,} characters are allowed, these are {len(url):,}.")
    if any(ord(letter) <= 32 or 127 <= ord(letter) < 160 or letter == "\\" or letter.isspace() for letter in url):
        raise ValueError("The URL must not contain spaces, control characters or backslashes.")
    if any("\ud800" <= letter <= "\udfff" for letter in url):
        raise ValueError("The URL contains characters that are no text.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("The URL cannot be read. It looks like https://example.com:8443/hooks.") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("The URL must begin with http:// or https://.")
    if not host:
        raise ValueError("The URL has no host. It looks like https://example.com/hooks.")
    if "@" in parts.netloc:
        raise ValueError("The URL must not contain a user name or password. Requests are signed with the secret.")
    if parts.fragment or url.endswith("#"):
        raise ValueError("The URL must not contain a fragment (#…), which is never sent.")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"The port must be a number from 1 to {MAX_PORT}.")
    _check_host(host, allowed)
    return url


def _check_host(host: str, allowed: Networks) -> None:
    try:
        # As browsers and requests read it: full-width digits are digits.
        plain = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError(f"{host!r} is not the name of a host.") from None
    if (address := literal_address(plain)) is not None:
        try:
            check_address(address, allowed)
        except ForbiddenAddress as forbidden:
            raise ValueError(str(forbidden)) from None
    elif not _is_name(plain):
        raise ValueError(f"{host!r} is not the name of a host.")


def _is_name(host: str) -> bool:
    """Whether a host is made of labels of letters, digits, `-` and `_`, and does not end in a number (WHATWG URL)."""
    labels = host.removesuffix(".").split(".")
    fine = all(
        0 < len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() and label.isascii()
        for label in labels
    )
    return fine and len(host) <= 253 and not labels[-1].isdigit() and not labels[-1].startswith("0x")


class Exchange:
    """One request and its answer, for the connections of one thread: how long it may take, and what it did."""

    def __init__(self, allowed: Networks) -> None:
        self.allowed = allowed
        self.deadline = 0.0
        self.connect_seconds = 0.0
        self.total_seconds = 0.0
        self.dialled = False
        self.answered = False
        self.on_sent: Callable[[], None] | None = None

    def begin(self, connect_seconds: float, total_seconds: float, on_sent: Callable[[], None] | None) -> None:
        """Starts the clock."""
        self.deadline = time.monotonic() + total_seconds
        self.connect_seconds = connect_seconds
        self.total_seconds = total_seconds
        self.on_sent = on_sent
        self.dialled = self.answered = False

    def remaining(self) -> float:
        """How many seconds are left; raises `TimeoutError` when none are."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def sent(self) -> None:
        """Says that the request is out."""
        on_sent, self.on_sent = self.on_sent, None
        if on_sent is not None:
            on_sent()

    def dial(self, host: str, port: int) -> socket.socket:
        """Connects to an address of `host`; raises `ForbiddenAddress` or `Unreachable`."""
        self.dialled = True
        end = min(self.deadline, time.monotonic() + self.connect_seconds)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable(f"The name {host} cannot be found.") from None
        # One address that is forbidden spoils the name: it is not left to chance which of them is dialled.
        for *_, address in found:
            check_address(str(address[0]), self.allowed)
        error: OSError | None = None
        for family, kind, protocol, _, address in found:
            sock = TimedSocket(family, kind, protocol)
            try:
                sock.settimeout(max(0.001, end - time.monotonic()))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.exchange = self
                return sock
            except OSError as failure:
                sock.close()
                error = failure
            if time.monotonic() >= end:
                break
        if isinstance(error, TimeoutError):
            raise Unreachable(f"No connection to {host} could be made within {self.connect_seconds:g} s.")
        if isinstance(error, ConnectionRefusedError):
            raise Unreachable(f"{host} refused the connection to port {port}.")
        raise Unreachable(f"No connection to {host} could be made: {error.strerror if error else 'no address'}.")


class _Timed:
    """What makes a socket keep to its exchange's time, however slowly the other side drips."""

    exchange: Exchange | None = None

    def _limit(self) -> None:
        if self.exchange is not None:
            self.settimeout(self.exchange.remaining())  # type: ignore[attr-defined]

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """As of any socket, in the time that is left."""
        self._limit()
        received: int = super().recv_into(*arguments, **named)  # type: ignore[misc]
        if self.exchange is not None and received:
            self.exchange.answered = True
        return received

    def sendall(self, *arguments: Any, **named: Any) -> None:
        """As of any socket, in the time that is left."""
        self._limit()
        super().sendall(*arguments, **named)  # type: ignore[misc]


class TimedSocket(_Timed, socket.socket):
    """A socket."""


class TimedTLSSocket(_Timed, ssl.SSLSocket):
    """A socket with TLS."""


def tls_context() -> ssl.SSLContext:
    """A context that checks certificates against those that the connection is told to trust."""
    context = ssl.create_default_context()
    context.sslsocket_class = TimedTLSSocket
    return context


def pools(exchange: Exchange) -> dict[str, Any]:
    """Pools of connections for urllib3, by scheme, that dial through `exchange`."""

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return exchange.dial(self._dns_host, self.port or 80)

        def getresponse(self) -> Any:
            exchange.sent()
            return super().getresponse()

    class TLSConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            sock = exchange.dial(self._dns_host, self.port or 443)
            # For the handshake as a whole.
            sock.settimeout(exchange.remaining())
            return sock

        def connect(self) -> None:
            super().connect()
            self.sock.exchange = exchange  # type: ignore[union-attr]

        def getresponse(self) -> Any:
            exchange.sent()
            return super().getresponse()

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    return {"http": Pool, "https": TLSPool}
