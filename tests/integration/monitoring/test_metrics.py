"""GET /metrics: who may read it, what it has, and what it does without the database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import promql_parser
import psycopg2
import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

import config
from access.roles import Scope
from api.database_metrics import DatabaseCollector, DatabaseFacts
from api.session_cookie import COOKIE_NAME
from app import create_app
from catalogue import search_indexes
from importer.pipeline.run import Observer, Step, StepKind
from importer.pipeline.runner import ImportRunner
from models import db
from monitoring import metrics
from support.api import read_error
from support.database import execute, url_of
from support.jobs import create_job, run_import
from support.paths import ROOT
from support.scrapes import Scrape
from support.sign_in import create_key, create_session, create_user

TOKEN = "a-token-for-prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "acme.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
KNOWN_OUTCOMES = {*metrics.JOB_OUTCOMES, *metrics.ATTEMPT_OUTCOMES, *metrics.MESSAGE_OUTCOMES}
# Prometheus adds these to every sample.
LABELS_OF_TARGETS = {"job", "instance"}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The settings with a token for Prometheus."""
    return {**environment, "METRICS_TOKEN": TOKEN}


def bearer(token: str) -> dict[str, str]:
    """Return the header that sends a token."""
    return {"Authorization": f"Bearer {token}"}


def scrape(client: FlaskClient) -> Scrape:
    """Return what Prometheus reads with the token."""
    response = client.get("/metrics", headers=bearer(TOKEN))
    assert response.status_code == 200, response.text
    return Scrape(response.text)


def test_a_scrape_needs_the_token_or_an_administrator(client: FlaskClient, app: Flask, database_url: str) -> None:
    # As long as nobody has an account, requests of this machine come from an administrator.
    assert client.get("/metrics").status_code == 200
    admin, viewer = create_user(database_url), create_user(database_url, "viewer")
    read_error(client.get("/metrics"), 401, "unauthenticated")
    for wrong in ("", TOKEN[:-1], f"{TOKEN}x", "ä"):
        read_error(client.get("/metrics", headers=bearer(wrong)), 401, "unauthenticated")
    assert client.get("/metrics", headers=bearer(create_key(database_url, admin))).status_code == 200
    others = [scope for scope in Scope if scope is not Scope.ADMIN]
    read_error(client.get("/metrics", headers=bearer(create_key(database_url, admin, others))), 403, "forbidden")
    for user, status in ((admin, 200), (viewer, 403)):
        browser = app.test_client()
        browser.set_cookie(COOKIE_NAME, create_session(database_url, user))
        assert browser.get("/metrics").status_code == status
    assert client.get("/metrics", headers=bearer(TOKEN)).status_code == 200
    # The token opens nothing else.
    read_error(client.get("/api/products", headers=bearer(TOKEN)), 401, "unauthenticated")


def test_without_the_setting_no_token_opens_it(settings: config.Settings, database_url: str) -> None:
    create_user(database_url)
    application = create_app(config.Settings(**{**vars(settings), "metrics_token": ""}))
    for token in ("", TOKEN):
        read_error(application.test_client().get("/metrics", headers=bearer(token)), 401, "unauthenticated")
    with application.app_context():
        db.engine.dispose()
    application.extensions["request_counts"].close()


def test_a_version_that_is_no_number_gets_the_usual_format(client: FlaskClient) -> None:
    accept = {"Accept": "application/openmetrics-text; version=x"}
    response = client.get("/metrics", headers={**bearer(TOKEN), **accept})
    assert (response.status_code, response.mimetype) == (200, "text/plain")


def test_requests_are_counted_under_few_names(client: FlaskClient) -> None:
    def count(endpoint: str, method: str, status: str) -> float:
        labels = {"endpoint": endpoint, "method": method, "status": status}
        return scrape(client).get("acme_http_requests_total", **labels) or 0

    product = "/api/products/<int:product_id>"
    before = [count(product, "GET", "4xx"), count("none", "GET", "4xx"), count("none", "other", "4xx")]
    names = {name for name, _ in scrape(client).values}
    for number in range(3):
        client.get(f"/api/products/{number + 1000}?q=unheard-of")
        client.get(f"/unheard-of/{number}")
        client.open("/api/products", method=f"BREW{number}")
    after = [count(product, "GET", "4xx"), count("none", "GET", "4xx"), count("none", "other", "4xx")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [3, 3, 3]
    found = scrape(client)
    assert {name for name, _ in found.values} == names
    assert "unheard-of" not in str(found.values)
    assert "BREW" not in str(found.values)
    key = {"endpoint": product, "method": "GET"}
    assert found.get("acme_http_request_duration_seconds_count", **key) == found.get(
        "acme_http_request_duration_seconds_bucket", **key, le="+Inf"
    )


def test_a_job_is_counted_by_its_outcome_and_its_rows_by_theirs(client: FlaskClient, runner: ImportRunner) -> None:
    def read() -> dict[str, float]:
        found = scrape(client)
        rows = {name: found.get("acme_rows_total", outcome=name) for name in ("created", "rejected", "duplicate")}
        runs = {
            name: found.get("acme_job_runs_total", kind="import", outcome=name) for name in ("completed", "refused")
        }
        return {name: value or 0 for name, value in (rows | runs).items()}

    before = read()
    run_import(runner, "sku,name\nA,one\nB,two\nA,three\n,four\n")
    run_import(runner, "no columns of ours\n1\n")
    after = read()
    assert {name: after[name] - before[name] for name in before} == {
        "created": 2,
        "rejected": 1,
        "duplicate": 1,
        "completed": 1,
        "refused": 1,
    }


def test_runs_that_were_cancelled_and_leases_that_were_lost_are_told_apart(runner: ImportRunner) -> None:
    def read() -> list[float]:
        names: list[tuple[str, dict[str, str]]] = [
            ("acme_job_runs_total", {"kind": "import", "outcome": "cancelled"}),
            ("acme_leases_lost_total", {"resource": "job"}),
            ("acme_lease_takeovers_total", {"resource": "job"}),
        ]
        return [metrics.REGISTRY.get_sample_value(name, labels) or 0 for name, labels in names]

    def run_while(change: str) -> list[float]:
        """Run a job whose row changes when its file has been read; return by how much each counter grew."""
        before = read()
        task_id = create_job(runner, b"sku\nA\n")

        class Change(Observer):
            def after_commit(self, step: Step) -> None:
                if step.kind is StepKind.STAGE_FILE:
                    execute(runner.database_url, f"UPDATE import_jobs SET {change} WHERE task_id = %s", (task_id,))

        replace(runner, observer=Change()).run(task_id)
        runner.run(task_id)
        return [new - old for new, old in zip(read(), before, strict=True)]

    assert run_while("status = 'cancelled', lease_token = NULL") == [1, 0, 0]
    # Another worker, which has ended meanwhile, has taken the lease; the second run takes it over.
    taken = "lease_token = gen_random_uuid(), lease_holder = 'gone', lease_expires_at = now() - interval '1 minute'"
    assert run_while(taken) == [0, 1, 1]


def test_the_database_tells_what_waits_and_who_works(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    url = settings.database_url
    execute(url, "INSERT INTO workers (name) VALUES ('one'), ('two')")
    execute(url, "UPDATE workers SET seen_at = now() - interval '1 hour' WHERE name = 'two'")
    pending = create_job(runner, b"sku\n")
    execute(url, "UPDATE import_jobs SET updated_at = now() - interval '10 minutes' WHERE task_id = %s", (pending,))
    execute(
        url,
        "WITH w AS (INSERT INTO webhooks (url, event_type, failing_since) VALUES ('http://127.0.0.1:9/', '*', now())"
        " RETURNING id), e AS (INSERT INTO webhook_events (type, body) VALUES ('x', '{}') RETURNING id)"
        " INSERT INTO webhook_deliveries (webhook_id, event_id, next_attempt_at)"
        " SELECT w.id, e.id, now() - interval '5 minutes' FROM w, e",
    )
    found = scrape(client)
    assert found.get("acme_database_up") == 1
    assert found.get("acme_build_info", version=config.VERSION) == 1
    assert (found.get("acme_workers"), found.get("acme_queue_jobs")) == (1, 1)
    assert found.get("acme_jobs", kind="import", status="pending", phase="queued") == 1
    assert 600 <= (found.get("acme_queue_oldest_seconds") or 0) < 3000
    assert (found.get("acme_webhook_deliveries_waiting"), found.get("acme_webhooks_failing")) == (1, 1)
    assert 300 <= (found.get("acme_webhook_oldest_due_seconds") or 0) < 3000
    assert found.get("acme_search_index_age_seconds") is None


@pytest.fixture
def without_database(client: FlaskClient, database_url: str) -> Iterator[None]:
    """The database refuses connections and ends those that it has, once the application has started."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    server = url_of(database_url, "postgres")
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    yield
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@pytest.mark.usefixtures("without_database")
def test_without_the_database_the_rest_of_a_scrape_comes(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    found = scrape(client)
    assert found.get("acme_database_up") == 0
    assert found.get("acme_queue_jobs") is None
    assert found.get("acme_streams_limit") == 100
    assert "The metrics of the database could not be read" in caplog.text


def test_a_locked_table_does_not_hold_a_scrape_up(client: FlaskClient, settings: config.Settings) -> None:
    connection = psycopg2.connect(settings.database_url)
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE import_jobs IN ACCESS EXCLUSIVE MODE")
        assert scrape(client).get("acme_database_up") == 0
    connection.close()
    assert scrape(client).get("acme_database_up") == 1


def test_scrapes_of_a_database_that_never_answers_share_one_thread() -> None:
    answered = threading.Event()
    calls: list[str] = []

    def read() -> DatabaseFacts:
        calls.append(threading.current_thread().name)
        answered.wait(60)
        raise ValueError("too late")

    registry = CollectorRegistry()
    registry.register(DatabaseCollector(read, wait_seconds=0.01))
    assert calls == []
    assert [registry.get_sample_value("acme_database_up") for _ in range(3)] == [0, 0, 0]
    assert calls == ["database-metrics"]
    answered.set()


def read_expressions() -> dict[str, str]:
    """Return the expressions of all alerts and of all panels of the dashboard, by their titles."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    expressions = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            # Grafana replaces its variable before Prometheus sees it.
            expressions[f"{panel['title']} {target['refId']}"] = target["expr"].replace("$__rate_interval", "1m")
    return expressions


def find_uses(expression: str) -> dict[str, set[str]]:
    """Return the metrics of a PromQL expression, each with the labels that the expression names beside it."""
    uses: dict[str, set[str]] = {}
    grouping: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            uses.setdefault(node.name or "", set()).update(matcher.name for matcher in node.matchers.matchers)
            outcomes = [matcher.value for matcher in node.matchers.matchers if matcher.name == "outcome"]
            assert {part for value in outcomes for part in value.split("|")} <= KNOWN_OUTCOMES
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouping.update(node.modifier.labels)

    promql_parser.walk(promql_parser.parse(expression), visit)
    return {name: labels | grouping for name, labels in uses.items()}


def test_the_dashboard_and_the_alerts_use_metrics_and_labels_that_exist(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    run_import(runner, "sku\nA\n")
    assert search_indexes.build_indexes(database_url)
    # A request is counted when it ends, so the first scrape does not have itself.
    scrape(client)
    found = scrape(client)
    expressions = read_expressions()
    assert len(expressions) > 40
    for title, expression in expressions.items():
        uses = find_uses(expression)
        assert uses, title
        for name, labels in uses.items():
            assert name in found.labels, (title, name)
            assert labels <= found.labels[name] | LABELS_OF_TARGETS, (title, name)


def test_every_metric_and_alert_is_documented_and_nothing_else(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    run_import(runner, "sku\nA\n")
    assert search_indexes.build_indexes(database_url)
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in row.replace("`", "").replace(" ", "").split(",")}
    samples = scrape(client).labels
    names = {name for name in samples if name.startswith("acme_")}
    histograms = {name.removesuffix("_bucket") for name in names if name.endswith("_bucket")}
    names = histograms | names - {f"{base}_{end}" for base in histograms for end in ("bucket", "count", "sum")}
    assert {name for name in documented if name.startswith("acme_")} == names
    alerts = {title for title in read_expressions() if title.startswith("Acme")}
    assert {name for name in documented if name.startswith("Acme")} == alerts
