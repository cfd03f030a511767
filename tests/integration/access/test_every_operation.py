"""Every call of the API, made by everyone: who may make it, who gets 401, and who gets 403.

`NEEDS` is written by hand, not derived from the code, so a call that asks for too little fails here. A new call needs a
line in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from support.database import execute
from support.sign_in import create_key, create_session, create_user

NOTHING, ANYONE = "nothing", "anyone who is signed in"
PERSON, ADMINISTRATOR = "a person who is signed in", "an administrator who is signed in"
NEEDS = {
    # Products
    "listProducts": "products:read",
    "getProduct": "products:read",
    "exportProducts": "products:read",
    "exportChosenProducts": "products:read",
    "listViews": "products:read",
    # A view of one's own; shared ones need more.
    "createView": "products:read",
    "changeView": "products:read",
    "deleteView": "products:read",
    "followProducts": "products:read",
    "createProduct": "products:write",
    "changeProduct": "products:write",
    "editProducts": "products:write",
    "deleteProduct": "products:write",
    "getHistory": "products:read",
    "getLastChange": "products:read",
    "changeProducts": "products:write",
    "deleteAllProducts": "admin",
    # Imports
    "listImports": "imports:read",
    "getImport": "imports:read",
    "getProgress": "imports:read",
    "followImport": "imports:read",
    "listImportedProducts": "imports:read",
    "listDuplicates": "imports:read",
    "exportDuplicates": "imports:read",
    "listFixes": "imports:read",
    "listRejects": "imports:read",
    "exportRejects": "imports:read",
    "listRejectGroups": "imports:read",
    "listCheckedRows": "imports:read",
    "exportCheckedRows": "imports:read",
    "uploadFile": "imports:write",
    "createUpload": "imports:write",
    "getUpload": "imports:write",
    "appendToUpload": "imports:write",
    "deleteUpload": "imports:write",
    "confirmImport": "imports:write",
    "cancelImport": "imports:write",
    "retryImport": "imports:write",
    "undoImport": "imports:write",
    "deleteImport": "imports:write",
    "addFixes": "imports:write",
    "deleteFix": "imports:write",
    # Webhooks
    "listWebhooks": "webhooks",
    "getWebhook": "webhooks",
    "listWebhookHours": "webhooks",
    "createWebhook": "webhooks",
    "changeWebhook": "webhooks",
    "deleteWebhook": "webhooks",
    "followWebhooks": "webhooks",
    "listEventTypes": "webhooks",
    "listDeliveries": "webhooks",
    "getDelivery": "webhooks",
    "resendDelivery": "webhooks",
    "resendDeliveries": "webhooks",
    "recoverDeliveries": "webhooks",
    "rotateSecret": "webhooks",
    "testWebhook": "webhooks",
    # People, and one's own account. No key, whatever its scopes, sets passwords, ends sessions or creates keys.
    "listUsers": "admin",
    "getUser": "admin",
    "inviteUser": "admin",
    "changeUser": "admin",
    "deleteUser": "admin",
    "resetPassword": ADMINISTRATOR,
    "listSessions": PERSON,
    "endSession": PERSON,
    "endOtherSessions": PERSON,
    "changePassword": PERSON,
    "listKeys": PERSON,
    "createKey": PERSON,
    "revokeKey": PERSON,
    "confirmPassword": PERSON,
    "getSession": ANYONE,
    "getSignInMethods": NOTHING,
    "startOidcSignIn": NOTHING,
    "finishOidcSignIn": NOTHING,
    "signIn": NOTHING,
    "signOut": NOTHING,
    "createFirstAdministrator": NOTHING,
    "getLink": NOTHING,
    "setPassword": NOTHING,
    # The audit log
    "listAuditEntries": "admin",
    "exportAuditEntries": "admin",
    # About. A stream of events also needs the scopes of what it reports.
    "followEvents": ANYONE,
    "getOpenapi": ANYONE,
    "getDocs": NOTHING,
    "getHealth": NOTHING,
    "getUploadAbilities": NOTHING,
    "getAbilitiesOfUpload": NOTHING,
}

SCOPES = ("products:read", "products:write", "imports:read", "imports:write", "webhooks", "admin")
VIEWER = {"products:read", "imports:read"}
EDITOR = {*VIEWER, "products:write", "imports:write"}
ADMIN = {*EDITOR, "webhooks", "admin"}
# Calls whose paths begin with /api and that are not in the document.
UNDOCUMENTED: set[str] = set()
METHODS = {"get", "head", "options", "post", "put", "patch", "delete"}
UNKNOWN_ID = "999999"
TASK_ID = "00000000-0000-4000-8000-000000000000"


@dataclass
class Caller:
    """Somebody who makes calls: what they send, and what they may do. Without `grants` they get 401."""

    grants: set[str] | None = None
    key: str = ""
    session: str = ""

    def may(self, needs: str) -> bool:
        """Return whether a call that needs this is allowed."""
        return needs == NOTHING or (self.grants is not None and needs in self.grants)


def person(url: str, role: str, scopes: set[str]) -> Caller:
    """Return a person who is signed in."""
    also = {ADMINISTRATOR} if role == "admin" else set()
    return Caller({*scopes, *also, ANYONE, PERSON}, session=create_session(url, create_user(url, role)))


def script(url: str, owner_id: int, given: set[str], granted: set[str]) -> Caller:
    """Return a script with a key that has some scopes, of which its owner's role grants some."""
    return Caller({*granted, ANYONE}, key=create_key(url, owner_id, given))


def create_callers(url: str) -> dict[str, Caller]:
    """Create everyone who can call the API once people exist, and those who no longer can."""
    admin_id = create_user(url, "admin")
    disabled_id, expired_id = create_user(url, "admin"), create_user(url, "admin")
    callers = {
        "anonymous": Caller(),
        "viewer": person(url, "viewer", VIEWER),
        "editor": person(url, "editor", EDITOR),
        "admin": person(url, "admin", ADMIN),
        **{f"key with {scope}": script(url, admin_id, {scope}, {scope}) for scope in SCOPES},
        "key with all scopes": script(url, admin_id, ADMIN, ADMIN),
        "key of a viewer": script(url, create_user(url, "viewer"), ADMIN, VIEWER),
        "key of an editor": script(url, create_user(url, "editor"), ADMIN, EDITOR),
        "key with more than a viewer's scopes": script(url, create_user(url, "viewer"), {"admin"}, set()),
        "disabled person": Caller(session=create_session(url, disabled_id)),
        "key of a disabled person": Caller(key=create_key(url, disabled_id)),
        "expired session": Caller(session=create_session(url, expired_id)),
        "expired key": Caller(key=create_key(url, expired_id)),
    }
    revoked_id, idle_id = create_user(url, "admin"), create_user(url, "admin")
    callers["revoked key"] = Caller(key=create_key(url, revoked_id))
    callers["unused session"] = Caller(session=create_session(url, idle_id))
    past = "clock_timestamp() - interval '1 second'"
    execute(url, f"UPDATE users SET disabled_at = {past} WHERE id = {disabled_id}")
    execute(url, f"UPDATE user_sessions SET expires_at = {past} WHERE user_id = {expired_id}")
    execute(url, f"UPDATE api_keys SET expires_at = {past} WHERE user_id = {expired_id}")
    execute(url, f"UPDATE api_keys SET revoked_at = {past} WHERE user_id = {revoked_id}")
    execute(url, f"UPDATE user_sessions SET seen_at = seen_at - interval '1 year' WHERE user_id = {idle_id}")
    return callers


def list_operations(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the method and a path of every operation; the path names things that do not exist."""
    # Before the first person exists, local may read the document.
    document = app.test_client().get("/api/openapi.json").json
    assert document is not None
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            filled = path.replace("{task_id}", TASK_ID)
            filled = re.sub(r"\{\w+_id\}", UNKNOWN_ID, filled)
            yield item[method]["operationId"], method.upper(), filled


def call(app: Flask, caller: Caller, method: str, path: str) -> TestResponse:
    """Make a call that changes nothing even if it is allowed: its body is empty, and what it names does not exist."""
    client = app.test_client()
    if caller.session:
        client.set_cookie("acme_session", caller.session)
    headers = {"Authorization": f"Bearer {caller.key}"} if caller.key else {}
    has_body = method not in {"GET", "DELETE"} and not path.endswith("/upload")
    # A stream does not end, so its body is not read.
    return client.open(path, method=method, headers=headers, json={} if has_body else None, buffered=False)


@pytest.fixture
def operations(app: Flask) -> list[tuple[str, str, str]]:
    """Every operation; the one that ends the session of the caller comes last."""
    return sorted(list_operations(app), key=lambda operation: operation[0] == "signOut")


def find_wrong_responses(
    app: Flask, callers: dict[str, Caller], operations: list[tuple[str, str, str]]
) -> dict[str, int]:
    """Return the status of each response that should be another one."""
    wrong = {}
    for name, caller in callers.items():
        for operation, method, path in operations:
            needs = NEEDS[operation]
            refusal = 401 if caller.grants is None else 403
            with call(app, caller, method, path) as response:
                status = response.status_code
                if caller.may(needs):
                    is_right = status not in {401, 403} and status < 500
                    # A script that signs out with a bad key learns that the key is bad.
                    is_right |= operation == "signOut" and bool(caller.key) and caller.grants is None
                    is_right |= operation == "getHealth" and status == 503
                else:
                    is_right = status == refusal and ("WWW-Authenticate" in response.headers) == (status == 401)
                    body = response.get_data(as_text=True)
                    # A script learns which scope its key lacks. A response to HEAD has no body.
                    names_scope = method == "HEAD" or f"`{needs}`" in body
                    is_right &= refusal == 401 or not caller.key or needs not in SCOPES or names_scope
                if not is_right:
                    wrong[f"{name}: {operation}"] = status
    return wrong


def test_the_table_has_every_call(operations: list[tuple[str, str, str]]) -> None:
    assert {name for name, _, _ in operations} == set(NEEDS)
    assert not any("{" in path for _, _, path in operations)


def test_no_call_of_the_application_is_unchecked(app: Flask) -> None:
    checked = app.extensions["needs"]
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith("/api")}
    assert endpoints - set(checked) == UNDOCUMENTED


def test_everyone_may_make_exactly_their_calls(
    app: Flask, database_url: str, operations: list[tuple[str, str, str]]
) -> None:
    assert find_wrong_responses(app, create_callers(database_url), operations) == {}


def test_local_may_make_all_calls_that_need_no_person(app: Flask, operations: list[tuple[str, str, str]]) -> None:
    local = Caller({*ADMIN, ANYONE})
    assert find_wrong_responses(app, {"local": local}, operations) == {}
