"""The folder of a PostgreSQL cluster before its server starts: create it, check it, and stop a leftover server."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from durable_files import sync_folder
from embedded.errors import EmbeddedPostgresError
from embedded.server_account import ServerAccount

SUPERUSER = "acme"
# The signals that stop a server, each with the seconds to wait for its effect: a fast shutdown, which writes all dirty
# buffers; an immediate shutdown, after which the next start recovers as from a crash; a kill.
SHUTDOWN_STEPS = ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))
POLL_SECONDS = 0.05
PRIVATE_MODE = 0o700
LOCALE_OPTIONS = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
# Older servers take the same locale from the operating system.
FIRST_MAJOR_WITH_BUILTIN_LOCALE = 17
OLD_LOCALE_OPTIONS = ("--encoding=UTF8", "--locale=C.UTF-8")
VERSION_RE = re.compile(r"\(PostgreSQL\) (\d+)")
SOCKET_FOLDER_PREFIX = "acme-pg-"
LOG_MARKER_RE = re.compile(r"(FATAL|PANIC|ERROR|error):")


def prepare_cluster(folder: Path, account: ServerAccount) -> None:
    """Create the cluster in `folder`, or check the one that it has, and stop a leftover server.

    Raises `EmbeddedPostgresError` if `folder` has other files or a cluster of another PostgreSQL version.
    """
    if (folder / "PG_VERSION").exists():
        _check_cluster(folder, account)
    elif folder.exists() and any(folder.iterdir()):
        raise EmbeddedPostgresError(
            f"{folder} contains files that are not a PostgreSQL cluster; set DATA_DIR to another folder"
        )
    else:
        _create_cluster(folder, account)
    _stop_leftover_server(folder)


def _check_cluster(folder: Path, account: ServerAccount) -> None:
    cluster_major = (folder / "PG_VERSION").read_text().strip()
    server_major = _find_server_major(account)
    if cluster_major != str(server_major):
        raise EmbeddedPostgresError(
            f"{folder} belongs to PostgreSQL {cluster_major} and this is PostgreSQL {server_major}: "
            "set DATA_DIR to another folder, or move the data with pg_dump of the old version"
        )
    if not account.owns(folder):
        account.own(folder, *folder.rglob("*"))
    folder.chmod(PRIVATE_MODE)  # PostgreSQL refuses a folder that others can access, such as a copied one.


def _find_server_major(account: ServerAccount) -> int:
    """Return the major version of the programs. They print `postgres (PostgreSQL) 15.2 (Debian 15.2)` and the like."""
    _, output = account.run(account.find_program("postgres"), "--version")
    if match := VERSION_RE.search(output):
        return int(match[1])
    raise EmbeddedPostgresError(f"the PostgreSQL server cannot run: {output.strip()}")


def _create_cluster(folder: Path, account: ServerAccount) -> None:
    """Run initdb in a temporary folder and rename it, so that `folder` never holds half a cluster."""
    unfinished = folder.with_name(folder.name + ".new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=PRIVATE_MODE)
    try:
        account.own(unfinished)
        has_builtin_locale = _find_server_major(account) >= FIRST_MAJOR_WITH_BUILTIN_LOCALE
        locale_options = LOCALE_OPTIONS if has_builtin_locale else OLD_LOCALE_OPTIONS
        initdb = (account.find_program("initdb"), "-D", str(unfinished), *locale_options, "-U", SUPERUSER)
        status, output = account.run(*initdb, "--auth=trust")
        if status != 0:
            raise explain_failure(folder, output)
        unfinished.rename(folder)
        # Without this a power cut could undo the renaming, and the next start would create another cluster.
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _stop_leftover_server(folder: Path) -> None:
    """Stop a server that outlived its parent, and let PostgreSQL ignore an outdated `postmaster.pid`."""
    pid_file = folder / "postmaster.pid"
    try:
        pid_line, other_lines = pid_file.read_text().split("\n", 1)
        pid = int(pid_line)
    except (FileNotFoundError, ValueError):
        return
    for number, seconds in SHUTDOWN_STEPS:
        if _is_server_of(folder, pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while _is_server_of(folder, pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    if pid_file.exists() and pid_file.read_text().partition("\n")[0] == pid_line:
        # Another process may have the pid by now, and PostgreSQL would refuse to start while it lives. PostgreSQL
        # ignores the pid of its own parent. The other lines stay, because it uses them to check that no process of the
        # old server still has its shared memory.
        pid_file.write_text(f"{os.getpid()}\n{other_lines}")


def _is_server_of(folder: Path, pid: int) -> bool:
    try:
        if sys.platform == "linux":
            words = Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape").split("\0")
            return str(folder) in words and words[0].endswith("postgres")
        ps_command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        command_line = subprocess.run(ps_command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    return f"postgres -D {folder} " in command_line


def create_socket_folder(folder: Path, account: ServerAccount) -> Path:
    """Return a new private folder for the server's socket; remove the one of the previous server.

    The folder has a short path, because a socket's path has at most 107 bytes and `folder` may be deep.
    """
    # PostgreSQL writes its command line here and leaves it after a kill.
    options_file = folder / "postmaster.opts"
    socket_folder_re = re.compile(rf'"(/[^"]*/{SOCKET_FOLDER_PREFIX}\w+)"')
    if options_file.exists() and (old := socket_folder_re.search(options_file.read_text())):
        shutil.rmtree(old[1], ignore_errors=True)
    short = "/tmp"  # noqa: S108 - mkdtemp creates a private folder in it. TMPDIR may be as deep as `folder`.
    parent = short if os.access(short, os.W_OK | os.X_OK) else None
    sockets = Path(tempfile.mkdtemp(prefix=SOCKET_FOLDER_PREFIX, dir=parent))
    account.own(sockets)
    return sockets


def explain_failure(folder: Path, output: str) -> EmbeddedPostgresError:
    """Return an error with the last reason that a PostgreSQL program gave in `output`."""
    if os.strerror(errno.ENOSPC) in output:
        return EmbeddedPostgresError(
            f"the disk that holds {folder} is full: free some space, or set DATA_DIR to another disk"
        )
    lines = [line for line in output.splitlines() if line.strip()] or ["it gave no reason"]
    reasons = [line for line in lines if LOG_MARKER_RE.search(line)] or lines
    reason = re.sub(rf"^.*?{LOG_MARKER_RE.pattern} +", "", reasons[-1]).strip()
    return EmbeddedPostgresError(
        f"the embedded PostgreSQL cannot use {folder}: {reason}; "
        "set DATA_DIR to another folder, or DATABASE_URL to a server"
    )
