"""What requests of foreign pages meet: unknown host names, other origins, and bodies that a form can send."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from support.api import create_product, read_error, read_json
from support.processes import Processes
from support.web import WebProcess

OWN_HOST = "localhost"
ALL_INTERFACES = "0.0.0.0"  # noqa: S104
Headers = dict[str, str]


@pytest.fixture
def environment(environment: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of every test, with the changes that a parameter gives."""
    return {**environment, **getattr(request, "param", {})}


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A web process that has not been started."""
    return WebProcess(processes, free_port)


def assert_is_answered(client: FlaskClient, host: str, **environ: str) -> None:
    """Assert that the server answers to a name: with the page, and a call is not refused because of the name."""
    for path, statuses in (("/", {200}), ("/api/products", {200, 401})):
        response = client.get(path, headers={"Host": host}, environ_overrides=environ)
        assert response.status_code in statuses


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:5000", "localhost.", "127.0.0.1", "127.0.0.1:80", "127.8.8.8", "[::1]", "[::1]:5000"),
        *("shop.example.com", "Shop.Example.com.:8443", "a.example.org", "a.b.example.org:80"),
    ],
)
@pytest.mark.parametrize("environment", [{"TRUSTED_HOSTS": "shop.example.com,*.example.org"}], indirect=True)
def test_the_names_of_the_server_are_answered(client: FlaskClient, host: str) -> None:
    assert_is_answered(client, host)


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "shop.example.com.evil.test", "evil-shop.example.com", "example.org", "evilexample.org"),
        *("localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.5", "[2001:db8::1]", "2130706433"),
        # They match *.example.org, but are no names.
        *("evil.test%2f.example.org", "evil.test\\.example.org", "localhost,a.example.org", "a..example.org"),
        *("", ":80", "a b", "evil.test@localhost", "localhost/", "[::1", "::1", "localhost:80:80", "x" * 500),
    ],
)
@pytest.mark.parametrize("environment", [{"TRUSTED_HOSTS": "shop.example.com,*.example.org"}], indirect=True)
def test_other_names_are_refused_with_the_setting_to_change(client: FlaskClient, host: str) -> None:
    for path in ("/api/products", "/api/health", "/api/openapi.json", "/api/nothing", "/api"):
        message = read_error(client.get(path, headers={"Host": host}), 400, "untrusted_host")
        assert "TRUSTED_HOSTS" in message
        assert len(message) < 300
    page = client.get("/", headers={"Host": host})
    assert (page.status_code, page.mimetype) == (400, "text/plain")
    assert "TRUSTED_HOSTS" in page.text
    assert client.get("/static/favicon.svg", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("environment", [{"HOST": ALL_INTERFACES}], indirect=True)
def test_a_server_that_others_reach_answers_to_addresses_but_not_to_names(client: FlaskClient) -> None:
    for host in ("192.0.2.7:5000", "[2001:db8::1]:5000", f"{ALL_INTERFACES}:5000", "127.0.0.1"):
        assert_is_answered(client, host)
    read_error(client.get("/api/products", headers={"Host": "evil.test"}), 400, "untrusted_host")


@pytest.mark.parametrize("environment", [{"HOST": "shop.internal"}], indirect=True)
def test_the_name_in_the_setting_host_is_answered(client: FlaskClient) -> None:
    assert_is_answered(client, "Shop.internal:5000")


@pytest.mark.parametrize("environment", [{"TRUSTED_HOSTS": "*"}], indirect=True)
def test_any_name_can_be_trusted(client: FlaskClient) -> None:
    assert_is_answered(client, "whatever.test:1")


def test_an_address_on_the_command_line_of_the_web_server_counts_as_bound(client: FlaskClient) -> None:
    bound = {"SERVER_NAME": ALL_INTERFACES}
    assert_is_answered(client, "192.0.2.7", **bound)
    response = client.get("/api/products", headers={"Host": "evil.test"}, environ_overrides=bound)
    read_error(response, 400, "untrusted_host")


FOREIGN: list[Headers] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "something-new"},
    {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{OWN_HOST}"},
    {"Origin": "http://evil.test"},
    {"Origin": f"http://{OWN_HOST}:8080"},
    {"Origin": f"http://{OWN_HOST}.evil.test"},
    {"Origin": "null"},
    {"Origin": "http://[evil"},
]
OWN: list[Headers] = [
    {},
    {"Origin": f"http://{OWN_HOST}"},
    {"Origin": f"https://{OWN_HOST.upper()}"},
    {"Sec-Fetch-Site": "same-origin", "Origin": f"https://{OWN_HOST}"},
    {"Sec-Fetch-Site": "none"},
    # A proxy may have changed `Host`; the browser knows better.
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://shop.example.com"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_origin_changes_nothing(client: FlaskClient, headers: Headers) -> None:
    product = create_product(client, "A")
    webhook = read_json(client.post("/api/webhooks", json={"url": "https://example.com/", "event_type": "*"}), 201)
    path = f"/api/products/{product['id']}"
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/upload", {"data": {"file": (io.BytesIO(b"sku\nEVIL\n"), "a.csv")}}),
        ("POST", f"/api/webhooks/{webhook['id']}/rotate-secret", {}),
        ("POST", "/api/products", {"json": {"sku": "EVIL"}}),
        ("PUT", path, {"json": {"name": "evil"}}),
        ("DELETE", path, {}),
        ("DELETE", "/api/products/bulk-delete", {}),
        ("PATCH", "/api/nothing", {}),
    ]
    for method, address, values in calls:
        read_error(client.open(address, method=method, headers=headers, **values), 403, "cross_site")
    assert read_json(client.get(path)) == product
    assert read_json(client.get(f"/api/webhooks/{webhook['id']}"))["secret"] == webhook["secret"]
    assert read_json(client.get("/api/imports"))["imports"] == []


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_the_page_and_scripts_can_change_everything(client: FlaskClient, headers: Headers) -> None:
    read_json(client.post("/api/products", json={"sku": "A"}, headers=headers), 201)
    files = {"file": (io.BytesIO(b"sku\nB\n"), "b.csv")}
    read_json(client.post("/api/upload", data=files, headers=headers), 202)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_cannot_read_what_it_requests(client: FlaskClient, headers: Headers) -> None:
    for path in ("/api/products", "/api/products/changes", "/api/events?products=true", "/api/products/export", "/api"):
        for method in ("GET", "HEAD"):
            response = client.open(path, method=method, headers=headers)
            assert response.status_code == 403
            assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
    # It can open the page in a tab, and cannot read that.
    assert client.get("/", headers=headers).status_code == 200
    preflight = client.options("/api/products", headers={**headers, "Access-Control-Request-Method": "POST"})
    assert not [name for name, _ in preflight.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_not_declared_as_json_is_refused(client: FlaskClient, content_type: str) -> None:
    product = create_product(client, "A")
    webhook = read_json(client.post("/api/webhooks", json={"url": "https://example.com/", "event_type": "*"}), 201)
    calls = [
        ("POST", "/api/products"),
        ("PUT", f"/api/products/{product['id']}"),
        ("DELETE", f"/api/products/{product['id']}"),
        ("POST", "/api/products/bulk"),
        ("DELETE", "/api/products/bulk-delete"),
        ("POST", f"/api/webhooks/{webhook['id']}/test"),
        ("POST", f"/api/webhooks/{webhook['id']}/rotate-secret"),
        ("POST", "/api/imports/nothing/retry"),
    ]
    for method, path in calls:
        response = client.open(path, method=method, data='{"name": "x"}', content_type=content_type)
        read_error(response, 415, "unsupported_media_type")
    assert read_json(client.get(f"/api/products/{product['id']}")) == product


def test_a_blank_body_needs_no_type_and_an_unknown_address_stays_unknown(client: FlaskClient) -> None:
    for body in (b"", b" \n"):
        response = client.delete("/api/products/bulk-delete", data=body, content_type="text/plain")
        assert read_json(response)["count"] == 0
    read_error(client.post("/api/nothing", data="x", content_type="text/plain"), 404, "not_found")
    read_error(client.post("/api/health", data="x", content_type="text/plain"), 405, "method_not_allowed")


def test_json_may_name_its_charset(client: FlaskClient) -> None:
    body = b'{"sku": "A"}'
    read_json(client.post("/api/products", data=body, content_type="application/json; charset=utf-8"), 201)


def test_the_web_server_passes_the_headers_on(web: WebProcess) -> None:
    web.start(TRUSTED_HOSTS="products.example")
    assert web.send("GET", "/health", Host="products.example:1").json()["status"]
    assert web.send("GET", "/health", Host="evil.test").json()["code"] == "untrusted_host"
    assert web.send("GET", "/products", Host="192.0.2.1").status_code == 400
    assert web.send("DELETE", "/products/bulk-delete", Origin="http://evil.test").json()["code"] == "cross_site"
    assert web.send("DELETE", "/products/bulk-delete", Origin=f"http://127.0.0.1:{web.port}").status_code == 200
