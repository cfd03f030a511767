"""PgBouncer in transaction mode in front of a database of the test server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn

from support.database import execute
from support.prerequisites import skip_or_fail
from support.processes import find_free_ports
from support.waiting import wait_for

STOP_SECONDS = 10
# A component that keeps a connection between two transactions would exhaust so few of them.
MAX_SERVER_CONNECTIONS = 6


@contextmanager
def running_pooler(database_url: str) -> Iterator[str]:
    """Run PgBouncer while the block runs; the value is the URL of the database through it, with the same role."""
    pgbouncer = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if pgbouncer is None:
        skip_or_fail("PgBouncer is missing; install it (apt-get install pgbouncer)")
    server = parse_dsn(database_url)
    (port,) = find_free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="acme-pooler-"))
    popen_options: dict[str, Any] = {}
    if os.geteuid() == 0:
        # PgBouncer refuses to run as root. The owner of the socket's folder may also connect to the server.
        owner = Path(server["host"]).stat()
        popen_options = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        os.chown(folder, owner.st_uid, owner.st_gid)
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{server['dbname']} = host={server['host']} port={server['port']} user={server['user']}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {MAX_SERVER_CONNECTIONS}\nmax_client_conn = 500\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([pgbouncer, str(folder / "pgbouncer.ini")], stdout=log, stderr=log, **popen_options)
    url = f"postgresql://{server['user']}@127.0.0.1:{port}/{server['dbname']}"
    try:
        wait_for("an answer of PgBouncer", lambda: _answers(url))
        yield url
    finally:
        process.kill()
        process.wait(STOP_SECONDS)
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        return execute(url, "SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False
