"""A Celery worker: `python run_celery.py [options of celery worker]`.

Without options it takes imports and webhook deliveries, two at a time. Two long imports would then keep deliveries
waiting; where that matters run one worker with `-Q imports` and another one with `-Q webhooks`, on one machine or on
several. `-q` leaves the banner out. SIGTERM lets the running tasks end first.
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
# What run.py starts, each under its name: an import of any length never delays a delivery, nor the other way round.
WORKERS = {
    "imports worker": ("-Q", "imports", "-n", "imports@%h", "--concurrency=1"),
    "webhooks worker": ("-Q", "webhooks", "-n", "webhooks@%h", "--concurrency=1"),
}


def command(name: str) -> list[str]:
    """Returns the command line of the worker `name` of WORKERS, silent but for warnings."""
    return [sys.executable, os.path.abspath(__file__), "-q", "--loglevel=WARNING", *WORKERS[name]]  # noqa: PTH100


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
