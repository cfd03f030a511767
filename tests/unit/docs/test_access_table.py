"""The tables of roles and scopes in README.md and docs/access.md say what the code declares."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import config
import routes
from access.roles import ROLE_SCOPES, Role, Scope
from api.openapi import KEY_SCHEME
from app import Application
from support.paths import ROOT

# The calls behind each row of README.md, by hand: the code says what a call needs, but not what people call it.
CALLS_OF_ROW = {
    "see, search and export products, save views of one's own": {
        "listProducts",
        "getProduct",
        "getHistory",
        "getLastChange",
        "exportProducts",
        "exportChosenProducts",
        "listViews",
        "createView",
        "changeView",
        "deleteView",
        "followProducts",
    },
    "create, edit and delete products, share views": {
        "createProduct",
        "changeProduct",
        "editProducts",
        "deleteProduct",
        "changeProducts",
    },
    "see imports and their files": {
        "listImports",
        "getImport",
        "getProgress",
        "followImport",
        "listImportedProducts",
        "listDuplicates",
        "exportDuplicates",
        "listFixes",
        "listRejects",
        "exportRejects",
        "listRejectGroups",
        "listCheckedRows",
        "exportCheckedRows",
    },
    "import, cancel, retry and undo": {
        "uploadFile",
        "createUpload",
        "getUpload",
        "appendToUpload",
        "deleteUpload",
        "confirmImport",
        "cancelImport",
        "retryImport",
        "undoImport",
        "deleteImport",
        "addFixes",
        "deleteFix",
    },
    "webhooks": {
        "listWebhooks",
        "getWebhook",
        "createWebhook",
        "changeWebhook",
        "deleteWebhook",
        "followWebhooks",
        "listEventTypes",
        "listDeliveries",
        "getDelivery",
        "listWebhookHours",
        "resendDelivery",
        "resendDeliveries",
        "recoverDeliveries",
        "rotateSecret",
        "testWebhook",
    },
    "people, activity, delete all products": {
        "listUsers",
        "getUser",
        "inviteUser",
        "changeUser",
        "deleteUser",
        "listAuditEntries",
        "exportAuditEntries",
        "deleteAllProducts",
    },
}
Row = tuple[str, ...]


def read_table(file: str, first_cells: str) -> tuple[Row, list[Row]]:
    """Return the head and the rows of the table whose head begins with these cells."""
    text = (ROOT / file).read_text(encoding="utf-8")
    table = text[text.index(f"\n{first_cells}") + 1 :].partition("\n\n")[0]
    head, _, *rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()]
    return head, rows


@pytest.fixture(scope="module")
def scopes_of_calls() -> dict[str, Scope]:
    """The scope of each call that needs one, as the OpenAPI document has it."""
    application = Application("app")
    application.config["SETTINGS"] = config.load({"DATABASE_URL": "postgresql://localhost/unused"})
    routes.register(application)
    document: dict[str, Any] = json.loads(application.extensions["openapi"].as_json())
    operations = [
        operation
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    return {
        operation["operationId"]: Scope(scopes[0])
        for operation in operations
        for requirement in operation["security"]
        if (scopes := requirement.get(KEY_SCHEME))
    }


def test_the_table_has_a_row_for_each_scope_and_the_roles_that_have_it() -> None:
    head, rows = read_table("README.md", "| | viewer |")
    assert head == ("", *(str(role) for role in Role), "scope of an API key")
    expected = {f"`{scope}`": tuple("✓" if scope in ROLE_SCOPES[role] else "" for role in Role) for scope in Scope}
    assert {row[-1]: row[1:-1] for row in rows} == expected
    assert len(rows) == len(expected)


def test_the_calls_behind_a_row_need_its_scope(scopes_of_calls: dict[str, Scope]) -> None:
    _, rows = read_table("README.md", "| | viewer |")
    found = {row[0]: {name for name, scope in scopes_of_calls.items() if f"`{scope}`" == row[-1]} for row in rows}
    assert found == CALLS_OF_ROW


def test_the_tables_for_operators_have_each_role_and_scope() -> None:
    _, roles = read_table("docs/access.md", "| role | may |")
    assert [row[0] for row in roles] == [str(role) for role in Role]
    _, scopes = read_table("docs/access.md", "| scope | allows |")
    assert re.findall(r"`([\w:]+)`", " ".join(row[0] for row in scopes)) == [str(scope) for scope in Scope]
