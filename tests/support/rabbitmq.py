"""RabbitMQ servers: the one of this machine, and nodes that tests start and stop."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import config
from celery_app import create_celery
from support.prerequisites import skip_or_fail
from support.processes import find_free_ports, run_program
from support.waiting import wait_for

RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
PROGRAM_FOLDER = "/usr/lib/rabbitmq/bin"
CONSUMER_TIMEOUT_MS = 5000
# How often a channel checks its consumer timeout; by default once a minute.
CHANNEL_TICK_MS = 1000
STOP_SECONDS = 30
# Threads of Erlang that have nothing to do wait without using the processor.
WAIT_IDLY = "+sbwt none +sbwtdcpu none +sbwtdio none"
COOKIE = ".erlang.cookie"


def create_broker_connection(url: str) -> Any:
    """Return a kombu connection to a broker; it connects when it is first used."""
    return create_celery(config.load({"CELERY_BROKER_URL": url})).connection_for_write()


class RabbitMQNode:
    """A RabbitMQ node on its own ports, with its data in `folder` and a consumer timeout of CONSUMER_TIMEOUT_MS.

    With `first` it joins the cluster of that node, which must run, when it starts for the first time.
    """

    def __init__(self, folder: Path, *, first: RabbitMQNode | None = None) -> None:
        self._folder = folder
        self.port, distribution_port = find_free_ports(2)
        name = f"test{self.port}@localhost"
        lines = [f"listeners.tcp.default = 127.0.0.1:{self.port}", f"consumer_timeout = {CONSUMER_TIMEOUT_MS}"]
        if first is not None:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            for number, member in enumerate((first.name, name), start=1):
                lines.append(f"cluster_formation.classic_config.nodes.{number} = {member}")
            (folder / COOKIE).write_bytes((first._folder / COOKIE).read_bytes())
            (folder / COOKIE).chmod(0o400)
        (folder / "rabbitmq.conf").write_text("".join(f"{line}\n" for line in lines))
        (folder / "advanced.config").write_text(f"[{{rabbit, [{{channel_tick_interval, {CHANNEL_TICK_MS}}}]}}].\n")
        (folder / "plugins").write_text("[].\n")
        self._environment = {
            "HOME": str(folder),  # For the file with the Erlang cookie.
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": WAIT_IDLY,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the node has been started and not stopped."""
        return self._process is not None

    @property
    def name(self) -> str:
        """The name of the node."""
        return self._environment["RABBITMQ_NODENAME"]

    def start(self) -> None:
        """Start the node and wait until it accepts connections."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [find_rabbitmq_program("rabbitmq-server")],
                env={**os.environ, **self._environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for("a RabbitMQ node that answers", self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), create_broker_connection(self.url("")) as connection:
            connection.connect()
            return True
        return False

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the node and wait for its end."""
        if self._process is not None:
            os.killpg(self._process.pid, number)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def control(self, *arguments: str) -> str:
        """Run rabbitmqctl and return its output."""
        return run_program(find_rabbitmq_program("rabbitmqctl"), "-q", *arguments, environment=self._environment)

    def url(self, virtual_host: str) -> str:
        """Return the URL of a virtual host; "" is the default one."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{virtual_host}"


def find_rabbitmq_program(name: str) -> str:
    """Return the path of a RabbitMQ program, or skip the test.

    The program that Debian has in the PATH is a wrapper that changes the user and drops the environment.
    """
    path = shutil.which(name, path=PROGRAM_FOLDER) or shutil.which(name)
    if path is None:
        skip_or_fail(f"{name} is missing; install rabbitmq-server")
    return path
