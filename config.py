"""Every setting of the product, with its default, its meaning and its check.

A setting is an environment variable, or a line of `.env`. Each process reads the settings once, with `load()`. An
unusable value raises `ConfigError`, whose message is one line that names the variable.
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from dotenv import load_dotenv

from settings.access import AccessSettings
from settings.imports import ImportSettings
from settings.monitoring import MonitoringSettings
from settings.server import ServerSettings
from settings.setting import Setting
from settings.storage import StorageSettings
from settings.values import is_transaction_pooler
from settings.webhooks import WebhookSettings

ROOT = Path(__file__).resolve().parent
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
CREDENTIALS_RE = re.compile(r"(?<=://).*@|^(?!\w+://).*@")
SECRET_OPTION_RE = re.compile(r"(?<=[?&])(password|sslpassword)=[^&]*")
MAX_SHOWN_CHARACTERS = 50
# No message shows the values of these settings.
SECRETS = {"METRICS_TOKEN"}
EMBEDDED_BROKER_URL = "filesystem://localhost/"
# The first setting of each pair works only with the second one.
REQUIRED_TOGETHER = (("OIDC_ISSUER", "OIDC_CLIENT_ID"), ("SMTP_URL", "MAIL_FROM"))


class ConfigError(ValueError):
    """A setting has an unusable value. The message names the setting and says what it accepts."""


@dataclass(frozen=True)
class Settings(AccessSettings, WebhookSettings, ImportSettings, StorageSettings, MonitoringSettings, ServerSettings):
    """The parsed settings of this process. Each field has the name of its variable in lower case."""

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
            masked = SECRET_OPTION_RE.sub(r"\1=***", CREDENTIALS_RE.sub("***@", text))
            shown = "***" if name in SECRETS else masked[:MAX_SHOWN_CHARACTERS]
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
