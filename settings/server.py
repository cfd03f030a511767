"""Settings of the processes: the database, the broker, the web process and its clients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from settings import values
from settings.setting import Setting


@dataclass(frozen=True)
class ServerSettings:
    """How the processes run, and whom the web process serves."""

    database_url: Annotated[
        str,
        Setting(
            "",
            "PostgreSQL server, as postgresql://…; if empty, `make run` starts an embedded one",
            values.parse_database_url,
        ),
    ]
    migrate_on_start: Annotated[
        bool,
        Setting(
            "true",
            "apply the migrations when a process starts; if false, `flask --app app db upgrade` does it before",
            values.parse_boolean,
        ),
    ]
    database_read_url: Annotated[
        str,
        Setting(
            "",
            "streaming standby of DATABASE_URL for lists and exports of products; if empty, they read DATABASE_URL",
            values.parse_standby_url,
        ),
    ]
    cloudamqp_url: Annotated[
        str,
        Setting(
            "",
            "RabbitMQ server, as amqp://…, or the nodes of a cluster with semicolons between them; if empty, a folder"
            " of files replaces the broker",
            values.parse_broker_url,
        ),
    ]
    celery_broker_url: Annotated[
        str, Setting("", "another name for CLOUDAMQP_URL; it takes precedence if both are set", values.parse_broker_url)
    ]
    queue_type: Annotated[
        str,
        Setting(
            "classic",
            "type of the queue of imports: classic, or quorum for a RabbitMQ cluster, whose nodes then all keep it",
            values.parse_one_of("classic", "quorum"),
        ),
    ]
    celery_result_backend: Annotated[str, Setting("", "not needed, because PostgreSQL holds the state of every job")]
    secret_key: Annotated[str, Setting("", "key that signs sessions; if empty, one is generated and kept in DATA_DIR")]
    host: Annotated[str, Setting("127.0.0.1", "address on which the web process listens")]
    port: Annotated[int, Setting("5000", "port on which the web process listens", values.parse_integer(0, 65535))]
    trusted_hosts: Annotated[
        tuple[str, ...],
        Setting(
            "",
            "names of the server besides localhost and HOST, separated by commas; *.example.com and * are allowed",
            values.parse_host_names,
        ),
    ]
    cors_origins: Annotated[
        tuple[str, ...],
        Setting(
            "",
            "origins whose scripts in browsers may call the API with an API key, such as https://shop.example.com",
            values.parse_origins,
        ),
    ]
    data_dir: Annotated[
        Path,
        Setting(
            "./instance",
            "folder of the embedded database, the embedded broker and the generated SECRET_KEY",
            values.parse_folder,
        ),
    ]
    trusted_proxies: Annotated[
        int,
        Setting(
            "0",
            "number of proxies that set X-Forwarded-For, -Proto and -Host; if 0, these headers are ignored",
            values.parse_integer(0, 10),
        ),
    ]
    max_streams: Annotated[
        int,
        Setting(
            "100",
            "maximum number of open streams per web process; further clients get status 503 and must poll",
            values.parse_integer(1, 10_000),
        ),
    ]
    max_uploads: Annotated[
        int,
        Setting(
            "16",
            "maximum number of uploads at a time per web process; further ones get status 503",
            values.parse_integer(1, 1000),
        ),
    ]
    request_timeout_seconds: Annotated[
        int,
        Setting(
            "30",
            "seconds after which a query of a web request is cancelled; changes of many products get ten minutes",
            values.parse_integer(1, 600),
        ),
    ]
    client_stall_seconds: Annotated[
        int,
        Setting(
            "30",
            "seconds without progress after which a client that sends or receives is disconnected",
            values.parse_integer(1, 3600),
        ),
    ]
    client_bytes_per_second: Annotated[
        int,
        Setting(
            "1000",
            "average bytes per second below which a client that sends or receives is disconnected",
            values.parse_integer(1, 1_000_000),
        ),
    ]
    requests_per_minute: Annotated[
        int,
        Setting(
            "3000",
            "requests per minute of an API key, a session or an address; beyond it, status 429; 0 is no limit",
            values.parse_integer(0, 1_000_000),
        ),
    ]
    flask_env: Annotated[str, Setting("production", "name of the environment")]
    flask_debug: Annotated[
        bool,
        Setting(
            "0",
            "1 turns on Flask's debug mode, and the page follows changes of its files; never use it in production",
            values.parse_boolean,
        ),
    ]
