"""Hooks of schemathesis: they replace random values with real ones that it cannot generate."""

from __future__ import annotations

import os
from typing import Any

import requests
import schemathesis

TIMEOUT_SECONDS = 30
ODD_DIGITS = ("1", "3", "5", "7", "9")
# Without a key, the requests must be refused.
KEY = os.environ["ACCESS_KEY"]
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}

# The body of a resumable upload: any bytes.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Replace the URL of a webhook with that of a receiver, a page token with one that the same query returns, the job
    of a filter with one that exists, and every other id of a product with one that exists.
    """
    if not KEY or case.meta is None or case.meta.generation.mode.is_negative:
        return
    if str((case.path_parameters or {}).get("product_id", "")).endswith(ODD_DIGITS):
        case.path_parameters = {**case.path_parameters, "product_id": find_product(case.operation.base_url)}
    if "/webhooks" in case.operation.path and isinstance(case.body, dict) and isinstance(case.body.get("url"), str):
        case.body = {**case.body, "url": os.environ["RECEIVER"] + str(len(str(case.body["url"])))}
    if isinstance(case.body, dict) and isinstance(wanted := case.body.get("filter"), dict) and "changed_by" in wanted:
        case.body = {**case.body, "filter": {**wanted, "changed_by": find_import(case.operation.base_url)}}
    if (case.query or {}).get("changed_by"):
        case.query = {**case.query, "changed_by": find_import(case.operation.base_url)}
    query = case.query or {}
    if "after" not in query:
        return
    case.query = {**query, "per_page": 1}
    del case.query["after"]
    url = f"{case.operation.base_url}{case.formatted_path}"
    page = requests.get(url, params=case.query, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS).json()
    if page_token := page["pagination"]["next"]:
        case.query["after"] = page_token


def find_product(base_url: str | None) -> int:
    """Return the id of a product. Another request may have deleted all of them, so create one if there is none."""
    url = f"{base_url}/api/products"
    found = requests.get(url, params={"per_page": 1}, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS).json()["products"]
    if not found:
        created = requests.post(url, json={"sku": "C-1"}, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS)
        found = [created.json()]
    return int(found[0]["id"])


def find_import(base_url: str | None) -> str:
    """Return the task id of an import."""
    url = f"{base_url}/api/imports?kind=import&status=completed&per_page=1"
    found = requests.get(url, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS).json()["imports"]
    return str(found[0]["task_id"])


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response
) -> None:
    """Create a few products after a call that may have deleted all of them, so that the next calls find some."""
    if case.operation.path in {"/api/products/bulk", "/api/products/bulk-delete"} and response.status_code == 200:
        for sku in ("A-1", "b", "ÄÖ %_\\"):
            url = f"{case.operation.base_url}/api/products"
            requests.post(url, json={"sku": sku}, headers=AUTHORIZATION, timeout=TIMEOUT_SECONDS)


@schemathesis.check
def refused(context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """Check that a request without a session or a key is refused if the document says that the call needs one."""
    # Random values may make an address, a method or a body for which the server has no call.
    has_no_call = response.status_code in {405, 413}
    # A response to HEAD has no body.
    if case.method != "HEAD":
        has_no_call |= response.status_code == 404 and response.json()["code"] == "not_found"
    if not KEY and case.operation.definition.raw["security"] and not has_no_call:
        assert response.status_code == 401, response.status_code
        assert response.headers["www-authenticate"] == ["Bearer"]
