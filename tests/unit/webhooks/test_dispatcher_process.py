"""The supervisor of the dispatcher process starts, restarts and stops it."""

from __future__ import annotations

import queue
import subprocess
import threading
from typing import Any

import pytest

from support.waiting import wait_for
from webhooks import process
from webhooks.process import DispatcherProcess

END_SECONDS = 60


class FakeProgram:
    """A program that runs until the test ends it or the supervisor signals it."""

    started: queue.SimpleQueue[FakeProgram]

    def __init__(self, arguments: list[str], **options: Any) -> None:
        self.arguments = arguments
        self.environment = options["env"]
        self.starting_thread = threading.current_thread()
        self.ended = threading.Event()
        FakeProgram.started.put(self)

    def wait(self) -> int:
        assert self.ended.wait(END_SECONDS)
        return 0

    def send_signal(self, _: int) -> None:
        self.ended.set()


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> queue.SimpleQueue[FakeProgram]:
    """The programs that the supervisor has started."""
    FakeProgram.started = queue.SimpleQueue()
    monkeypatch.setattr(subprocess, "Popen", FakeProgram)
    return FakeProgram.started


def stop(supervisor: DispatcherProcess) -> None:
    supervisor.stop()
    supervisor.join(END_SECONDS)
    assert not supervisor.is_alive()


def test_the_first_dispatcher_starts_before_the_worker_forks(programs: queue.SimpleQueue[FakeProgram]) -> None:
    supervisor = DispatcherProcess()
    supervisor.start()
    program = programs.get_nowait()
    assert program.starting_thread is threading.current_thread()
    assert program.arguments[1:] == ["-m", "webhooks.dispatcher"]
    stop(supervisor)


def test_a_dispatcher_that_ended_is_started_again(
    programs: queue.SimpleQueue[FakeProgram], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "RESTART_SECONDS", 0)
    supervisor = DispatcherProcess()
    supervisor.start()
    programs.get_nowait().ended.set()
    assert programs.get(timeout=END_SECONDS).arguments[1:] == ["-m", "webhooks.dispatcher"]
    stop(supervisor)


def test_a_dispatcher_that_cannot_be_started_is_started_later(
    programs: queue.SimpleQueue[FakeProgram], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(process, "RESTART_SECONDS", 0.01)
    supervisor = DispatcherProcess()
    supervisor.start()
    with monkeypatch.context() as without_memory:
        without_memory.setattr(subprocess, "Popen", fail)
        programs.get_nowait().ended.set()
        wait_for("failures", lambda: caplog.text.count("Cannot allocate memory") > 1)
    programs.get(timeout=END_SECONDS)
    stop(supervisor)


def test_a_stop_before_the_restart_prevents_it(
    programs: queue.SimpleQueue[FakeProgram], caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = DispatcherProcess()
    supervisor.start()
    programs.get_nowait().ended.set()
    # The supervisor logs the end of the process and then waits before it restarts it.
    wait_for("the log entry", lambda: "is started again" in caplog.text)
    stop(supervisor)
    assert programs.empty()


def test_a_supervisor_that_never_started_can_be_stopped(programs: queue.SimpleQueue[FakeProgram]) -> None:
    DispatcherProcess().stop()
    assert programs.empty()


@pytest.mark.parametrize(
    ("environment", "expected"), [({}, "timeout:2 attempts:2"), ({"RES_OPTIONS": "timeout:9"}, "timeout:9")]
)
def test_name_servers_get_less_time_than_a_request_unless_the_environment_says_otherwise(
    programs: queue.SimpleQueue[FakeProgram],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    expected: str,
) -> None:
    monkeypatch.delenv("RES_OPTIONS", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    supervisor = DispatcherProcess()
    supervisor.start()
    assert programs.get_nowait().environment["RES_OPTIONS"] == expected
    stop(supervisor)
