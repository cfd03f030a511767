"""What a Celery worker starts and stops along with itself."""

from __future__ import annotations

from support.processes import Processes


def test_a_worker_without_a_database_url_exits_with_a_message(
    processes: Processes, environment: dict[str, str]
) -> None:
    environment["DATABASE_URL"] = ""
    for worker in (processes.start_worker(), processes.start("run_celery.py", "-q")):
        assert worker.wait(30) == 2
    lines = processes.log.read_text().splitlines()
    assert len([line for line in lines if line.startswith("error: DATABASE_URL is not set")]) == 2
    assert not [line for line in lines if "Traceback" in line]
