"""The SSRF guard: addresses in every notation, and names that change their answer."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.receiver import Receiver
from support.webhooks import LOOPBACK, Resolve, create_sender, post
from webhooks.ssrf_guard import ForbiddenAddress, check_address, check_url

ONLY_PUBLIC = "Webhooks reach only public addresses and the networks in WEBHOOK_ALLOWED_NETWORKS."

FORBIDDEN = {
    "an unspecified address": "0.0.0.0 0.255.255.255 ::",
    "a loopback address": "127.0.0.1 127.255.255.254 ::1",
    "a private address": "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 fc00::1 fd00:ec2::254 fec0::1",
    "a link-local address": "169.254.169.254 169.254.0.1 fe80::1 febf::1 fe80::1%eth0",
    "a shared address (carrier-grade NAT)": "100.64.0.1 100.127.255.255 100.100.100.200",
    "an address of a cloud's internal services": "168.63.129.16",
    "a multicast address": "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
    "an address that embeds an IPv4 address": (
        "::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 ::8.8.8.8 64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::1"
        " 2002:7f00:1:: 2002:808:808::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2"
    ),
    "a documentation address": "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1 3fff:fff::1",
    "a benchmarking address": "198.18.0.0 198.19.255.255 2001:2::1",
    "a reserved address": (
        "240.0.0.1 255.255.255.255 192.0.0.1 192.0.0.192 192.88.99.1 100::1 2001:1::1 2001:1ff::1 2001:10::1 2001:20::1"
        " 5f00::1 4000::1 1000::1 8000::1 fe00::1 200::1"
    ),
}
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "168.63.129.15", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.169.0.0", "223.255.255.255"),
    *("2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2003::1", "2a00:1450::1", "3ffe::1", "2000::1"),
]


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, address) for kind, addresses in FORBIDDEN.items() for address in addresses.split()]
)
def test_addresses_that_are_not_public_are_refused_with_their_kind(kind: str, address: str) -> None:
    with pytest.raises(ForbiddenAddress) as caught:
        check_address(address, ())
    assert str(caught.value) == f"{address} is {kind}. {ONLY_PUBLIC}"


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    check_address(address, ())


@given(st.ip_addresses())
def test_every_address_that_the_standard_library_calls_special_is_refused(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local:
        with pytest.raises(ForbiddenAddress):
            check_address(str(address), ())


@pytest.mark.parametrize(
    ("network", "address", "is_allowed"),
    [
        ("10.0.0.0/8", "10.0.0.5", True),
        ("10.0.0.0/8", "::ffff:10.0.0.5", True),
        ("10.0.0.0/8", "64:ff9b::10.0.0.5", True),
        ("10.0.0.0/8", "192.168.0.1", False),
        ("10.0.0.0/8", "::ffff:192.168.0.1", False),
        ("64:ff9b::/96", "64:ff9b::8.8.8.8", True),
        ("fd00::/8", "fd12::1", True),
        ("::/0", "::1", True),
        ("0.0.0.0/0", "127.0.0.1", True),
        ("0.0.0.0/0", "::1", False),
        ("169.254.169.254/32", "169.254.169.254", True),
        ("169.254.169.254/32", "169.254.169.253", False),
    ],
)
def test_allowed_networks(network: str, address: str, is_allowed: bool) -> None:
    with contextlib.nullcontext() if is_allowed else pytest.raises(ForbiddenAddress):
        check_address(address, (ip_network(network),))


LOOPBACK_HOSTS = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1"),
    *("017700000001", "127.0.0.1.", "127.000.000.001", "00000177.1", "１２７.0.0.1", "127。0。0。1", "１２７．１"),
    *("①27.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]"),
]


@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
@pytest.mark.parametrize("url", ["http://{}", "https://{}:8443/hook?x=1", "HTTP://{}/"])
def test_a_loopback_address_in_any_form_is_refused(host: str, url: str) -> None:
    with pytest.raises(ValueError, match=r"is a loopback address\. Webhooks reach only public addresses"):
        check_url(url.format(host), ())
    allowed = (*LOOPBACK, ip_network("::1/128"))
    assert check_url(url.format(host), allowed) == url.format(host)


@pytest.mark.parametrize("host", ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0", "0.0", "10.1", "[fd00::1]", "[::]"])
def test_other_forbidden_addresses_are_refused_as_hosts(host: str) -> None:
    with pytest.raises(ValueError, match="Webhooks reach only public addresses"):
        check_url(f"http://{host}/", ())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://example.com:8443/a/b?c=d&e=%20",
        "HTTPS://Example.COM/",
        "http://localhost:5000/hook",
        "http://my_service/hook",
        "http://example.com./",
        "http://1.1.1.1:80/",
        "http://[2606:4700::1111]:8080/",
        "http://bücher.example/",
        "http://xn--bcher-kva.example/",
        "http://example.com/Grüße?ä=ö",
        "http://1e100.example/",
        "https://example.com/@user:name",
        "https://example.com?token=a@b",
    ],
)
def test_usable_urls_are_accepted_unchanged(url: str) -> None:
    assert check_url(f"  {url} ", ()) == url


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "Give the URL"),
        ("example.com/hook", "must start with http:// or https://"),
        ("//example.com/", "must start with http:// or https://"),
        ("ftp://example.com/", "must start with http:// or https://"),
        ("file:///etc/passwd", "must start with http:// or https://"),
        ("gopher://127.0.0.1:6379/_", "must start with http:// or https://"),
        ("http:/example.com", "no host"),
        ("http://", "no host"),
        ("http:///path", "no host"),
        ("http://?x", "no host"),
        ("http://:80/", "no host"),
        ("http://.example.com/", "not a host name"),
        ("http://a..b/", "not a host name"),
        ("http://*.example.com/", "not a host name"),
        ("http://%31%32%37.0.0.1/", "not a host name"),
        ("http://1.2.3.4.5/", "not a host name"),
        ("http://256.256.256.256/", "not a host name"),
        ("http://4294967296/", "not a host name"),
        ("http://foo.0x7f/", "not a host name"),
        ("http://[::1/", "cannot be read"),
        ("http://[v1.a]/", "cannot be read"),
        ("http://::1/", "."),
        ("http://a℀b.example/", "cannot be read"),
        ("http://☃\u200b.example/", "not a host name"),
        ("http://" + "a" * 64 + ".example/", "not a host name"),
        ("http://" + "a." * 127 + "example/", "not a host name"),
        ("http://example.com:0/", "from 1 to 65535"),
        ("http://example.com:/", "from 1 to 65535"),
        ("http://example.com:65536/", "cannot be read"),
        ("http://example.com:-1/", "cannot be read"),
        ("http://example.com:8o/", "cannot be read"),
        ("http://user@example.com/", "user name or password"),
        ("http://user:password@example.com/", "user name or password"),
        ("http://@example.com/", "user name or password"),
        ("http://example.com%2f@evil/", "user name or password"),
        ("http://example.com＠127.0.0.1/", "cannot be read"),
        ("http://example.com/#", "fragment"),
        ("http://example.com#@127.0.0.1/", "fragment"),
        ("http://example.com\\@127.0.0.1/", "backslashes"),
        ("http://example.com/a b", "spaces, control characters"),
        ("http://example.com/\r\nX: y", "spaces, control characters"),
        ("http://exa\tmple.com/", "spaces, control characters"),
        ("http://example.com/\0", "spaces, control characters"),
        ("http://example.com/\u2028", "spaces, control characters"),
        ("http://example.com/\ud800", "not text"),
        ("http://example.com/" + "a" * 2048, "At most 2,048 characters are allowed; this URL has 2,067"),
    ],
)
def test_unusable_urls_are_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_url(url, LOOPBACK)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


@given(st.text(max_size=30))
def test_any_text_is_accepted_or_refused_with_a_sentence(text: str) -> None:
    sender = create_sender(allowed=())
    for url in (text, f"http://{text}", f"https://[{text}]"):
        with contextlib.suppress(ValueError):
            check_url(url, ())
            continue
        # A URL that cannot be saved gets no request either, however it got into the database.
        assert sender.post(url, b"{}", {}).error


def test_a_name_is_checked_by_its_address(resolve: Resolve, shared_receiver: Receiver) -> None:
    sender = create_sender(allowed=())
    resolve(["127.0.0.1"])
    response = post(sender, shared_receiver.url("/ok/x").replace("127.0.0.1", "harmless.example"))
    assert response.error == f"127.0.0.1 is a loopback address. {ONLY_PUBLIC}"
    assert shared_receiver.count() == 0


def test_one_forbidden_address_forbids_the_name(resolve: Resolve, shared_receiver: Receiver) -> None:
    """Which address is dialled must not be left to chance."""
    sender = create_sender()
    resolve(["127.0.0.1", "10.0.0.1"])
    response = post(sender, shared_receiver.url("/ok/x").replace("127.0.0.1", "mixed.example"))
    assert response.error == f"10.0.0.1 is a private address. {ONLY_PUBLIC}"
    assert shared_receiver.count() == 0


def test_a_name_server_that_changes_its_answer_gains_nothing(resolve: Resolve, shared_receiver: Receiver) -> None:
    """The checked address is dialled without another lookup."""
    with contextlib.closing(create_sender(allowed=(ip_network("127.0.0.1"),))) as sender:
        asked = resolve(["127.0.0.1"], ["127.0.0.2"])
        url = shared_receiver.url("/keepalive-close").replace("127.0.0.1", "rebinding.example")
        assert post(sender, url).success
        assert asked == ["rebinding.example"]
        # The next connection resolves the name again and checks the result again.
        assert post(sender, url).error == f"127.0.0.2 is a loopback address. {ONLY_PUBLIC}"
        assert len(asked) == 2
    assert shared_receiver.count() == 1
