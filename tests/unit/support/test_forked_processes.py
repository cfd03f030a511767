"""A process that the fork server starts is like one that `python` starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.forked_processes import ForkedProcess, can_fork, fork
from support.paths import ROOT
from support.waiting import wait_for

WAIT_SECONDS = 60
# Its own file descriptor for the folder is in the list, too.
REPORT = """
import atexit, json, os, signal, sys, threading, time

atexit.register(lambda: print("bye", flush=True))
print(json.dumps({
    "name": __name__,
    "main": sys.modules["__main__"].__dict__ is globals(),
    "file": __file__,
    "arguments": sys.argv,
    "path": sys.path,
    "environment": sorted(os.environ.items()),
    "folder": os.getcwd(),
    "leads its session": os.getsid(0) == os.getpid() == os.getpgid(0),
    "descriptors": len(os.listdir("/proc/self/fd")),
    "input": os.read(0, 1).decode(),
    "threads": threading.active_count(),
    "handlers": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "time zone": time.tzname,
    "settings are read": "celery_app" in sys.modules,
}))
print("to stderr", file=sys.stderr)
sys.exit(7)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A module `report` in a folder of its own."""
    (tmp_path / "report.py").write_text(REPORT)
    return tmp_path / "report.py"


def start(arguments: tuple[str, ...], environment: dict[str, str], log: Path) -> ForkedProcess:
    with log.open("ab") as output:
        return fork(arguments, environment, output)


def read_lines(log: Path) -> list[Any]:
    """Return the lines of a log; the one with the report is parsed, and its first entry of `sys.path` is left out."""
    lines = [json.loads(line) if line.startswith("{") else line for line in log.read_text().splitlines()]
    for line in lines:
        if isinstance(line, dict):
            del line["path"][0]
    return lines


def test_a_script_sees_no_difference(program: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TZ": "Asia/Kathmandu", "A_SETTING": "ä\n"}
    arguments = (str(program), "-x", "a word")
    with (tmp_path / "new").open("wb") as output:
        status = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            timeout=WAIT_SECONDS,
            check=False,
        ).returncode
    assert status == start(arguments, environment, tmp_path / "forked").wait(WAIT_SECONDS) == 7
    (report, *lines) = read_lines(tmp_path / "forked")
    assert lines == ["to stderr", "bye"]
    assert [report, *lines] == read_lines(tmp_path / "new")


def test_a_module_runs_as_the_main_program(tmp_path: Path) -> None:
    process = start(("-m", "webhooks.dispatcher"), {"DATABASE_URL": "", "PATH": os.environ["PATH"]}, tmp_path / "log")
    assert process.wait(WAIT_SECONDS) == 1
    assert (tmp_path / "log").read_text().startswith("error: DATABASE_URL is not set")


def test_a_process_that_a_signal_ends_has_its_negative_number_as_status(program: Path, tmp_path: Path) -> None:
    program.write_text("import signal; print('ready'); signal.pause()")
    process = start((str(program),), dict(os.environ), tmp_path / "log")
    wait_for("the program runs", lambda: "ready" in (tmp_path / "log").read_text())
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0)
    # No other process gets the id before the test knows of the end.
    os.kill(process.pid, signal.SIGKILL)
    wait_for("a zombie", lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert process.wait(WAIT_SECONDS) == process.poll() == -signal.SIGKILL
    wait_for("the zombie is gone", lambda: not psutil.pid_exists(process.pid))
    process.terminate()  # Reaches nobody.


def test_an_uncaught_exception_is_printed(program: Path, tmp_path: Path) -> None:
    program.write_text("raise ValueError('a mistake')")
    assert start((str(program),), dict(os.environ), tmp_path / "log").wait(WAIT_SECONDS) == 1
    assert (tmp_path / "log").read_text().splitlines()[-1] == "ValueError: a mistake"


def test_what_python_reads_when_it_starts_needs_a_new_process() -> None:
    assert can_fork(("-m", "gunicorn"), {"DATABASE_URL": ""})
    assert can_fork(("run_celery.py", "-q"), {})
    assert not can_fork(("-c", "pass"), {})
    assert not can_fork(("-m", "gunicorn"), {"PYTHONWARNINGS": "error"})
