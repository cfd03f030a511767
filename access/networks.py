"""Which addresses of clients count as one when attempts and requests are counted."""

from __future__ import annotations

import ipaddress
import re

# The owner of an IPv6 address usually has its whole network.
IPV6_PREFIX_BITS = 64
# Some proxies name the port of the client, too, which is another one for each connection.
WITH_PORT_RE = re.compile(r"\[(?P<ipv6>[^\]]+)\](?::\d+)?|(?P<ipv4>[\d.]+):\d+")


def network_of(address: str) -> str:
    """Return the address of a client without its port, and of IPv6 the network.

    A text that is no address, as a proxy may have sent it, stays as it is.
    """
    match = WITH_PORT_RE.fullmatch(address)
    host = (match["ipv6"] or match["ipv4"]) if match else address
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and not parsed.ipv4_mapped:
        return str(ipaddress.ip_network((parsed, IPV6_PREFIX_BITS), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
