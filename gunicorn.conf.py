"""How gunicorn runs the web process: `gunicorn 'app:create_app()'` finds this file by itself.

Threads, because open progress streams must not keep requests waiting: there are as many as streams are allowed, and
some for everything else. A thread that waits costs next to nothing.
"""

import sys

from config import ConfigError, load

REQUEST_THREADS = 24

try:
    _settings = load()
    _settings.need_database_url()
except ConfigError as error:
    sys.exit(f"error: {error}")

bind = f"{_settings.host}:{_settings.port}"
worker_class = "gthread"
workers = 1
threads = _settings.max_streams + REQUEST_THREADS
# An upload may take as long as it takes; the worker's heart beats beside it.
timeout = 60
graceful_timeout = 5
keepalive = 5
accesslog = None
loglevel = "warning"
