"""The metrics of the product. What happens is counted where it happens, in whichever process that is.

Labels have few values, which the code knows: never a path, a SKU or an id. docs/monitoring.md explains each metric.

The metrics of a process are in its memory, or in files if the environment has PROMETHEUS_MULTIPROC_DIR when this module
is imported (monitoring/shared_metrics.py).
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

REGISTRY = CollectorRegistry()
# The time when each counter began, which doubles the number of lines and which nothing here reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

# In seconds. The ends are those of a request that the database answers from memory, and of the longest query.
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
DELIVERY_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)

JOB_KINDS = ("import", "bulk", "undo")
# `checked` is a preview that awaits its confirmation, `refused` a file that cannot be imported, and `continued` a job
# that goes on with another message.
JOB_OUTCOMES = ("completed", "checked", "failed", "refused", "cancelled", "continued", "error")
ROW_OUTCOMES = ("created", "updated", "unchanged", "skipped", "duplicate", "rejected", "removed", "restored")
LEASES = ("job", "webhook")
ATTEMPT_OUTCOMES = ("delivered", "retried", "failed")
MESSAGE_OUTCOMES = ("sent", "refused")
# The first part of a logger's name is that of a package, so there are few. Any other name counts as "other".
OTHER = "other"
ERROR_PACKAGES = frozenset(
    ("access", "api", "catalogue", "celery", "database", "gunicorn", "importer", "monitoring", "server", "webhooks")
) | {OTHER}
# Those of `server.request_classes`.
REQUEST_CLASSES = (
    "health",
    "metrics",
    "upload",
    "stream",
    "export",
    "download",
    "long",
    "page",
    "other",
    "encrypted",
)

HTTP_REQUESTS = Counter(
    "acme_http_requests",
    "Requests that the application has answered",
    ["endpoint", "method", "status"],
    registry=REGISTRY,
)
HTTP_DURATION = Histogram(
    "acme_http_request_duration_seconds",
    "Time until the response began",
    ["endpoint", "method"],
    buckets=REQUEST_BUCKETS,
    registry=REGISTRY,
)
HTTP_REFUSED = Counter(
    "acme_http_requests_refused",
    "Requests that the web server refused before the application, because it had too much to do",
    ["request_class"],
    registry=REGISTRY,
)
STREAMS = Gauge("acme_streams_open", "Open streams", registry=REGISTRY, multiprocess_mode="livesum")
STREAMS_LIMIT = Gauge(
    "acme_streams_limit", "The most streams that may be open", registry=REGISTRY, multiprocess_mode="livesum"
)
POOL_IN_USE = Gauge(
    "acme_database_pool_in_use",
    "Connections of the web process's pool that are in use",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
POOL_LIMIT = Gauge(
    "acme_database_pool_limit",
    "The most connections that the pool of the web process opens",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
POOL_TIMEOUTS = Counter(
    "acme_database_pool_timeouts", "Requests that waited in vain for a connection of the pool", registry=REGISTRY
)
MESSAGES = Counter("acme_messages", "Messages to the workers, by what the broker did", ["outcome"], registry=REGISTRY)
JOBS = Counter("acme_job_runs", "Runs of jobs that have ended", ["kind", "outcome"], registry=REGISTRY)
ROWS = Counter("acme_rows", "Rows of jobs, counted when their transaction is committed", ["outcome"], registry=REGISTRY)
LEASES_LOST = Counter("acme_leases_lost", "Leases that this process has lost", ["resource"], registry=REGISTRY)
LEASE_TAKEOVERS = Counter(
    "acme_lease_takeovers", "Leases that were taken over from a process that has ended", ["resource"], registry=REGISTRY
)
WEBHOOK_ATTEMPTS = Counter("acme_webhook_attempts", "Requests to receivers", ["outcome"], registry=REGISTRY)
WEBHOOK_DURATION = Histogram(
    "acme_webhook_attempt_duration_seconds",
    "Time until the receiver had answered",
    buckets=DELIVERY_BUCKETS,
    registry=REGISTRY,
)
UNEXPECTED_ERRORS = Counter(
    "acme_unexpected_errors", "Errors that were logged with a traceback", ["package"], registry=REGISTRY
)


def count_rows(**counts: int) -> None:
    """Count rows of a job by their outcome, one of `ROW_OUTCOMES`, after the commit of their transaction."""
    for outcome, count in counts.items():
        if count:
            ROWS.labels(outcome).inc(count)


def _begin_at_zero() -> None:
    """Create every value whose labels are known, so that the first event already shows as an increase."""
    for kind in JOB_KINDS:
        for outcome in JOB_OUTCOMES:
            JOBS.labels(kind, outcome)
    known = {
        ROWS: ROW_OUTCOMES,
        LEASES_LOST: LEASES,
        LEASE_TAKEOVERS: LEASES,
        WEBHOOK_ATTEMPTS: ATTEMPT_OUTCOMES,
        MESSAGES: MESSAGE_OUTCOMES,
        HTTP_REFUSED: REQUEST_CLASSES,
        UNEXPECTED_ERRORS: ERROR_PACKAGES,
    }
    for counter, values in known.items():
        for value in values:
            counter.labels(value)


_begin_at_zero()
