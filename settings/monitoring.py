"""Settings of logs, metrics and reports of errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from settings import values
from settings.setting import Setting


@dataclass(frozen=True)
class MonitoringSettings:
    """What the processes tell those who operate them."""

    log_format: Annotated[
        str,
        Setting(
            "text", "format of log lines: text, or json for one object per line", values.parse_one_of("text", "json")
        ),
    ]
    metrics_token: Annotated[
        str,
        Setting(
            "",
            "token with which Prometheus may read /metrics of the web process; if empty, it needs an API key",
            values.parse_token,
        ),
    ]
    metrics_port: Annotated[
        int,
        Setting(
            "0",
            "port on which a worker serves its own metrics, without a key; 0 turns them off",
            values.parse_integer(0, 65535),
        ),
    ]
    host_metrics: Annotated[
        str, Setting("127.0.0.1", "address on which a worker serves its metrics, if METRICS_PORT is set")
    ]
    sentry_dsn: Annotated[
        str,
        Setting(
            "",
            "address of a Sentry project that gets unexpected errors, if the package sentry-sdk is installed",
            values.parse_dsn,
        ),
    ]
