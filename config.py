"""Every setting of the product: its name, default, meaning and check, in one place.

The environment and `.env` are read once per process, by `load()`. An unusable value raises `ConfigError`, whose
message is one line that names the variable.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from dotenv import load_dotenv

ROOT = Path(__file__).resolve().parent
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
CREDENTIALS = re.compile(r"(?<=://).*@|^(?!\w+://).*@")
MAX_DIGITS = 20
SHOWN_CHARACTERS = 50
EMBEDDED_BROKER_URL = "filesystem://localhost/"


class ConfigError(ValueError):
    """A setting has a value that cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True)
class Setting:
    """One setting: `parse` turns the text of the environment into its value or raises `ValueError` with a hint."""

    name: str
    default: str
    help: str
    parse: Callable[[str], Any] = str


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.strip().isdecimal() or len(text) > MAX_DIGITS or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text.strip().lower() in {"1", "true", "yes", "on"}:
        return True
    if text.strip().lower() in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError("must be 1 or 0")


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    return path if path.is_absolute() else ROOT / path


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.0.0.0/8, separated by commas ({error})") from None


def _database_url(text: str) -> str:
    """Returns the URL as SQLAlchemy and psycopg2 take it.

    Supabase and Heroku write `postgres://`, and poolers add options (`pgbouncer=true`) that libpq refuses.
    """
    if not text:
        return ""
    try:
        parts = urlsplit(text.strip())
        known = parts.scheme in {"postgres", "postgresql", "postgresql+psycopg2"}
        # Reading the port checks it.
        usable = known and parts.path.strip("/") != "" and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    options = [
        (key, value) for key, value in parse_qsl(parts.query) if key not in {"pgbouncer", "supa", "connection_limit"}
    ]
    query = urlencode(options, quote_via=quote, safe="/")
    return urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))


def _broker_url(text: str) -> str:
    if text and urlsplit(text).scheme not in {"amqp", "amqps", "filesystem"}:
        raise ValueError("must look like amqp://user:password@host:5672/vhost")
    return text.strip()


SETTINGS = (
    Setting(
        "DATABASE_URL", "", "PostgreSQL, as postgresql://…; empty: `make run` starts an embedded one", _database_url
    ),
    Setting("CLOUDAMQP_URL", "", "RabbitMQ, as amqp://…; empty: a broker of files that needs no server", _broker_url),
    Setting("CELERY_BROKER_URL", "", "the same; wins over CLOUDAMQP_URL when both are set", _broker_url),
    Setting("CELERY_RESULT_BACKEND", "", "not needed: the state of every job is in PostgreSQL"),
    Setting("SECRET_KEY", "", "signs sessions; empty: generated once into DATA_DIR"),
    Setting("HOST", "127.0.0.1", "address that `make run` listens on"),
    Setting("PORT", "5000", "port that `make run` listens on", _whole_number(0, 65535)),
    Setting("DATA_DIR", "./instance", "embedded database, embedded broker, generated secret", _folder),
    Setting("UPLOAD_DIR", "./uploads", "uploaded files until their job ends; web and workers must share it", _folder),
    Setting("MAX_UPLOAD_MB", "2048", "largest file taken, in MB; a larger one gets 413", _whole_number(1, 1_000_000)),
    Setting("MAX_UNPACKED_MB", "8192", "largest size a gzip file may unpack to, in MB", _whole_number(1, 10_000_000)),
    Setting("CHUNK_ROWS", "10000", "rows a parsed chunk holds", _whole_number(1, 1_000_000)),
    Setting(
        "MAX_RECORD_KB",
        "1024",
        "longest row taken, in kB; a longer one is set aside as a reject",
        _whole_number(1, 10_240),
    ),
    Setting(
        "LEASE_SECONDS",
        "20",
        "how long a job stays with a worker that gives no sign of life before another one takes it over",
        _whole_number(2, 3600),
    ),
    Setting("SLICE_ROWS", "25000", "rows that one transaction of an import writes", _whole_number(1, 1_000_000)),
    Setting("SWEEP_SECONDS", "5", "how often workers look for jobs that nobody works on", _whole_number(1, 3600)),
    Setting("MAX_ATTEMPTS", "8", "attempts without any headway after which a job fails", _whole_number(1, 1000)),
    Setting(
        "TASK_SECONDS",
        "600",
        "how long an import runs before it goes on under a new message; keep it below RabbitMQ's consumer_timeout",
        _whole_number(1, 86_400),
    ),
    Setting(
        "PREVIEW_HOURS",
        "24",
        "how long a preview waits to be confirmed before its import is cancelled",
        _whole_number(1, 8760),
    ),
    Setting(
        "RETRY_HOURS",
        "24",
        "how long the file of a failed or cancelled import is kept for another try",
        _whole_number(0, 8760),
    ),
    Setting(
        "UNDO_DAYS",
        "7",
        "how long an import can be taken back; 0: nothing is kept for that",
        _whole_number(0, 3650),
    ),
    Setting(
        "MAX_STREAMS",
        "100",
        "open progress streams per web process; beyond it clients get 503 and poll",
        _whole_number(1, 10_000),
    ),
    Setting(
        "WEBHOOK_ALLOWED_NETWORKS",
        "",
        "networks (CIDR, separated by commas) that webhooks may reach although they are private or loopback",
        _networks,
    ),
    Setting(
        "WEBHOOK_RETENTION_DAYS",
        "30",
        "how many days webhook deliveries are kept; older ones are removed",
        _whole_number(1, 3650),
    ),
    Setting("FLASK_ENV", "production", "name of the environment"),
    Setting("FLASK_DEBUG", "0", "1 switches Flask's debug mode on; never in production", _switch),
)


@dataclass(frozen=True)
class Settings:
    """The settings of this process, parsed. Attribute names are those of the environment in lower case."""

    database_url: str
    cloudamqp_url: str
    celery_broker_url: str
    celery_result_backend: str
    secret_key: str
    host: str
    port: int
    data_dir: Path
    upload_dir: Path
    max_upload_mb: int
    max_unpacked_mb: int
    chunk_rows: int
    max_record_kb: int
    lease_seconds: int
    slice_rows: int
    sweep_seconds: int
    max_attempts: int
    task_seconds: int
    preview_hours: int
    retry_hours: int
    undo_days: int
    max_streams: int
    webhook_allowed_networks: tuple[IPv4Network | IPv6Network, ...]
    webhook_retention_days: int
    flask_env: str
    flask_debug: bool
    transaction_pooler: bool

    @property
    def broker_url(self) -> str:
        """The broker's URL; that of the embedded one when none is given."""
        return self.celery_broker_url or self.cloudamqp_url or EMBEDDED_BROKER_URL

    @property
    def broker_is_embedded(self) -> bool:
        """Whether messages travel as files below DATA_DIR instead of through RabbitMQ."""
        return self.broker_url.startswith("filesystem:")

    def need_database_url(self) -> str:
        """Returns the database's URL, or raises `ConfigError` where only `make run` could provide one."""
        if not self.database_url:
            raise ConfigError(
                "DATABASE_URL is not set: give it, or use `make run`, which starts an embedded PostgreSQL"
            )
        return self.database_url


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from `environ`, by default the process environment completed by `.env`.

    Raises `ConfigError` for the first value that cannot be used.
    """
    if environ is None:
        load_dotenv(ROOT / ".env")
        environ = os.environ
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environ.get(setting.name, "").strip() or setting.default
        try:
            values[setting.name.lower()] = setting.parse(text)
        except ValueError as error:
            # A URL may hold a password, which has no place in a log.
            shown = CREDENTIALS.sub("***@", text)[:SHOWN_CHARACTERS]
            raise ConfigError(f"{setting.name} {error}, not {shown!r}") from None
    url = environ.get("DATABASE_URL", "")
    pooled = (
        "pgbouncer=true" in url.lower()
        or (".pooler." in url and ":6543" in url)
        or url.rpartition("@")[2].partition("/")[0].endswith(":6543")
    )
    return Settings(**values, transaction_pooler=pooled)


def make_folder(setting: str, path: Path) -> Path:
    """Creates the folder that `setting` names when it is missing; raises `ConfigError` where nothing can be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ConfigError(
            f"{setting}: the folder {path} cannot be written ({error.strerror}); choose another one"
        ) from None
    return path


def secret_key(settings: Settings) -> str:
    """Returns SECRET_KEY, or the key that the first process of this installation generated into DATA_DIR."""
    if settings.secret_key:
        return settings.secret_key
    path = make_folder("DATA_DIR", settings.data_dir) / "secret_key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip() or _wait_for_key(path)
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_hex(32)
        file.write(key)
    return key


def _wait_for_key(path: Path) -> str:
    """Another process has just created the file and is about to write it."""
    for _ in range(100):
        time.sleep(0.02)
        if key := path.read_text().strip():
            return key
    raise ConfigError(f"SECRET_KEY: {path} is empty; remove it or set SECRET_KEY")
