"""Settings, the schema, the page: what has to be in order before the first request."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import psycopg2.errors
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from flask.testing import FlaskClient
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import config
import models
from app import create_app
from database.migrate import sqlalchemy_url
from importer.columns import validation
from models import Base
from support.database import execute, url_of
from support.paths import ROOT
from webhook_service import sign

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()


def test_the_example_lists_every_setting_with_its_default_and_meaning() -> None:
    listed = [
        (match[1], match[2], EXAMPLE[number - 1].removeprefix("# "))
        for number, line in enumerate(EXAMPLE)
        if (match := re.fullmatch(r"#([A-Z][A-Z_]+)=(.*)", line))
    ]
    assert sorted(listed) == sorted((name, setting.default, setting.help) for name, setting in config.SETTINGS.items())
    assert all(line == "" or line.startswith("#") for line in EXAMPLE)


def test_every_default_is_usable_and_an_empty_value_means_the_default() -> None:
    defaults = config.load({})
    assert config.load(dict.fromkeys(config.SETTINGS, "")) == defaults
    assert config.load({name: f" {setting.default} " for name, setting in config.SETTINGS.items()}) == defaults
    assert (defaults.host, defaults.port, defaults.max_upload_mb, defaults.chunk_rows) == (
        "127.0.0.1",
        5000,
        2048,
        10000,
    )
    assert defaults.data_dir == ROOT / "instance"
    assert defaults.broker_is_embedded
    with pytest.raises(config.ConfigError, match="DATABASE_URL is not set"):
        defaults.require_database_url()


UNUSABLE = [
    *(("PORT", value) for value in ("x", "-1", "70000", "5000.0", "1e3", "9" * 5000)),
    ("MAX_UPLOAD_MB", "0"),
    ("CHUNK_ROWS", "many"),
    ("LEASE_SECONDS", "1"),
    ("FLASK_DEBUG", "perhaps"),
    ("DATABASE_URL", "mysql://user:hidden@host/shop"),
    ("DATABASE_URL", "user:hidden@host"),
    ("DATABASE_URL", "postgresql://user:hidden@host"),
    ("DATABASE_URL", "postgresql://user:hidden@host:port/shop"),
    ("DATABASE_URL", "postgresql://user:hidden@[::1/shop"),
    ("DATABASE_URL", "postgresql://user:hid#den@host/shop"),
    ("CLOUDAMQP_URL", "redis://user:hidden@host"),
    ("CELERY_BROKER_URL", "http://user:hidden@host"),
    ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8, localhost"),
    ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.1/8"),
]


@pytest.mark.parametrize(("name", "value"), UNUSABLE, ids=[f"{name}={value[:50]}" for name, value in UNUSABLE])
def test_an_unusable_value_is_named_in_one_line_that_tells_no_password(name: str, value: str) -> None:
    with pytest.raises(config.ConfigError) as caught:
        config.load({name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    assert "\n" not in message
    assert len(message) < 300
    assert "hid" not in message


@pytest.mark.parametrize(
    ("given", "taken", "pooler"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d", False),
        ("postgresql+psycopg2://u:p@h/d", "postgresql://u:p@h/d", False),
        ("postgresql://u:p%40@h:5433/d?sslmode=require", "postgresql://u:p%40@h:5433/d?sslmode=require", False),
        ("postgres://u:p@h:6543/d?pgbouncer=true", "postgresql://u:p@h:6543/d", True),
        ("postgres://u:p@h/d?pgbouncer=true&sslmode=require", "postgresql://u:p@h/d?sslmode=require", True),
        ("postgres://u.x:p@eu.pooler.supabase.com:6543/d", "postgresql://u.x:p@eu.pooler.supabase.com:6543/d", True),
        ("postgres://u.x:p@eu.pooler.supabase.com:5432/d", "postgresql://u.x:p@eu.pooler.supabase.com:5432/d", False),
        ("postgresql://u@/d?host=/tmp/a-b&port=1", "postgresql://u@/d?host=/tmp/a-b&port=1", False),
    ],
)
def test_database_urls_are_taken_as_hosts_write_them(given: str, taken: str, pooler: bool) -> None:
    settings = config.load({"DATABASE_URL": given})
    assert (settings.database_url, settings.transaction_pooler) == (taken, pooler)


def test_the_second_broker_setting_wins() -> None:
    both = {"CLOUDAMQP_URL": "amqps://one/x", "CELERY_BROKER_URL": "amqp://two"}
    assert config.load(both).broker_url == "amqp://two"
    assert config.load({**both, "CELERY_BROKER_URL": ""}).broker_url == "amqps://one/x"
    assert not config.load(both).broker_is_embedded


def test_the_secret_key_is_generated_once(tmp_path: Path) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path / "data")})
    start = threading.Barrier(16)
    keys: list[str] = []

    def read() -> None:
        start.wait(30)
        keys.append(config.load_secret_key(settings))

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 16
    assert set(keys) == {config.load_secret_key(settings)}
    assert len(keys[0]) == 64
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert config.load_secret_key(config.load({"SECRET_KEY": "given", "DATA_DIR": str(tmp_path)})) == "given"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"PORT": "x"}, "PORT"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/d"}, "DATABASE_URL"),
        ({"UPLOAD_DIR": "/dev/null/uploads"}, "UPLOAD_DIR"),
        ({"SECRET_KEY": "", "DATA_DIR": "/dev/null/data"}, "DATA_DIR"),
    ],
    ids=str,
)
def test_the_web_process_does_not_start_and_says_why_in_one_line(
    environment: dict[str, str], changes: dict[str, str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        settings = config.load({**environment, **changes})
    except config.ConfigError as error:
        assert str(error).startswith(named)
        return
    with pytest.raises(SystemExit) as caught:
        create_app(settings)
    assert caught.value.code == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {named}")
    assert "hidden" not in line


def differences(url: str) -> list[object]:
    """What the migrated database has that the models have not, and the other way round.

    The index on SKUs is left out: reflection does not show its collation. `skus_are_unique` looks at it.
    """
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_object": lambda _object, name, *_: name != "products_sku_key",
    }
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))


def skus_are_unique(url: str) -> None:
    (definition,) = execute(url, "SELECT indexdef FROM pg_indexes WHERE indexname = 'products_sku_key'")[0]
    assert "UNIQUE" in definition
    assert 'lower((sku)::text) COLLATE "C"' in definition
    execute(url, "INSERT INTO products (sku) VALUES ('aB')")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(url, "INSERT INTO products (sku) VALUES ('Ab')")


def alembic_config(url: str) -> Config:
    migrations = Config()
    migrations.set_main_option("script_location", str(ROOT / "migrations"))
    migrations.attributes["url"] = sqlalchemy_url(url)
    return migrations


def test_models_and_migrations_say_the_same(database_url: str) -> None:
    execute(database_url, "CREATE TABLE import_staging_1_x (a text)")
    # What a developer would run; staging tables are none of its business.
    command.check(alembic_config(database_url))
    execute(database_url, "DROP TABLE import_staging_1_x")
    assert differences(database_url) == []
    skus_are_unique(database_url)


def test_the_migrations_can_be_undone_and_applied_again(database_url: str) -> None:
    migrations = alembic_config(database_url)
    command.downgrade(migrations, "base")
    left = execute(
        database_url,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    )
    assert {name for (name,) in left} <= {"alembic_version", "alembic_version_pkc"}
    command.upgrade(migrations, "head")
    assert differences(database_url) == []
    skus_are_unique(database_url)


def test_a_database_without_the_key_of_rejects_is_migrated_as_well(database_url: str) -> None:
    execute(database_url, "ALTER TABLE import_jobs DROP COLUMN quote")
    command.stamp(alembic_config(database_url), "0004")
    command.upgrade(alembic_config(database_url), "head")
    assert differences(database_url) == []


def test_processes_that_start_together_take_turns_in_migrating(server_url: str) -> None:
    execute(server_url, "CREATE DATABASE empty_of_tests TEMPLATE template0")
    url = url_of(server_url, "empty_of_tests")
    try:
        program = "import sys; from database.migrate import upgrade_database; upgrade_database(sys.argv[1])"
        started = [
            subprocess.Popen([sys.executable, "-c", program, url], cwd=ROOT, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        complaints = [process.communicate(timeout=120)[1] for process in started]
        assert [process.returncode for process in started] == [0] * 4, complaints
        assert differences(url) == []
    finally:
        execute(server_url, "DROP DATABASE empty_of_tests WITH (FORCE)")


def test_signatures_are_those_of_standard_webhooks() -> None:
    message = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signature = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message, 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign("plain", message, 1614265330, b"{}") == sign("whsec_cGxhaW4=", message, 1614265330, b"{}")
    with pytest.raises(ValueError, match="base64"):
        sign("whsec_not base64", message, 0, b"")


class Links(HTMLParser):
    """What a page loads, and what its Content-Security-Policy would not let it do."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.found += [value for name, value in attributes if name in {"src", "href"} and value and value[0] != "#"]


def test_the_page_is_served_with_everything_it_links_to(client: FlaskClient) -> None:
    pages = {"/", "/api/docs"}
    waiting, seen = ["/"], set[str]()
    while waiting:
        address = waiting.pop().partition("#")[0]
        if address in seen:
            continue
        seen.add(address)
        assert address.startswith("/static/") or address in {*pages, "/api/openapi.json"}
        with client.get(address) as answer:
            assert answer.status_code == 200, address
            text = answer.get_data(as_text=True) if address in pages or address.endswith((".js", ".css")) else ""
        if address in pages:
            assert answer.mimetype == "text/html"
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            links = Links()
            links.feed(text)
            assert links.inline == []
            waiting += links.found
        folder = address.rpartition("/")[0]
        imported = re.findall(r"""(?:from|import)\s*\(?\s*['"](\.\.?/[^'"]+\.js)['"]""", text)
        waiting += [posixpath.normpath(f"{folder}/{name}") for name in imported]
        assert "//" not in "".join(re.findall(r"""(?:from|import|url)\s*\(?\s*['"]?(\w+:[^'")]*)""", text)), address
    assert {name.rpartition(".")[2] for name in seen} >= {"css", "js", "svg"}
    # Every module is reached, and nothing that is not one of ours.
    modules = {f"/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "static" / "js").rglob("*.js")}
    assert modules <= seen


def test_nothing_outside_of_the_static_folder_is_served(client: FlaskClient) -> None:
    for address in (
        "/static/../config.py",
        "/static/%2e%2e/config.py",
        "/static/..%2fconfig.py",
        "/config.py",
        "/.env",
    ):
        assert client.get(address).status_code == 404


def test_the_importer_and_the_tables_agree_on_the_longest_values() -> None:
    # The engine knows neither Flask nor the models, so each has the limits; they are those of the columns.
    assert validation.SKU_MAX_CHARACTERS == models.SKU_MAX_CHARACTERS
    assert validation.NAME_MAX_CHARACTERS == models.NAME_MAX_CHARACTERS
