"""What schemathesis has to be told about the application: values that it cannot make up."""

from __future__ import annotations

import os
from typing import Any

import requests
import schemathesis

TIMEOUT_SECONDS = 30


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Puts real things in place of made up ones: a receiver, and the cursor that the same query gives without."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if "/webhooks" in case.operation.path and isinstance(case.body, dict) and isinstance(case.body.get("url"), str):
        case.body = {**case.body, "url": os.environ["RECEIVER"] + str(len(str(case.body["url"])))}
    query = case.query or {}
    if "after" not in query:
        return
    case.query = {**query, "per_page": 1}
    del case.query["after"]
    url = f"{case.operation.base_url}{case.formatted_path}"
    answer = requests.get(url, params=case.query, timeout=TIMEOUT_SECONDS).json()
    if following := answer["pagination"]["next"]:
        case.query["after"] = following


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response
) -> None:
    """Puts a few products into a catalogue that was just emptied, so that what follows has some to work with."""
    if case.operation.path in {"/api/products/bulk", "/api/products/bulk-delete"} and response.status_code == 200:
        for sku in ("A-1", "b", "ÄÖ %_\\"):
            requests.post(f"{case.operation.base_url}/api/products", json={"sku": sku}, timeout=TIMEOUT_SECONDS)
