"""The database tables. Migrations create them; `database/migrate.py` applies the migrations.

The package `tables` declares them, one module per subject. This module has all of them, and the session of a request.
"""

from __future__ import annotations

from flask_sqlalchemy import SQLAlchemy

from tables.access import (
    ACTOR_TYPES,
    AUDIT_OUTCOMES,
    LINK_PURPOSES,
    ROLES,
    SIGN_IN_METHODS,
    ApiKey,
    AuditEntry,
    Installation,
    OidcAttempt,
    RequestCount,
    SignInFailures,
    User,
    UserLink,
    UserSession,
)
from tables.base import ORIGINS, Base
from tables.imports import (
    DELETED_TABLE_PREFIX,
    FINAL_STATUSES,
    IMPORT_MODES,
    JOB_KINDS,
    JOB_STATUSES,
    LAST_UNDO_SQL,
    MISSING_POLICIES,
    REJECT_POLICIES,
    SHORT_ROW_POLICIES,
    STAGING_TABLE_PREFIX,
    ImportChanges,
    ImportDuplicate,
    ImportFix,
    ImportJob,
    ImportLog,
    ImportMapping,
    ImportReject,
    ImportSample,
    ImportSpeed,
    Worker,
)
from tables.products import (
    NAME_MAX_CHARACTERS,
    SEARCH_INDEX_PREFIX,
    SKU_MAX_CHARACTERS,
    Product,
    ProductCount,
    ProductEdit,
    SearchIndexBuild,
)
from tables.uploads import ResumableUpload
from tables.views import VIEW_NAME_MAX_CHARACTERS, SavedView
from tables.webhooks import (
    DELIVERY_STATUSES,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookHour,
    WebhookResponseTime,
)

db = SQLAlchemy(metadata=Base.metadata)

__all__ = [
    "ACTOR_TYPES",
    "AUDIT_OUTCOMES",
    "DELETED_TABLE_PREFIX",
    "DELIVERY_STATUSES",
    "FINAL_STATUSES",
    "IMPORT_MODES",
    "JOB_KINDS",
    "JOB_STATUSES",
    "LAST_UNDO_SQL",
    "LINK_PURPOSES",
    "MISSING_POLICIES",
    "NAME_MAX_CHARACTERS",
    "ORIGINS",
    "REJECT_POLICIES",
    "ROLES",
    "SEARCH_INDEX_PREFIX",
    "SHORT_ROW_POLICIES",
    "SIGN_IN_METHODS",
    "SKU_MAX_CHARACTERS",
    "STAGING_TABLE_PREFIX",
    "VIEW_NAME_MAX_CHARACTERS",
    "ApiKey",
    "AuditEntry",
    "Base",
    "ImportChanges",
    "ImportDuplicate",
    "ImportFix",
    "ImportJob",
    "ImportLog",
    "ImportMapping",
    "ImportReject",
    "ImportSample",
    "ImportSpeed",
    "Installation",
    "OidcAttempt",
    "Product",
    "ProductCount",
    "ProductEdit",
    "RequestCount",
    "ResumableUpload",
    "SavedView",
    "SearchIndexBuild",
    "SignInFailures",
    "User",
    "UserLink",
    "UserSession",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookHour",
    "WebhookResponseTime",
    "Worker",
    "db",
]
