"""Which processes are known to have ended, so that their leases need not expire first."""

from __future__ import annotations

import subprocess
import sys

from database.lease import current_holder, holder_has_ended
from support.waiting import wait_for


def test_a_running_process_has_not_ended() -> None:
    assert not holder_has_ended(current_holder())


def test_another_process_with_the_same_id_is_not_the_holder() -> None:
    namespace, pid, start_time = current_holder().rsplit(" ", 2)
    assert holder_has_ended(f"{namespace} {pid} {int(start_time) + 1}")


def test_nothing_is_known_about_processes_of_other_machines_and_containers() -> None:
    namespace, pid, start_time = current_holder().rsplit(" ", 2)
    assert not holder_has_ended(f"elsewhere/{namespace} {pid} {int(start_time) + 1}")


def test_a_lease_without_a_holder_counts_as_ended() -> None:
    assert holder_has_ended(None)
    assert holder_has_ended("")


def test_a_killed_process_has_ended_also_before_its_parent_waits_for_it() -> None:
    print_holder = "from database.lease import current_holder; print(current_holder(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", print_holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        holder = process.stdout.readline().strip()
        assert not holder_has_ended(holder)
        process.kill()
        wait_for("the process has ended", lambda: holder_has_ended(holder))
    assert holder_has_ended(holder)
