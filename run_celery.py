"""A Celery worker: `python run_celery.py [options of celery worker]`.

Without options it runs two imports at a time. The deliverer of the webhooks is a process beside them, which no import
delays. `-q` leaves the banner out. SIGTERM lets the running tasks end first.
"""

from __future__ import annotations

import os
import sys
import warnings

OPTIONS = (
    "--loglevel=INFO",
    "--concurrency=2",
    # Workers have nothing to tell each other; this saves queues and connections, which brokers in the cloud count.
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)


def command() -> list[str]:
    """Returns the command line of the worker that run.py starts, silent but for warnings."""
    # One import at a time: several would share the same disk.
    return [sys.executable, os.path.abspath(__file__), "-q", "--loglevel=WARNING", "--concurrency=1"]  # noqa: PTH100


def main() -> None:
    """Runs the worker until it is told to stop; exits with 2 and one line for an unusable setting."""
    given = sys.argv[1:]
    options = [word for word in given if word not in {"-q", "--quiet"}]
    quiet = options != given
    # Nothing here unpickles, which is what Celery warns root of.
    warnings.filterwarnings("ignore", message=r"\s*You're running the worker with superuser privileges")
    from celery_app import celery

    if quiet:
        from celery.apps import worker

        # Its farewell speaks of a Ctrl-C that never reaches it: run.py stops it in its own way.
        worker.safe_say = lambda *_: None
    celery.worker_main([*(["--quiet"] if quiet else []), "worker", *OPTIONS, *options])


if __name__ == "__main__":
    main()
