"""The settings of gunicorn: `gunicorn 'app:create_app()'` reads this file by itself.

Requests run in threads, so that open progress streams do not block other requests: there is one thread for each allowed
stream, and REQUEST_THREADS for everything else. A waiting thread costs almost nothing.
"""

import sys

from config import ConfigError, load

REQUEST_THREADS = 24

try:
    _settings = load()
    _settings.require_database_url()
except ConfigError as error:
    sys.exit(f"error: {error}")

bind = f"{_settings.host}:{_settings.port}"
worker_class = "gthread"
workers = 1
threads = _settings.max_streams + REQUEST_THREADS
# In seconds. A request may take longer: the worker process keeps sending its heartbeat, even during a long upload.
timeout = 60
graceful_timeout = 5
keepalive = 5
accesslog = None
loglevel = "warning"
