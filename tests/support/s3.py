"""S3-compatible servers of the tests: moto, and SeaweedFS, which shares no code with it or with boto3."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from benchmarks import object_store
from benchmarks.object_store import ACCESS_KEY, SECRET_KEY
from support.prerequisites import skip_or_fail
from support.processes import find_free_ports
from support.waiting import wait_for

REQUEST_SECONDS = 5


@dataclass(frozen=True)
class S3Server:
    """An S3-compatible server on this machine, which runs in a process of its own."""

    endpoint_url: str
    pid: int | None = None

    def environment(self, url: str) -> dict[str, str]:
        """Return the settings of a product whose uploaded files are at this `s3://` URL."""
        return {
            "STORAGE_URL": url,
            "S3_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        """Return a client of this server."""
        # boto3 takes time, which most tests need not spend.
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
        )

    def create_bucket(self) -> str:
        """Create a bucket and return the URL of a prefix in it."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}/uploads"


@contextlib.contextmanager
def running_moto(folder: Path) -> Iterator[S3Server]:
    """Run a moto server in a process of its own."""
    (port,) = find_free_ports(1)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, folder / "moto.log") as pid:
        yield _await(S3Server(f"http://127.0.0.1:{port}", pid))


@contextlib.contextmanager
def running_seaweedfs(folder: Path) -> Iterator[S3Server]:
    """Run SeaweedFS in a process of its own."""
    program = object_store.find_seaweedfs()
    if program is None:
        skip_or_fail("SeaweedFS is missing: `make venv-dev` installs it where there is a package of it.")
    with object_store.running_seaweedfs(program, folder) as url:
        yield _await(S3Server(url))


@contextlib.contextmanager
def _running(command: list[str], log_file: Path) -> Iterator[int]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()


def _await(server: S3Server) -> S3Server:
    def answers() -> bool:
        with contextlib.suppress(Exception):
            requests.get(server.endpoint_url, timeout=REQUEST_SECONDS)
            server.client().list_buckets()
            return True
        return False

    wait_for("the S3 server answers", answers, seconds=60)
    return server
