"""Keeps a dispatcher process running next to a Celery worker."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent
RESTART_SECONDS = 1


class DispatcherProcess(threading.Thread):
    """A thread that starts the dispatcher and restarts it whenever it ends.

    The dispatcher is a separate process, so imports do not slow it down and it does not delay the worker's messages. It
    needs no broker, and it ends by itself if the worker is killed.
    """

    def __init__(self) -> None:
        super().__init__(name="dispatcher-process", daemon=True)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start the process, then the thread that supervises it.

        The process runs when this returns. It must start before the worker forks: a child that forks during `Popen`
        would inherit the pipe on which `Popen` waits for the new program, and `Popen` would wait forever.
        """
        self._process = self._start_process()
        super().start()

    def stop(self) -> None:
        """Ask the process to finish its running requests and to end."""
        self._stopping.set()
        if self.is_alive():
            self._process.send_signal(signal.SIGTERM)

    def run(self) -> None:
        """Start the process again whenever it ends, until `stop` is called."""
        has_started = True
        while True:
            if has_started:
                status = self._process.wait()
                if self._stopping.is_set():
                    return
                log.warning("The webhook dispatcher ended with status %s; it is started again", status)
            if self._stopping.wait(RESTART_SECONDS):
                return
            try:
                self._process = self._start_process()
                has_started = True
            except Exception as error:
                # Retry after any error: only this thread starts the process again.
                has_started = False
                log.error("The webhook dispatcher cannot be started, will retry: %s", error)

    def _start_process(self) -> subprocess.Popen[bytes]:
        # By default, a name server that does not answer uses up the time of a whole request. See resolv.conf(5).
        environment = {"RES_OPTIONS": "timeout:2 attempts:2", **os.environ}
        return subprocess.Popen([sys.executable, "-m", "webhooks.dispatcher"], cwd=ROOT, env=environment)
