"""Run everything on one machine: `python run.py`, or `make run`, which also installs the packages.

It starts PostgreSQL (unless DATABASE_URL names a server), the web process and a worker, starts each of them again if it
ends unexpectedly, and stops all of them on Ctrl-C, SIGTERM or SIGHUP. The exit status is 0 after a stop, 1 if the
product cannot run on this machine, and 2 if a setting is unusable.
"""

from __future__ import annotations

import sys

import config
import run_celery
from embedded.errors import LaunchError
from embedded.launcher import Launcher, LaunchOptions
from monitoring import logs


def web_command(descriptor: int) -> list[str]:
    """Return the command line of the web process, which serves the socket with this file descriptor."""
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--log-level", "warning"]
    return [*gunicorn, "-b", f"fd://{descriptor}", "app:create_app()"]


def migrate(url: str) -> None:
    """Update the tables of the database at `url`, if MIGRATE_ON_START says so."""
    # Import this late: it is slow, and by then the launcher handles signals.
    from database.migrate import require_migrations, upgrade_database

    (upgrade_database if config.load().migrate_on_start else require_migrations)(url)


def main() -> int:
    """Run the product until it is stopped; return the exit status."""
    try:
        settings = config.load()
        logs.talk(settings.log_format, "embedded")
        if not (settings.database_url or settings.migrate_on_start):
            raise config.ConfigError("MIGRATE_ON_START must be true: nothing else migrates the embedded PostgreSQL")
        options = LaunchOptions(
            root=config.ROOT,
            data_dir=config.make_folder("DATA_DIR", settings.data_dir),
            host=settings.host,
            port=settings.port,
            database_url=settings.database_url,
            migrate=migrate,
            web_command=web_command,
            worker_command=run_celery.command(),
        )
        return Launcher(options).run()
    except config.ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except LaunchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
