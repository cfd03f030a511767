"""The image of the Dockerfile works as compose.yaml starts it, behind Caddy, although there is no Docker here.

`support/image_builder.py` carries the Dockerfile out: each instruction in its order, in a new root file system, from
the files of the project that .dockerignore includes. Then the commands of compose.yaml run in it, with its environment,
as the user of the image, without privileges, and with a root file system that is read-only. They use a real PostgreSQL,
RabbitMQ and Caddy.

What differs from Docker:
- The base image is this machine: its programs, and the Python that the tests use.
- `pip install` does not download: it checks that the packages of the tests have the versions in requirements.txt, and
  links them into the virtual environment. Packages that requirements.txt lacks are missing there.
- All stages but the last one are built by an ordinary user, not by root.
- The services share the network of this machine. So PostgreSQL, RabbitMQ and the web process have other ports than in
  compose.yaml, and RabbitMQ another virtual host and account.
- The images of PostgreSQL, RabbitMQ and Caddy are not used, nor are the health checks of the first two.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from support import tus
from support.deployment_files import read_compose
from support.image_builder import Stage, building_image
from support.job_streams import read_events
from support.paths import ROOT, SAMPLE
from support.prerequisites import skip_or_fail
from support.private_root import stop
from support.processes import find_free_ports
from support.standby import TcpServer
from support.waiting import wait_for

REQUEST_SECONDS = 60
SETUP_RE = re.compile(r"/#/setup/(\S+)")
PERSON = {"email": "ada@example.com", "name": "Ada Lovelace", "password": "a lamp in every room"}
SAMPLE_ROWS = 2000
TUS_ROWS = 3000
TUS_CONTENT = b"sku,name\n" + b"".join(b"TUS-%06d,%s\n" % (number, b"x" * 100) for number in range(TUS_ROWS))
VOLUME_CADDY = "/var/lib/acme/caddy"


@pytest.fixture(scope="module")
def postgres() -> Iterator[TcpServer]:
    """A PostgreSQL server on a port, with an empty database that has the names of compose.yaml."""
    folder = Path(tempfile.mkdtemp(prefix="acme-tests-"))
    # The account of the server must reach the folder.
    folder.chmod(0o755)
    server = TcpServer(folder / "data", {})
    try:
        server.server.start()
        yield server
    finally:
        server.server.stop()
        shutil.rmtree(folder)


class Composition:
    """The services of compose.yaml, without Docker. `log` collects the output of the product's processes."""

    def __init__(self, image: Stage, postgres: TcpServer, broker_url: str, folder: Path) -> None:
        self.log = folder / "output.log"
        self.web_port, self._http_port, self._https_port = find_free_ports(3)
        self.address = f"https://localhost:{self._https_port}"
        self._image = image
        self._services = read_compose({})["services"]
        self._changes = {"CLOUDAMQP_URL": broker_url, "PORT": str(self.web_port)}
        self._postgres = f"postgres:{postgres.port}"
        self._caddy_log = folder / "caddy.log"

    def command(self, service: str) -> list[str]:
        """Return the command of a service of the product."""
        command: list[str] = self._services[service].get("command", self._image.command)
        return command

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service of the product."""
        given = self._services[service]["environment"]
        assert "@postgres:5432/" in given["DATABASE_URL"]
        given = {**given, "DATABASE_URL": given["DATABASE_URL"].replace("postgres:5432", self._postgres)}
        return {**self._image.environment, **given, **self._changes}

    def run(self, service: str, command: list[str] | None = None) -> str:
        """Run the command of a service, or another one in its place, to its end; return its output."""
        environment = self.environment(service)
        words = command or self.command(service)
        return self._image.root.run(
            words, user=self._image.user, folder=self._image.folder, environment=environment
        )

    def start(self, service: str) -> subprocess.Popen[bytes]:
        """Start a service of the product."""
        assert self._image.user is not None
        return self._image.root.start(
            self.command(service),
            self.log,
            user=self._image.user,
            folder=self._image.folder,
            environment=self.environment(service),
        )

    def start_caddy(self) -> Path:
        """Start Caddy with the Caddyfile, as the same user; return the path of the certificate of its authority."""
        if shutil.which("caddy", path="/usr/bin") is None:
            skip_or_fail("caddy is missing; install it (apt-get install caddy)")
        given = self._services["caddy"]["environment"]
        assert given["WEB_ADDRESS"] == "web:5000"
        environment = {
            **given,
            "WEB_ADDRESS": f"web:{self.web_port}",
            "HTTP_PORT": str(self._http_port),
            "HTTPS_PORT": str(self._https_port),
            "XDG_DATA_HOME": VOLUME_CADDY,
            "XDG_CONFIG_HOME": VOLUME_CADDY,
        }
        assert self._image.user is not None
        self._image.root.run(["install", "-d", "-o", self._image.user, VOLUME_CADDY], user=None)
        self._image.root.start(
            ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"],
            self._caddy_log,
            user=self._image.user,
            folder="/",
            environment=environment,
        )
        certificate = self._image.root.path / VOLUME_CADDY.lstrip("/") / "caddy/pki/authorities/local/root.crt"
        wait_for("the certificate of Caddy", lambda: certificate.exists() and certificate.stat().st_size)
        return certificate

    def check_health(self) -> bool:
        """Return whether the health check of the image succeeds in the container of the web process."""
        command = self._image.root.command(
            self._image.health_check,
            user=self._image.user,
            folder=self._image.folder,
            environment=self.environment("web"),
        )
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def image() -> Iterator[Stage]:
    """The last stage of the Dockerfile, built."""
    with building_image(files={"/etc/caddy/Caddyfile": ROOT / "deploy" / "Caddyfile"}) as stage:
        yield stage


@pytest.fixture
def composition(image: Stage, postgres: TcpServer, rabbitmq: str, tmp_path: Path) -> Composition:
    """The services, of which none is started."""
    return Composition(image, postgres, rabbitmq, tmp_path)


def create_administrator(composition: Composition, session: requests.Session) -> None:
    """Sign in with the link that the web process prints, as docs/deploy.md says."""
    found = wait_for("the link", lambda: SETUP_RE.search(composition.log.read_text()))
    response = session.post(
        f"{composition.address}/api/setup", json={**PERSON, "token": found[1]}, timeout=REQUEST_SECONDS
    )
    assert response.status_code == 201, response.text


def follow(session: requests.Session, address: str, task_id: str) -> list[dict[str, Any]]:
    """Return all states of an import that its event stream sends until it ends by itself."""
    url = f"{address}/api/upload/progress/{task_id}/stream"
    with session.get(url, stream=True, timeout=REQUEST_SECONDS) as response:
        return [job for _, job in read_events(response)]


def test_the_image_imports_behind_caddy(composition: Composition) -> None:
    t = time.monotonic()
    assert not composition.check_health()
    composition.run("migrate")
    print("migrate", time.monotonic() - t)
    web, worker = composition.start("web"), composition.start("worker")
    session = requests.Session()
    session.trust_env = False
    session.verify = str(composition.start_caddy())
    address = composition.address
    print("caddy", time.monotonic() - t)
    wait_for("the health check of the image succeeds", composition.check_health)
    print("check", time.monotonic() - t)

    def is_healthy() -> bool:
        return session.get(f"{address}/api/health", timeout=REQUEST_SECONDS).ok

    wait_for("a product that is healthy behind Caddy", is_healthy)
    print("healthy", time.monotonic() - t)
    create_administrator(composition, session)
    with SAMPLE.open("rb") as file:
        response = session.post(f"{address}/api/upload", files={"file": file}, timeout=REQUEST_SECONDS)
    assert response.status_code == 202, response.text
    jobs = follow(session, address, response.json()["task_id"])
    assert (jobs[-1]["status"], jobs[-1]["processed_records"]) == ("completed", SAMPLE_ROWS)
    print("import", time.monotonic() - t)
    print(len(jobs), session.cookies)
    assert stop(web) == 0
    assert stop(worker) == 0
    print("stop", time.monotonic() - t)
    print(composition.log.read_text())
