"""A root file system of its own for commands of a deployment, as a container has it: built, then made read-only.

It has the programs of this machine, without those in /opt and without its /etc. `python` is the interpreter that the
tests use, in /usr/local as in the official image. /stand-in/packages are the packages that the tests use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from support.database import find_fast_folder
from support.prerequisites import skip_or_fail
from support.waiting import wait_for

NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
PACKAGES = "/stand-in/packages"
COMMAND_SECONDS = 120
STOP_SECONDS = 60
# Mounts the parts of the root $1: Python from $2, packages from $3. Then it stays, as process 1, until the test ends.
PREPARE_SCRIPT = """
mount_read_only() {
    mkdir -p "$2"
    mount --bind "$1" "$2"
    mount -o remount,bind,ro "$2"
}
root=$1
mount --bind "$root" "$root"
for name in usr bin sbin lib lib32 lib64 libx32; do
    if [ -L /$name ]; then
        cp -P /$name "$root/$name"
    elif [ -d /$name ]; then
        mount_read_only /$name "$root/$name"
    fi
done
mkdir "$root/dev" "$root/proc" "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount_read_only "$2" "$root/usr/local"
# Where the interpreter looks for its library.
mount_read_only "$2" "$root$2"
mount_read_only "$3" "$root/stand-in/packages"
touch "$root/ready"
exec cat
"""
# Makes all of the root $1 read-only but /tmp and the folder $2.
PROTECT_SCRIPT = 'mount --bind "$1$2" "$1$2"; mount -o remount,bind,ro "$1"'
ACCOUNT_FILES = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nbuilder:x:20001:20001::/:/bin/sh\n",
    "group": "root:x:0:\nbuilder:x:20001:\n",
    "shadow": "root:*:20000::::::\nbuilder:*:20000::::::\n",
    "gshadow": "root:*::\nbuilder:*::\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    # The services of compose.yaml.
    "hosts": "127.0.0.1 localhost web postgres rabbitmq s3\n",
}
BUILDER = "20001"
# Files of this machine that the linker and the programs for accounts read.
SYSTEM_FILES = ("ld.so.cache", "login.defs")


class PrivateRoot:
    """A root file system, which the test sees in the folder `path`. Its processes end with the `with` block."""

    def __init__(self) -> None:
        if shutil.which("unshare") is None or subprocess.run([*NAMESPACES, "true"], check=False).returncode:
            skip_or_fail("Processes cannot get a root file system of their own: run the test as root on Linux.")
        # Everybody must be able to pass the folder, so it is not in the private folder of the test.
        self._folder = Path(tempfile.mkdtemp(prefix="acme-root-", dir=_find_folder()))
        self._folder.chmod(0o755)
        self.path = self._folder / "root"
        (self.path / "etc").mkdir(parents=True)
        for name, text in ACCOUNT_FILES.items():
            (self.path / "etc" / name).write_text(text)
        for name in SYSTEM_FILES:
            if (file := Path("/etc", name)).exists():
                shutil.copy(file, self.path / "etc" / name)
        packages = sysconfig.get_path("purelib")
        self._process = subprocess.Popen(
            [*NAMESPACES, "sh", "-euc", PREPARE_SCRIPT, "sh", str(self.path), str(self._python_folder()), packages],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        wait_for("the private root", self._is_ready)
        (self._first,) = psutil.Process(self._process.pid).children()
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> PrivateRoot:
        return self

    def __exit__(self, *_: object) -> None:
        # With its first process, every process of the root ends.
        self._process.kill()
        for process in (self._process, *self._started):
            process.wait(STOP_SECONDS)
        assert self._process.stdin is not None
        self._process.stdin.close()
        wait_for("the end of the private root", lambda: not self._first.is_running())
        # No mount is visible here, so this removes only what is in the folder.
        shutil.rmtree(self._folder)

    def _python_folder(self) -> Path:
        """Return a folder with bin/python."""
        prefix = Path(sys.base_prefix)
        if (prefix / "bin" / "python").exists() and prefix != Path("/usr"):
            return prefix
        folder = self._folder / "python"
        (folder / "bin").mkdir(parents=True)
        for name in ("python", "python3"):
            (folder / "bin" / name).symlink_to(prefix / "bin" / f"python3.{sys.version_info.minor}")
        return folder

    def _is_ready(self) -> bool:
        assert self._process.poll() is None
        return (self.path / "ready").exists()

    def protect(self, volume: str) -> None:
        """Make the root read-only, except for /tmp and the folder `volume`."""
        enter = ["nsenter", "--target", str(self._first.pid), "--mount"]
        subprocess.run([*enter, "sh", "-euc", PROTECT_SCRIPT, "sh", str(self.path), volume], check=True)

    def group_of(self, user: str) -> str:
        """Return the id of the primary group of a user id."""
        lines = [line.split(":") for line in (self.path / "etc" / "passwd").read_text().splitlines()]
        (group,) = [fields[3] for fields in lines if user in {fields[0], fields[2]}]
        return group

    def command(
        self, words: Sequence[str], *, user: str | None, folder: str, environment: Mapping[str, str]
    ) -> list[str]:
        """Return the command that runs `words` in the root. A user other than root has no privileges at all."""
        enter = ["nsenter", "--target", str(self._first.pid), "--mount", "--pid", "chroot", str(self.path)]
        variables = [f"{name}={value}" for name, value in {"PATH": PATH, **environment}.items()]
        account: list[str] = []
        if user is not None:
            account = ["setpriv", f"--reuid={user}", f"--regid={self.group_of(user)}", "--clear-groups"]
            account += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        return [*enter, "env", "-i", "-C", folder, *variables, *account, *words]

    def run(
        self, words: Sequence[str], *, user: str | None, folder: str = "/", environment: Mapping[str, str] | None = None
    ) -> str:
        """Run a command to its end and return its output; fail the test unless its exit status is 0."""
        command = self.command(words, user=user, folder=folder, environment=environment or {})
        result = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
        assert result.returncode == 0, f"{words}\n{result.stdout}{result.stderr}"
        return result.stdout

    def start(
        self, words: Sequence[str], log: Path, *, user: str, folder: str, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a command whose output goes to a file."""
        command = self.command(words, user=user, folder=folder, environment=environment)
        with log.open("ab") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        self._started.append(process)
        return process


def _find_folder() -> Path | None:
    """Return a folder in memory if programs may be executed in it, otherwise None for the default."""
    folder = find_fast_folder()
    return None if folder is None or os.statvfs(folder).f_flag & os.ST_NOEXEC else folder


def terminate(*processes: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to commands that `PrivateRoot.start` has started."""
    for process in processes:
        # `nsenter` waits for its child and ends with the same status.
        for child in psutil.Process(process.pid).children():
            child.terminate()


def await_end(*processes: subprocess.Popen[bytes]) -> list[int]:
    """Wait for the end of commands and return their exit statuses."""
    return [process.wait(STOP_SECONDS) for process in processes]
