"""Where webhooks may go: public addresses, and the networks that WEBHOOK_ALLOWED_NETWORKS names.

What counts is the address that is dialled. A name is looked up once for a connection, what comes out is checked, and
that same address is dialled: a name server that gives another answer the next time changes nothing.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from urllib.parse import urlsplit

import certifi
import idna
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

Networks = tuple[IPv4Network | IPv6Network, ...]

MAX_URL_CHARACTERS = 2048
MAX_PORT = 65_535
# More addresses of one name are not tried.
MAX_ADDRESSES = 8
# Of one exchange, with all heads: those of answers that only announce another may come without end.
MAX_RECEIVED_BYTES = 128 * 1024
# 101 is an answer: nobody asked for another protocol.
INTERIM = {*range(100, 200)} - {101}

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
        "an address of a cloud's own services": "168.63.129.16/32",
        "a multicast address": "224.0.0.0/4 ff00::/8",
        "an address that stands for an IPv4 one": "::ffff:0:0/96 ::/96 64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32",
        "an address for documentation": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "an address for benchmarks": "198.18.0.0/15 2001:2::/48",
        "a reserved address": "192.0.0.0/24 192.88.99.0/24 240.0.0.0/4 100::/64 2001::/23 5f00::/16",
    }.items()
    for network in networks.split()
]
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
IPV4_IN_LAST_BITS = [ipaddress.ip_network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96")]


class ForbiddenAddress(Exception):
    """An address that webhooks must not reach; the message is one sentence."""


class Unreachable(Exception):
    """No connection could be made; the message is one sentence."""


class AnswerTooLong(Exception):
    """More than MAX_RECEIVED_BYTES came in one exchange."""


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
        if parts.netloc.startswith("["):
            ipaddress.IPv6Address(host or "")
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
        self.received_bytes = 0
        self.ended = False
        self.on_sent: Callable[[], None] | None = None

    def begin(self, connect_seconds: float, total_seconds: float, on_sent: Callable[[], None] | None) -> None:
        """Starts the clock."""
        self.deadline = time.monotonic() + total_seconds
        self.connect_seconds = connect_seconds
        self.total_seconds = total_seconds
        self.on_sent = on_sent
        self.dialled = self.ended = False
        self.received_bytes = 0

    def remaining(self) -> float:
        """How many seconds are left; raises `TimeoutError` when none are."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def received(self, count: int) -> None:
        """Counts what came, 0 for the end; raises `AnswerTooLong`."""
        self.received_bytes += count
        self.ended = count == 0
        if self.received_bytes > MAX_RECEIVED_BYTES:
            raise AnswerTooLong

    def sent(self) -> None:
        """Says that the request is out."""
        on_sent, self.on_sent = self.on_sent, None
        if on_sent is not None:
            on_sent()

    def dial(self, host: str, port: int) -> socket.socket:
        """Connects to an address of `host`; raises `ForbiddenAddress` or `Unreachable`."""
        self.dialled = True
        self.ended = False
        end = min(self.deadline, time.monotonic() + self.connect_seconds)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable(f"The name {host} cannot be found.") from None
        # One address that is forbidden spoils the name: it is not left to chance which of them is dialled.
        for *_, address in found:
            check_address(str(address[0]), self.allowed)
        found = found[:MAX_ADDRESSES]
        error: OSError | None = None
        for place, (family, kind, protocol, _, address) in enumerate(found):
            # One address that is silent leaves time for the others.
            seconds = (end - time.monotonic()) / (len(found) - place)
            if seconds <= 0:
                break
            sock = TimedSocket(family, kind, protocol)
            try:
                sock.settimeout(seconds)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.exchange = self
                return sock
            except OSError as failure:
                sock.close()
                error = failure
        if error is None or isinstance(error, TimeoutError):
            raise Unreachable(f"No connection to {host} could be made within {self.connect_seconds:g} s.")
        if isinstance(error, ConnectionRefusedError):
            raise Unreachable(f"{host} refused the connection to port {port}.")
        raise Unreachable(f"No connection to {host} could be made: {error.strerror or error}.")


class _Timed:
    """What makes a socket keep to its exchange's time, however slowly the other side drips.

    Only what HTTP connections use: `send`, `sendall`, and `recv_into` below `makefile`.
    """

    exchange: Exchange | None = None

    def _limit(self) -> None:
        if self.exchange is not None:
            self.settimeout(self.exchange.remaining())  # type: ignore[attr-defined]

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """As of any socket, in the time that is left; raises `AnswerTooLong`."""
        self._limit()
        count: int = super().recv_into(*arguments, **named)  # type: ignore[misc]
        if self.exchange is not None:
            self.exchange.received(count)
        return count

    def send(self, *arguments: Any, **named: Any) -> int:
        """As of any socket, in the time that is left; `sendall` of TLS calls it for each part."""
        self._limit()
        count: int = super().send(*arguments, **named)  # type: ignore[misc]
        return count

    def sendall(self, *arguments: Any, **named: Any) -> None:
        """As of any socket, in the time that is left, which a plain socket takes as that for the whole."""
        self._limit()
        super().sendall(*arguments, **named)  # type: ignore[misc]


class TimedSocket(_Timed, socket.socket):
    """A socket."""


class TimedTLSSocket(_Timed, ssl.SSLSocket):
    """A socket with TLS."""


@functools.cache
def tls_context(authorities: str | None) -> ssl.SSLContext:
    """A context that trusts the `authorities` in a file, by default those of certifi.

    One for all connections, since reading the file takes long.
    """
    context = ssl.create_default_context(cafile=authorities or certifi.where())
    context.sslsocket_class = TimedTLSSocket
    return context


class _Response(HTTPResponse):
    """An answer that passes over those that only announce it (1xx, RFC 9110, 15.2)."""

    def begin(self) -> None:
        """Reads the head."""
        super().begin()
        while self.status in INTERIM:
            # It reads the next one only when it knows of none.
            self.headers = None  # type: ignore[assignment]
            super().begin()


def pools(exchange: Exchange) -> dict[str, Any]:
    """Pools of connections for urllib3, by scheme, that dial through `exchange`."""

    class Connection(HTTPConnection):
        response_class = _Response

        def _new_conn(self) -> socket.socket:
            return exchange.dial(self._dns_host, self.port)

        def getresponse(self) -> Any:
            # A receiver that writes head and body apart may wait for an acknowledgement between them (RFC 896).
            if hasattr(socket, "TCP_QUICKACK"):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            exchange.sent()
            try:
                response = super().getresponse()
            except (OSError, HTTPException, AnswerTooLong):
                raise
            except Exception as error:
                # The standard library does not promise what it raises for strange answers.
                raise HTTPException(str(error)) from error
            if exchange.ended:
                # Within the head, which the standard library takes for its end.
                response.close()
                raise ConnectionAbortedError
            return response

    class TLSConnection(Connection, HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            sock = super()._new_conn()
            # For the handshake as a whole.
            sock.settimeout(exchange.remaining())
            return sock

        def connect(self) -> None:
            super().connect()
            self.sock.exchange = exchange  # type: ignore[union-attr]

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    return {"http": Pool, "https": TLSPool}
