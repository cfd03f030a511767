"""The settings: their defaults, their checks and their documentation."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import tomllib
from pathlib import Path

import pytest

import config
from support.paths import ROOT

SECRET_KEY_READERS = 16
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
    ("MAIL_FROM", "Acme"),
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
        if (match := re.fullmatch(r"#([A-Z][A-Z_]+)=(.*)", line))
    ]
    assert sorted(documented) == sorted(
        (name, setting.default, setting.help) for name, setting in config.SETTINGS.items()
    )
    assert all(line == "" or line.startswith("#") for line in lines)


def test_the_readme_refers_to_the_example_file() -> None:
    assert "`.env.example` lists every setting" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_manual_names_only_settings_that_exist() -> None:
    for document in ("README.md", "docs/operations.md", "docs/api.md", "docs/files.md", "docs/webhooks.md"):
        named = set(re.findall(r"`([A-Z]+_[A-Z_]+)(?:=[^`]*)?`", (ROOT / document).read_text(encoding="utf-8")))
        assert named <= set(config.SETTINGS), document


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


def test_processes_that_start_together_share_one_generated_secret_key(tmp_path: Path) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path / "data")})
    barrier = threading.Barrier(SECRET_KEY_READERS)
    keys: list[str] = []

    def read() -> None:
        barrier.wait(30)
        keys.append(config.load_secret_key(settings))

    threads = [threading.Thread(target=read) for _ in range(SECRET_KEY_READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == SECRET_KEY_READERS
    assert set(keys) == {config.load_secret_key(settings)}
    assert len(keys[0]) == 2 * config.SECRET_KEY_BYTES
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_configured_secret_key_is_used(tmp_path: Path) -> None:
    assert config.load_secret_key(config.load({"SECRET_KEY": "given", "DATA_DIR": str(tmp_path)})) == "given"


@pytest.mark.parametrize("content", [b"", b"\n", bytes(64)], ids=["empty", "blank", "zeros"])
def test_a_secret_key_that_a_power_cut_destroyed_is_generated_again(tmp_path: Path, content: bytes) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path)})
    (tmp_path / "secret_key").write_bytes(content)
    key = config.load_secret_key(settings)
    assert len(key) == 2 * config.SECRET_KEY_BYTES
    assert (tmp_path / "secret_key").read_text() == config.load_secret_key(settings) == key


def test_a_secret_key_that_someone_wrote_is_used(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_text("chosen by the operator\n")
    assert config.load_secret_key(config.load({"DATA_DIR": str(tmp_path)})) == "chosen by the operator"
    assert path.read_text() == "chosen by the operator\n"


def test_a_generated_secret_key_and_its_name_are_on_the_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, str]] = []

    def record(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((is_folder, (tmp_path / "secret_key").read_text()))

    monkeypatch.setattr(os, "fsync", record)
    key = config.load_secret_key(config.load({"DATA_DIR": str(tmp_path)}))
    assert synced == [(False, key), (True, key)]
    config.load_secret_key(config.load({"DATA_DIR": str(tmp_path)}))
    assert len(synced) == 2


def test_a_secret_key_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(config.ConfigError, match=r"SECRET_KEY: .*secret_key cannot be written \(No space left"):
        config.load_secret_key(config.load({"DATA_DIR": str(tmp_path)}))
    monkeypatch.undo()
    # What did not reach the disk is not used by the next start, either.
    assert (tmp_path / "secret_key").read_bytes() == b""


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
