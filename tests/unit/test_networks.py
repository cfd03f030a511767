"""Which addresses of clients count as one."""

from __future__ import annotations

import pytest

from access.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        # Some proxies add the port of the client, which differs for each connection.
        ("192.0.2.7:50123", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:50123", "192.0.2.7"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::9]", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::9]:50123", "2001:db8:0:1::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("[fe80::2%eth0]:80", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
        ("192.0.2.7:x", "192.0.2.7:x"),
        ("[192.0.2", "[192.0.2"),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network
