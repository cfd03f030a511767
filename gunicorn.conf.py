"""The settings of gunicorn: `gunicorn 'app:create_app()'` reads this file by itself.

server/worker.py explains the worker. It decides how many threads there are.
"""

import contextlib
import sys
from typing import Any

from sqlalchemy.exc import OperationalError

from config import ConfigError, load
from database.migrate import UnusableDatabase, wait_for_migrations
from monitoring import logs
from monitoring.shared_metrics import share_metrics

# Connections besides those of streams. Most of them wait for the next request of a browser.
OTHER_CONNECTIONS = 900

try:
    _settings = load()
    _settings.require_database_url()
except ConfigError as error:
    sys.exit(f"error: {error}")

bind = f"{_settings.host}:{_settings.port}"
worker_class = "server.worker.Worker"
workers = 1
worker_connections = _settings.max_streams + OTHER_CONNECTIONS
# In seconds. A request may take longer: the worker process keeps sending its heartbeat, even during a long upload.
timeout = 60
graceful_timeout = 5
keepalive = 5
# With sendfile, bytes would bypass `ClientSocket`, which notices a client that does not read.
sendfile = False
# Nobody uses it. Its socket would be below the home folder, which a container or a service need not have.
control_socket_disable = True
# TRUSTED_PROXIES decides who may set headers of proxies (app.py).
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
accesslog = None
loglevel = "warning"
logger_class = "server.logger.Logger"


def on_starting(server: Any) -> None:
    """Wait until the tables are those that this version needs, before the process listens.

    Let several worker processes share their metrics, so that each of them can serve the metrics of all.
    """
    if server.cfg.workers > 1:
        share_metrics()
    if not _settings.migrate_on_start:
        logs.configure(_settings.log_format)
        # `create_app` reports these errors.
        with contextlib.suppress(OperationalError, UnusableDatabase):
            wait_for_migrations(_settings.require_database_url())
