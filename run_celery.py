"""Run a Celery worker: `python run_celery.py [options of celery worker]`.

By default it runs two imports at a time. A separate process, which imports do not delay, delivers the webhooks. `-q`
leaves out the banner. After SIGTERM the worker gives running tasks a few seconds to end.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

OPTIONS = (
    "--loglevel=INFO",
    "--concurrency=2",
    # Workers do not need to know about each other. Without these features they use fewer queues and connections, which
    # hosted brokers limit.
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)
QUIET_OPTIONS = {"-q", "--quiet"}


def command() -> list[str]:
    """Return the command line of the worker that run.py starts; it prints only warnings."""
    # One import at a time, because several would compete for the same disk.
    return [sys.executable, str(Path(__file__).absolute()), "-q", "--loglevel=WARNING", "--concurrency=1"]


def main() -> None:
    """Run the worker until it is stopped; exit with status 2 and one line if a setting is unusable."""
    options = [option for option in sys.argv[1:] if option not in QUIET_OPTIONS]
    is_quiet = not QUIET_OPTIONS.isdisjoint(sys.argv[1:])
    # Celery warns against running as root because of pickled messages. This worker accepts only JSON.
    warnings.filterwarnings("ignore", message=r"\s*You're running the worker with superuser privileges")
    from celery_app import celery

    if is_quiet:
        from celery.apps import worker

        # Celery's last message mentions Ctrl-C, but run.py stops this worker.
        worker.safe_say = lambda *_: None
    celery.worker_main([*(["--quiet"] if is_quiet else []), "worker", *OPTIONS, *options])


if __name__ == "__main__":
    main()
