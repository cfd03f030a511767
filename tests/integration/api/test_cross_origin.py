"""Requests with an API key, links of other sites, and the origins in CORS_ORIGINS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from access.roles import Scope
from api.session_cookie import COOKIE_NAME
from support.api import read_error, read_json
from support.assets import main_script
from support.sign_in import create_key, create_session, create_user

Headers = dict[str, str]
SHOP = "https://shop.example.com"
OTHERS = (f"{SHOP}.evil.test", "http://shop.example.com", f"{SHOP}:444", "null", "https://evil.test", "*", "")
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
BY_PERSON = {"Sec-Fetch-User": "?1"}
DOWNLOAD = "/api/products/export"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The environment, with an origin whose scripts may call the API."""
    return {**environment, "CORS_ORIGINS": f"{SHOP},http://localhost:8080"}


@pytest.fixture
def key(database_url: str) -> str:
    """The `Authorization` header of an administrator's API key."""
    return f"Bearer {create_key(database_url, create_user(database_url))}"


@pytest.fixture
def signed_in(client: FlaskClient, database_url: str) -> Iterator[FlaskClient]:
    """A client with the session of an administrator."""
    client.set_cookie(COOKIE_NAME, create_session(database_url, create_user(database_url)))
    yield client
    client.delete_cookie(COOKIE_NAME)


def cors_headers(headers: object) -> list[str]:
    """Return the names of the headers that give other origins permissions."""
    return [line.partition(":")[0] for line in str(headers).splitlines() if line.startswith("Access-Control-")]


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}], ids=str)
def test_a_request_with_a_key_passes_whatever_its_origin(client: FlaskClient, key: str, headers: Headers) -> None:
    headers = {**headers, "Authorization": key}
    read_json(client.post("/api/products", json={"sku": "A"}, headers=headers), 201)
    assert read_json(client.get("/api/products", headers=headers))["pagination"]["total"] == 1
    assert cors_headers(client.get("/api/products", headers=headers).headers) == []


def test_only_a_key_exempts_a_request(signed_in: FlaskClient) -> None:
    for authorization in ("Basic eDp5", "Bearer", "acme_1", "NotBearer acme_1"):
        headers = {"Sec-Fetch-Site": "cross-site", "Authorization": authorization}
        read_error(signed_in.post("/api/products", json={"sku": "A"}, headers=headers), 403, "cross_site")
    # An invalid key does not fall back to the session.
    headers = {"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer acme_1"}
    read_error(signed_in.post("/api/products", json={"sku": "A"}, headers=headers), 401, "unauthenticated")
    assert read_json(signed_in.get("/api/products"))["pagination"]["total"] == 0


def test_a_person_may_follow_a_link_of_another_site(signed_in: FlaskClient) -> None:
    for path in (DOWNLOAD, "/api/openapi.json", "/api/imports", "/api/docs", "/"):
        for site in ("cross-site", "same-site"):
            headers = {**LINK, **BY_PERSON, "Sec-Fetch-Site": site}
            assert signed_in.get(path, headers=headers, buffered=True).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        LINK,
        {**LINK, **BY_PERSON, "Sec-Fetch-Dest": "iframe"},
        {**LINK, **BY_PERSON, "Sec-Fetch-Dest": "embed"},
        {**LINK, **BY_PERSON, "Sec-Fetch-Dest": "empty"},
        {**LINK, **BY_PERSON, "Sec-Fetch-Mode": "no-cors"},
        {**LINK, **BY_PERSON, "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "cross-site", **BY_PERSON},
    ],
    ids=str,
)
def test_without_a_person_nothing_leads_to_a_call_but_what_is_open_to_all(
    signed_in: FlaskClient, headers: Headers
) -> None:
    read_error(signed_in.get(DOWNLOAD, headers=headers), 403, "cross_site")
    is_own_tab = headers == LINK
    assert signed_in.get("/api/docs", headers=headers).status_code == (200 if is_own_tab else 403)


def test_following_a_link_changes_nothing(signed_in: FlaskClient) -> None:
    headers = {**LINK, **BY_PERSON}
    form = "application/x-www-form-urlencoded"
    read_error(signed_in.post("/api/products", data="sku=A", content_type=form, headers=headers), 403, "cross_site")


def test_a_script_of_a_named_origin_may_call_the_api_with_a_key(client: FlaskClient, key: str) -> None:
    asks = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", "Access-Control-Request-Method": "PUT"}
    asks["Access-Control-Request-Headers"] = "authorization,content-type,if-match"
    permission = client.options("/api/products/1", headers=asks)
    assert permission.status_code == 204
    assert permission.data == b""
    assert permission.headers["Access-Control-Allow-Origin"] == SHOP
    assert permission.headers["Access-Control-Allow-Headers"] == asks["Access-Control-Request-Headers"]
    assert "PUT" in permission.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in permission.headers
    assert {"origin", "access-control-request-headers"} <= {name.lower() for name in permission.vary}
    headers = {"Origin": SHOP, "Sec-Fetch-Site": "cross-site", "Authorization": key}
    created = client.post("/api/products", json={"sku": "A"}, headers=headers)
    assert read_json(created, 201)["sku"] == "A"
    assert created.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Access-Control-Allow-Credentials" not in created.headers
    # It can also read why a call is refused, and is told apart from other origins by caches.
    refused = client.post("/api/products", json={"sku": "A"}, headers=headers)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (409, SHOP)
    assert "Origin" in client.get("/api/products").vary


def test_a_script_of_a_named_origin_cannot_use_the_session(signed_in: FlaskClient) -> None:
    for site in ("cross-site", "same-site", ""):
        headers = {"Origin": SHOP, **({"Sec-Fetch-Site": site} if site else {})}
        message = read_error(signed_in.get("/api/products", headers=headers), 403, "cross_site")
        assert "API key" in message
        read_error(signed_in.post("/api/products", json={"sku": "A"}, headers=headers), 403, "cross_site")
    for method in ("GET", "POST"):
        response = signed_in.open("/api/products", method=method, headers={"Origin": SHOP})
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", OTHERS)
def test_other_origins_get_no_permission(client: FlaskClient, key: str, origin: str) -> None:
    asks = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    assert cors_headers(client.options("/api/products", headers=asks).headers) == []
    response = client.get("/api/products", headers={"Origin": origin, "Authorization": key})
    assert (response.status_code, cors_headers(response.headers)) == (200, [])


def test_a_permission_is_given_for_the_api_alone_and_only_if_it_is_asked_for(client: FlaskClient) -> None:
    asks = {"Origin": SHOP, "Access-Control-Request-Method": "GET"}
    assert cors_headers(client.options("/", headers=asks).headers) == []
    for path in ("/static/favicon.svg", main_script(client.get("/").text)):
        response = client.get(path, headers=asks)
        assert response.status_code == 200
        assert cors_headers(response.headers) == []
    assert "Access-Control-Allow-Methods" not in client.options("/api/products", headers={"Origin": SHOP}).headers


def test_a_foreign_name_gets_no_permission_to_rebind(client: FlaskClient) -> None:
    asks = {"Origin": SHOP, "Access-Control-Request-Method": "GET", "Host": "evil.test"}
    read_error(client.options("/api/products", headers=asks), 400, "untrusted_host")


def test_a_key_without_the_scope_is_refused_readably(client: FlaskClient, database_url: str) -> None:
    key = create_key(database_url, create_user(database_url), [Scope.PRODUCTS_READ])
    headers = {"Origin": SHOP, "Authorization": f"Bearer {key}"}
    response = client.delete("/api/products/bulk-delete", headers=headers)
    read_error(response, 403, "forbidden")
    assert response.headers["Access-Control-Allow-Origin"] == SHOP
