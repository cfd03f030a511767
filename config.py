"""Every setting of the product, with its default, its meaning and its check.

A setting is an environment variable, or a line of `.env`. Each process reads the settings once, with `load()`. An
unusable value raises `ConfigError`, whose message is one line that names the variable.
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from dotenv import load_dotenv

from setting_values import ROLE_NAMES, is_transaction_pooler
from setting_values import parse_boolean as _boolean
from setting_values import parse_broker_url as _broker_url
from setting_values import parse_database_url as _database_url
from setting_values import parse_folder as _folder
from setting_values import parse_host_names as _host_names
from setting_values import parse_integer as _integer
from setting_values import parse_issuer as _issuer
from setting_values import parse_mail_from as _mail_from
from setting_values import parse_networks as _networks
from setting_values import parse_one_of as _one_of
from setting_values import parse_origins as _origins
from setting_values import parse_role_values as _role_values
from setting_values import parse_smtp_url as _smtp_url

ROOT = Path(__file__).resolve().parent
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
CREDENTIALS_RE = re.compile(r"(?<=://).*@|^(?!\w+://).*@")
MAX_SHOWN_CHARACTERS = 50
EMBEDDED_BROKER_URL = "filesystem://localhost/"
# The first setting of each pair works only with the second one.
REQUIRED_TOGETHER = (("OIDC_ISSUER", "OIDC_CLIENT_ID"), ("SMTP_URL", "MAIL_FROM"))


class ConfigError(ValueError):
    """A setting has an unusable value. The message names the setting and says what it accepts."""


@dataclass(frozen=True)
class Setting:
    """What `Settings` declares about one environment variable.

    `parse` converts the text of the variable into the value. It raises `ValueError` with a text that completes the
    sentence "NAME …, not 'value'".
    """

    default: str
    help: str
    parse: Callable[[str], Any] = str


@dataclass(frozen=True)
class Settings:
    """The parsed settings of this process. Each field has the name of its variable in lower case."""

    database_url: Annotated[
        str,
        Setting("", "PostgreSQL server, as postgresql://…; if empty, `make run` starts an embedded one", _database_url),
    ]
    cloudamqp_url: Annotated[
        str, Setting("", "RabbitMQ server, as amqp://…; if empty, a folder of files replaces the broker", _broker_url)
    ]
    celery_broker_url: Annotated[
        str, Setting("", "another name for CLOUDAMQP_URL; it takes precedence if both are set", _broker_url)
    ]
    celery_result_backend: Annotated[str, Setting("", "not needed, because PostgreSQL holds the state of every job")]
    secret_key: Annotated[str, Setting("", "key that signs sessions; if empty, one is generated and kept in DATA_DIR")]
    host: Annotated[str, Setting("127.0.0.1", "address on which the web process listens")]
    port: Annotated[int, Setting("5000", "port on which the web process listens", _integer(0, 65535))]
    trusted_hosts: Annotated[
        tuple[str, ...],
        Setting(
            "",
            "names of the server besides localhost and HOST, separated by commas; *.example.com and * are allowed",
            _host_names,
        ),
    ]
    cors_origins: Annotated[
        tuple[str, ...],
        Setting(
            "",
            "origins whose scripts in browsers may call the API with an API key, such as https://shop.example.com",
            _origins,
        ),
    ]
    data_dir: Annotated[
        Path,
        Setting(
            "./instance", "folder of the embedded database, the embedded broker and the generated SECRET_KEY", _folder
        ),
    ]
    upload_dir: Annotated[
        Path,
        Setting(
            "./uploads", "folder of uploaded files until their import ends; web and workers must share it", _folder
        ),
    ]
    max_upload_mb: Annotated[
        int,
        Setting(
            "2048", "maximum size of an uploaded file, in MB; a larger one gets status 413", _integer(1, 1_000_000)
        ),
    ]
    max_unpacked_mb: Annotated[
        int, Setting("8192", "maximum size of a compressed file once it is unpacked, in MB", _integer(1, 10_000_000))
    ]
    max_workbook_mb: Annotated[
        int,
        Setting(
            "1000",
            "maximum size of a workbook (.xlsx, .ods …) once it is unpacked, without its pictures, in MB",
            _integer(1, 100_000),
        ),
    ]
    workbook_memory_mb: Annotated[
        int,
        Setting(
            "4000",
            "maximum memory of the process that reads a workbook, in MB; 1,000,000 rows of four columns take about 550",
            _integer(200, 1_000_000),
        ),
    ]
    chunk_rows: Annotated[int, Setting("10000", "rows that the parser reads at a time", _integer(1, 1_000_000))]
    max_rows: Annotated[
        int, Setting("50000000", "maximum number of rows of a file; a larger one fails", _integer(1, 2_000_000_000))
    ]
    max_record_kb: Annotated[
        int, Setting("1024", "maximum length of a row, in kB; a longer one is rejected", _integer(1, 10_240))
    ]
    lease_seconds: Annotated[
        int, Setting("20", "seconds without a heartbeat after which another worker takes over a job", _integer(2, 3600))
    ]
    stall_seconds: Annotated[
        int,
        Setting(
            "300",
            "seconds without any progress after which a worker gives up its job, and another worker takes over",
            _integer(10, 86_400),
        ),
    ]
    slice_rows: Annotated[
        int, Setting("25000", "rows that an import writes in one transaction", _integer(1, 1_000_000))
    ]
    import_writers: Annotated[
        int,
        Setting(
            "0",
            "connections on which a job writes products at the same time; 0: as many as there are cores, at most 4",
            _integer(0, 32),
        ),
    ]
    sweep_seconds: Annotated[
        int, Setting("5", "seconds between two searches of the reaper for jobs without a worker", _integer(1, 3600))
    ]
    max_attempts: Annotated[int, Setting("8", "attempts without progress after which a job fails", _integer(1, 1000))]
    task_seconds: Annotated[
        int,
        Setting(
            "600",
            "seconds after which an import continues in a new task; must be less than RabbitMQ's consumer_timeout",
            _integer(1, 86_400),
        ),
    ]
    preview_hours: Annotated[
        int, Setting("24", "hours after which an import is cancelled if nobody confirms its preview", _integer(1, 8760))
    ]
    retry_hours: Annotated[
        int,
        Setting(
            "24", "hours for which the file of a failed or cancelled import is kept for a retry", _integer(0, 8760)
        ),
    ]
    undo_days: Annotated[
        int, Setting("7", "days for which an import can be undone; 0 keeps no data for that", _integer(0, 3650))
    ]
    history_days: Annotated[
        int,
        Setting("365", "days after which an ended job is deleted with all its details", _integer(1, 36_500)),
    ]
    reject_days: Annotated[
        int, Setting("90", "days after which the rejected rows of an ended import are deleted", _integer(1, 36_500))
    ]
    sample_days: Annotated[
        int, Setting("90", "days after which the throughput samples of an ended job are deleted", _integer(1, 36_500))
    ]
    max_rejects: Annotated[
        int,
        Setting(
            "1000000",
            "maximum number of rejected rows that are kept per import; the others are only counted",
            _integer(1, 10**9),
        ),
    ]
    max_streams: Annotated[
        int,
        Setting(
            "100",
            "maximum number of open streams per web process; further clients get status 503 and must poll",
            _integer(1, 10_000),
        ),
    ]
    max_uploads: Annotated[
        int,
        Setting(
            "16",
            "maximum number of uploads at a time per web process; further ones get status 503",
            _integer(1, 1000),
        ),
    ]
    request_timeout_seconds: Annotated[
        int,
        Setting(
            "30",
            "seconds after which a query of a web request is cancelled; changes of many products get ten minutes",
            _integer(1, 600),
        ),
    ]
    client_stall_seconds: Annotated[
        int,
        Setting(
            "30",
            "seconds without progress after which a client that sends or receives is disconnected",
            _integer(1, 3600),
        ),
    ]
    client_bytes_per_second: Annotated[
        int,
        Setting(
            "1000",
            "average bytes per second below which a client that sends or receives is disconnected",
            _integer(1, 1_000_000),
        ),
    ]
    trusted_proxies: Annotated[
        int,
        Setting(
            "0",
            "number of proxies that set X-Forwarded-For, -Proto and -Host; if 0, these headers are ignored",
            _integer(0, 10),
        ),
    ]
    requests_per_minute: Annotated[
        int,
        Setting(
            "3000",
            "requests per minute of an API key, a session or an address; beyond it, status 429; 0 is no limit",
            _integer(0, 1_000_000),
        ),
    ]
    export_seconds: Annotated[
        int, Setting("600", "seconds after which an export of products is cancelled", _integer(1, 86_400))
    ]
    webhook_allowed_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Setting(
            "", "private or loopback networks that webhooks may reach, in CIDR notation, separated by commas", _networks
        ),
    ]
    webhook_retention_days: Annotated[
        int, Setting("30", "days after which webhook deliveries are deleted", _integer(1, 3650))
    ]
    auth: Annotated[
        str,
        Setting(
            "auto",
            "auto: as long as nobody has an account, this machine needs no sign-in; required: everyone signs in",
            _one_of("auto", "required"),
        ),
    ]
    session_idle_hours: Annotated[
        int, Setting("168", "hours without use after which a session ends", _integer(1, 8760))
    ]
    session_days: Annotated[
        int, Setting("30", "days after which a session ends, however often it is used", _integer(1, 365))
    ]
    audit_retention_days: Annotated[
        int,
        Setting(
            "365",
            "days after which entries of the audit log and edits in the history of products are deleted",
            _integer(1, 36_500),
        ),
    ]
    oidc_issuer: Annotated[
        str,
        Setting(
            "", "OpenID Connect provider that people may sign in with, exactly as it writes its own address", _issuer
        ),
    ]
    oidc_name: Annotated[
        str, Setting("", "name of the provider on the page for signing in; if empty, the host of OIDC_ISSUER")
    ]
    oidc_client_id: Annotated[str, Setting("", "id of this product at the provider")]
    oidc_client_secret: Annotated[str, Setting("", "secret of this product at the provider")]
    oidc_scopes: Annotated[
        str, Setting("openid email profile", "scopes to request; some providers need one more for groups or roles")
    ]
    oidc_role_claim: Annotated[
        str, Setting("roles", "claim of the ID token that has a person's roles or groups, a text or a list")
    ]
    oidc_roles: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            "",
            "values of the claim for each role, such as admin=acme-admins,editor=acme-editors; if empty, "
            "administrators set the roles",
            _role_values,
        ),
    ]
    oidc_default_role: Annotated[
        str,
        Setting(
            "",
            "role of people who sign in through the provider without any other role; if empty, they are refused",
            _one_of("", *ROLE_NAMES),
        ),
    ]
    smtp_url: Annotated[
        str,
        Setting(
            "",
            "server that sends invitations and links for new passwords, as smtp://user:password@host:587 or smtps://…; "
            "if empty, administrators pass the links on",
            _smtp_url,
        ),
    ]
    mail_from: Annotated[str, Setting("", "sender of the mails, such as Acme <acme@example.com>", _mail_from)]
    flask_env: Annotated[str, Setting("production", "name of the environment")]
    flask_debug: Annotated[
        bool,
        Setting(
            "0",
            "1 turns on Flask's debug mode, and the page follows changes of its files; never use it in production",
            _boolean,
        ),
    ]
    # Not a setting: `load` derives it from the text of DATABASE_URL, because `database_url` lacks the pooler's options.
    # Behind a transaction pooler, LISTEN and session-level advisory locks do not work.
    transaction_pooler: bool

    @property
    def broker_url(self) -> str:
        """The URL of the broker, or of the embedded broker if none is configured."""
        return self.celery_broker_url or self.cloudamqp_url or EMBEDDED_BROKER_URL

    @property
    def broker_is_embedded(self) -> bool:
        """Whether messages are files in DATA_DIR."""
        return self.broker_url.startswith("filesystem:")

    def require_database_url(self) -> str:
        """Return the URL of the database; raises `ConfigError` if it is not set and `make run` does not provide one."""
        if not self.database_url:
            raise ConfigError("DATABASE_URL is not set: set it, or use `make run`, which starts an embedded PostgreSQL")
        return self.database_url


SETTINGS: dict[str, Setting] = {
    name.upper(): annotation.__metadata__[0]
    for name, annotation in get_type_hints(Settings, include_extras=True).items()
    if hasattr(annotation, "__metadata__")
}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in `environ`. By default, they come from the process environment and `.env`.

    An empty variable means the default. Raises `ConfigError` for the first unusable value.
    """
    if environ is None:
        load_dotenv(ROOT / ".env")
        environ = os.environ
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        text = environ.get(name, "").strip() or setting.default
        try:
            values[name.lower()] = setting.parse(text)
        except ValueError as error:
            # A URL may contain a password, which must not reach a log.
            shown = CREDENTIALS_RE.sub("***@", text)[:MAX_SHOWN_CHARACTERS]
            raise ConfigError(f"{name} {error}, not {shown!r}") from None
    for name, needed in REQUIRED_TOGETHER:
        if values[name.lower()] and not values[needed.lower()]:
            raise ConfigError(f"{needed} is not set, but {name} needs it")
    return Settings(**values, transaction_pooler=is_transaction_pooler(environ.get("DATABASE_URL", "")))


def make_folder(setting: str, path: Path) -> Path:
    """Create the folder of a setting if it is missing and return it; raises `ConfigError` if it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ConfigError(
            f"{setting}: the folder {path} cannot be written ({error.strerror}); choose another one"
        ) from None
    return path
