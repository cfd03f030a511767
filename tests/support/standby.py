"""PostgreSQL servers on TCP ports of this machine: a primary, and standbys that stream from it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from database.migrate import upgrade_database
from embedded.cluster import SUPERUSER
from embedded.postgres import DATABASE, EmbeddedPostgres
from embedded.server_account import ServerAccount
from support.database import create_server, execute, find_fast_folder
from support.processes import find_free_ports
from support.waiting import wait_for

FAST_SETTINGS = {"fsync": "off", "shared_buffers": "64MB", "max_wal_size": "256MB", "min_wal_size": "80MB"}
REPLICATION_SETTINGS = {"wal_level": "replica", "max_wal_senders": "8", "wal_receiver_status_interval": "1s"}
ARE_STREAMING_SQL = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
HAS_REPLAYED_SQL = "SELECT pg_last_wal_replay_lsn() >= %s"


class TcpServer:
    """A server that listens on a port of 127.0.0.1. `url` is that of the product's database on it."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        (self.port,) = find_free_ports(1)
        tcp_settings = {"listen_addresses": "127.0.0.1", "port": str(self.port)}
        self.server: EmbeddedPostgres = create_server(
            folder, settings={**FAST_SETTINGS, **REPLICATION_SETTINGS, **tcp_settings, **settings}
        )
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"postgresql://{SUPERUSER}@{self.host}/{DATABASE}"

    def create_standby(self, folder: Path, name: str, settings: dict[str, str] | None = None) -> TcpServer:
        """Copy this running server with pg_basebackup, and start the copy as a standby that streams from it."""
        folder.parent.mkdir(exist_ok=True)
        account = ServerAccount(folder, _programs())
        folder.mkdir(mode=0o700)
        account.own(folder)
        source = f"host=127.0.0.1 port={self.port} user={SUPERUSER}"
        status, output = account.run(
            *(
                account.find_program("pg_basebackup"),
                "-d",
                source,
                "-D",
                str(folder),
                "--checkpoint=fast",
                "-X",
                "stream",
            )
        )
        assert status == 0, output
        (folder / "standby.signal").touch()
        account.own(folder / "standby.signal")
        source_of_wal = f"{source} application_name={name}"
        standby = TcpServer(folder, {"primary_conninfo": source_of_wal, "hot_standby": "on", **(settings or {})})
        before = self.count_standbys()
        standby.server.start()
        wait_for("the standby streams", lambda: self.count_standbys() > before)
        return standby

    def count_standbys(self) -> int:
        """Return how many standbys stream from this server."""
        ((standbys,),) = execute(self.url, ARE_STREAMING_SQL)
        return int(standbys)

    def wait_for_replay(self, primary: TcpServer) -> None:
        """Wait until this standby shows everything that its primary has committed so far."""
        ((position,),) = execute(primary.url, "SELECT pg_current_wal_flush_lsn()")
        wait_for("the standby catches up", lambda: execute(self.url, HAS_REPLAYED_SQL, (position,)) == [(True,)])


@contextmanager
def running_primary() -> Iterator[tuple[TcpServer, Path, ExitStack]]:
    """Run a primary with the product's tables; also yield a folder for standbys, and a stack that stops them."""
    folder = Path(tempfile.mkdtemp(prefix="acme-tests-", dir=find_fast_folder()))
    # The account of the servers must reach the folder.
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        primary = TcpServer(folder / "primary" / "data", {})
        stack.callback(primary.server.stop)
        primary.server.start()
        upgrade_database(primary.url)
        yield primary, folder, stack


def _programs() -> Path | None:
    folder = os.environ.get("TEST_POSTGRES_BIN")
    return Path(folder) if folder else None
