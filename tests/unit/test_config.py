"""The settings: their defaults, their checks and their documentation."""

from __future__ import annotations

import re
import tomllib

import pytest

import config
from support.paths import ROOT

# Not a setting of the product.
OPENSSL_VARIABLE = "SSL_CERT_FILE"
# A URL's password in these values begins with "hid", which no message may show.
UNUSABLE_VALUES = [
    *(("PORT", value) for value in ("x", "-1", "70000", "5000.0", "1e3", "9" * 5000)),
    ("MAX_UPLOAD_MB", "0"),
    ("CHUNK_ROWS", "many"),
    ("LEASE_SECONDS", "1"),
    ("FLASK_DEBUG", "perhaps"),
    ("DATABASE_URL", "mysql://user:hidden@host/shop"),
    ("DATABASE_URL", "user:hidden@host"),
    ("DATABASE_URL", "postgresql://user:hidden@host"),
    ("DATABASE_URL", "postgresql://user:hidden@a:1,b:0/shop"),
    ("DATABASE_URL", "postgresql://user:hidden@a:1,b:99999/shop"),
    ("DATABASE_URL", "postgresql://user:hidden@a,b,c"),
    ("DATABASE_URL", "postgresql://?user=user&password=hidden"),
    ("DATABASE_URL", "postgresql://user:hidden@host:port/shop"),
    ("DATABASE_URL", "postgresql://user:hidden@[::1/shop"),
    ("DATABASE_URL", "postgresql://user:hid#den@host/shop"),
    ("CLOUDAMQP_URL", "redis://user:hidden@host"),
    ("CELERY_BROKER_URL", "http://user:hidden@host"),
    ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8, localhost"),
    ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.1/8"),
    ("TRUSTED_HOSTS", "https://shop.example.com"),
    ("TRUSTED_HOSTS", "shop.example.com:8080"),
    ("TRUSTED_HOSTS", "shop.example.com, *.*.example.com"),
    ("TRUSTED_HOSTS", ".example.com"),
    ("TRUSTED_HOSTS", "shop.example.com other.example.com"),
    ("OIDC_ISSUER", "http://login.example.com"),
    ("OIDC_ISSUER", "https://login.example.com/?tenant=1"),
    ("OIDC_ISSUER", "https://"),
    ("OIDC_ROLES", "owner=acme-owners"),
    ("OIDC_ROLES", "admin"),
    ("OIDC_ROLES", "admin="),
    ("OIDC_DEFAULT_ROLE", "owner"),
    ("SMTP_URL", "http://user:hidden@mail.example.com"),
    ("SMTP_URL", "smtp://user:hidden@"),
    ("SMTP_URL", "smtp://user:hidden@mail.example.com:port"),
    ("LOG_FORMAT", "xml"),
    ("METRICS_TOKEN", "hidden"),
    ("METRICS_TOKEN", "hidden and not hidden"),
    ("METRICS_PORT", "70000"),
    ("SENTRY_DSN", "hidden@sentry.example.com/1"),
    ("SENTRY_DSN", "https://sentry.example.com/1"),
    ("SENTRY_DSN", "https://hidden@sentry.example.com"),
    ("MAIL_FROM", "Acme"),
    ("STORAGE_URL", "s3:///uploads"),
    ("STORAGE_URL", "s3://bucket/prefix?region=eu"),
    ("STORAGE_URL", "https://user:hidden@minio.example.com/bucket"),
    ("S3_ENDPOINT_URL", "minio.example.com:9000"),
    ("S3_ENDPOINT_URL", "ftp://user:hidden@minio.example.com"),
    ("MAIL_FROM", "Acme <acme@example.com>, <eve@example.com>"),
]


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == config.VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", config.VERSION)


def test_the_example_file_has_every_setting_with_its_help_and_default() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    documented = [
        (match[1], match[2], lines[index - 1].removeprefix("# "))
        for index, line in enumerate(lines)
        if (match := re.fullmatch(r"#([A-Z][A-Z0-9_]+)=(.*)", line))
    ]
    assert sorted(documented) == sorted(
        (name, setting.default, setting.help) for name, setting in config.SETTINGS.items()
    )
    assert all(line == "" or line.startswith("#") for line in lines)


def test_the_readme_refers_to_the_example_file() -> None:
    assert "`.env.example` lists every setting" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_manual_names_only_settings_that_exist() -> None:
    known = {*config.SETTINGS, OPENSSL_VARIABLE}
    pages = ("access", "api", "files", "monitoring", "operations", "webhooks")
    for document in ("README.md", *(f"docs/{page}.md" for page in pages)):
        named = set(re.findall(r"`([A-Z]+_[A-Z_]+)(?:=[^`]*)?`", (ROOT / document).read_text(encoding="utf-8")))
        assert named <= known, document


def test_every_field_except_the_derived_one_is_a_setting() -> None:
    fields = {name.upper() for name in config.Settings.__dataclass_fields__}
    assert fields == {*config.SETTINGS, "TRANSACTION_POOLER"}


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("True", True), (" yes ", True), ("ON", True), ("0", False), ("no", False)]
)
def test_a_switch_accepts_common_words(text: str, value: bool) -> None:
    assert config.load({"FLASK_DEBUG": text}).flask_debug is value


def test_trusted_hosts_are_compared_as_browsers_write_them() -> None:
    settings = config.load({"TRUSTED_HOSTS": "Shop.Example.com., *.example.org,,10.0.0.5, 2001:db8::1,[::2] , web_1,*"})
    expected = ("shop.example.com", "*.example.org", "10.0.0.5", "[2001:db8::1]", "[::2]", "web_1", "*")
    assert settings.trusted_hosts == expected


def test_an_empty_value_means_the_default() -> None:
    defaults = config.load({})
    assert config.load(dict.fromkeys(config.SETTINGS, "")) == defaults
    assert config.load({name: f" {setting.default} " for name, setting in config.SETTINGS.items()}) == defaults
    assert (defaults.host, defaults.port) == ("127.0.0.1", 5000)
    assert (defaults.max_upload_mb, defaults.chunk_rows) == (2048, 10_000)
    assert defaults.data_dir == ROOT / "instance"
    assert defaults.broker_is_embedded
    with pytest.raises(config.ConfigError, match="DATABASE_URL is not set"):
        defaults.require_database_url()


@pytest.mark.parametrize(
    ("name", "value"), UNUSABLE_VALUES, ids=[f"{name}={value[:50]}" for name, value in UNUSABLE_VALUES]
)
def test_an_unusable_value_is_named_in_one_line_without_a_password(name: str, value: str) -> None:
    with pytest.raises(config.ConfigError) as caught:
        config.load({name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    assert "\n" not in message
    assert len(message) < 300
    assert "hid" not in message


@pytest.mark.parametrize(
    ("variable", "database_url", "is_pooler"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d", False),
        ("postgresql+psycopg2://u:p@h/d", "postgresql://u:p@h/d", False),
        ("postgresql://u:p%40@h:5433/d?sslmode=require", "postgresql://u:p%40@h:5433/d?sslmode=require", False),
        ("postgres://u:p@h:6543/d?pgbouncer=true", "postgresql://u:p@h:6543/d", True),
        ("postgres://u:p@h/d?pgbouncer=true&sslmode=require", "postgresql://u:p@h/d?sslmode=require", True),
        ("postgres://u.x:p@eu.pooler.supabase.com:6543/d", "postgresql://u.x:p@eu.pooler.supabase.com:6543/d", True),
        ("postgres://u.x:p@eu.pooler.supabase.com:5432/d", "postgresql://u.x:p@eu.pooler.supabase.com:5432/d", False),
        ("postgresql://u@/d?host=/tmp/a-b&port=1", "postgresql://u@/d?host=/tmp/a-b&port=1", False),
        ("postgres://u:p@[::1]:5432/d", "postgresql://u:p@[::1]:5432/d", False),
        ("postgres://u:p@a,b/d", "postgresql://u:p@a,b/d?target_session_attrs=read-write", False),
        (
            "postgresql://u:p%40@a:1,[::1]:2/d?target_session_attrs=any",
            "postgresql://u:p%40@a:1,[::1]:2/d?target_session_attrs=any",
            False,
        ),
        (
            "postgresql://u@/d?host=a,b&port=1,2",
            "postgresql://u@/d?host=a,b&port=1,2&target_session_attrs=read-write",
            False,
        ),
        (
            "postgresql://u:p@a:6543,b:6543/d",
            "postgresql://u:p@a:6543,b:6543/d?target_session_attrs=read-write",
            True,
        ),
    ],
)
def test_database_urls_are_accepted_as_hosting_providers_write_them(
    variable: str, database_url: str, is_pooler: bool
) -> None:
    settings = config.load({"DATABASE_URL": variable})
    assert (settings.database_url, settings.transaction_pooler) == (database_url, is_pooler)


def test_celery_broker_url_overrides_cloudamqp_url() -> None:
    both = {"CLOUDAMQP_URL": "amqps://one/x", "CELERY_BROKER_URL": "amqp://two"}
    assert config.load(both).broker_url == "amqp://two"
    assert config.load({**both, "CELERY_BROKER_URL": ""}).broker_url == "amqps://one/x"
    assert not config.load(both).broker_is_embedded


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        ({"OIDC_ISSUER": "https://login.example.com"}, "OIDC_CLIENT_ID"),
        ({"SMTP_URL": "smtp://mail.example.com"}, "MAIL_FROM"),
    ],
)
def test_settings_that_need_each_other_are_missed(environ: dict[str, str], missing: str) -> None:
    with pytest.raises(config.ConfigError, match=f"^{missing} is not set"):
        config.load(environ)


def test_the_values_of_a_role_are_pairs() -> None:
    settings = config.load({"OIDC_ROLES": " admin = acme-admins, editor=a=b ,"})
    assert settings.oidc_roles == (("admin", "acme-admins"), ("editor", "a=b"))
