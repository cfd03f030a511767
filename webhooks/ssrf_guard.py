"""Which addresses webhooks may reach: public ones, and those in the networks of WEBHOOK_ALLOWED_NETWORKS.

The check applies to the address that is dialled. The HTTP client resolves a name once per connection, checks every
result and dials one of them, so a name server that later gives another answer changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import idna

Networks = tuple[IPv4Network | IPv6Network, ...]

MAX_URL_CHARACTERS = 2048
MAX_PORT = 65_535

# The IANA registries of special-purpose addresses (RFC 6890), and every IPv6 range that embeds IPv4 addresses. The list
# is here because `ipaddress` has a different state of these registries in each Python version. Only 2000::/3 of IPv6 is
# in public use.
SPECIAL_NETWORKS = [
    (ipaddress.ip_network(network), kind)
    for kind, networks in {
        "an unspecified address": "0.0.0.0/8 ::/128",
        "a loopback address": "127.0.0.0/8 ::1/128",
        "a private address": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10",
        "a link-local address": "169.254.0.0/16 fe80::/10",
        "a shared address (carrier-grade NAT)": "100.64.0.0/10",
        "an address of a cloud's internal services": "168.63.129.16/32",
        "a multicast address": "224.0.0.0/4 ff00::/8",
        "an address that embeds an IPv4 address": "::ffff:0:0/96 ::/96 64:ff9b::/96 64:ff9b:1::/48 2002::/16 2001::/32",
        "a documentation address": "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
        "a benchmarking address": "198.18.0.0/15 2001:2::/48",
        "a reserved address": "192.0.0.0/24 192.88.99.0/24 240.0.0.0/4 100::/64 2001::/23 5f00::/16",
    }.items()
    for network in networks.split()
]
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
IPV4_EMBEDDING_NETWORKS = [ipaddress.ip_network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96")]


class ForbiddenAddress(Exception):
    """An address that webhooks must not reach. The message is a sentence for users."""


def check_address(address: str, allowed: Networks) -> None:
    """Raise `ForbiddenAddress` unless an IP address is public or in one of the `allowed` networks."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in allowed) or _embeds_allowed(ip, allowed):
        return
    kind = next((kind for network, kind in SPECIAL_NETWORKS if ip in network), None)
    if kind is None and ip.version == 6 and ip not in PUBLIC_IPV6:
        kind = "a reserved address"
    if kind is not None:
        raise ForbiddenAddress(
            f"{address} is {kind}. Webhooks reach only public addresses and the networks in WEBHOOK_ALLOWED_NETWORKS."
        )


def _embeds_allowed(ip: IPv4Address | IPv6Address, allowed: Networks) -> bool:
    """Return whether an IPv6 address embeds an IPv4 address that is allowed."""
    if ip.version == 4 or not any(ip in network for network in IPV4_EMBEDDING_NETWORKS):
        return False
    inner = IPv4Address(int(ip) & 0xFFFFFFFF)
    return any(inner in network for network in allowed)


def literal_address(host: str) -> str | None:
    """Return the IP address that `host` stands for in any notation that the system accepts; None for a name."""
    try:
        return str(ipaddress.IPv6Address(host.strip("[]").partition("%")[0]))
    except ValueError:
        pass
    try:
        # This also accepts decimal, octal and hexadecimal parts, and fewer than four: 2130706433, 0177.0.0.1, 0x7f.1.
        return socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def check_url(url: str, allowed: Networks) -> str:
    """Return the URL of a receiver without surrounding spaces. Raise `ValueError` with a sentence if it is unusable.

    Host names are not resolved here; their addresses are checked on every connection.
    """
    url = url.strip(" ")
    if not url:
        raise ValueError("Give the URL of the receiver, such as https://example.com/hooks.")
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"At most {MAX_URL_CHARACTERS:,} characters are allowed; this URL has {len(url):,}.")
    if any(ord(letter) <= 32 or 127 <= ord(letter) < 160 or letter == "\\" or letter.isspace() for letter in url):
        raise ValueError("The URL must not contain spaces, control characters or backslashes.")
    if any("\ud800" <= letter <= "\udfff" for letter in url):
        raise ValueError("The URL contains surrogate characters, which are not text.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.netloc.startswith("["):
            ipaddress.IPv6Address(host or "")
    except ValueError:
        raise ValueError("The URL cannot be read. Enter one such as https://example.com:8443/hooks.") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("The URL must start with http:// or https://.")
    if not host:
        raise ValueError("The URL has no host. Enter one such as https://example.com/hooks.")
    if "@" in parts.netloc:
        raise ValueError("The URL must not contain a user name or password. Requests are signed with the secret.")
    if parts.fragment or url.endswith("#"):
        raise ValueError("The URL must not contain a fragment (#…), because fragments are never sent.")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"The port must be a number from 1 to {MAX_PORT}.")
    _check_host(host, allowed)
    return url


def _check_host(host: str, allowed: Networks) -> None:
    try:
        # Browsers and the library `requests` read full-width digits as digits.
        plain = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError(f"{host!r} is not a host name.") from None
    if (address := literal_address(plain)) is not None:
        try:
            check_address(address, allowed)
        except ForbiddenAddress as forbidden:
            raise ValueError(str(forbidden)) from None
    elif not _is_name(plain):
        raise ValueError(f"{host!r} is not a host name.")


def _is_name(host: str) -> bool:
    """Return whether a host consists of labels of letters, digits, `-` and `_`, and does not end in a number.

    See "ends in a number" in the WHATWG URL standard.
    """
    labels = host.removesuffix(".").split(".")
    are_valid = all(
        0 < len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() and label.isascii()
        for label in labels
    )
    return are_valid and len(host) <= 253 and not labels[-1].isdigit() and not labels[-1].startswith("0x")
