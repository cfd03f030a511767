"""The library that shifts the wall clock of processes must not change how they wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from support.shifted_clock import shift_clock

OFFSET_SECONDS = 600
WAIT_SECONDS = 0.1
RUN_SECONDS = 60
# A wait that ended at once would be shorter, and one that ended by the shifted clock would take ten minutes.
PROGRAM = """
import calendar, datetime, json, multiprocessing, queue, select, subprocess, sys, threading, time

WAIT = float(sys.argv[1])

def wait_for_condition():
    condition = threading.Condition()
    with condition:
        condition.wait(WAIT)

def wait_for_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=WAIT)

def wait_for_queue():
    try:
        queue.Queue().get(timeout=WAIT)
    except queue.Empty:
        pass

def wait_for_semaphore():
    semaphore = multiprocessing.Semaphore(0)
    semaphore.acquire(timeout=WAIT)

waits = {
    "sleep": lambda: time.sleep(WAIT),
    "condition": wait_for_condition,
    "event": lambda: threading.Event().wait(WAIT),
    "lock": wait_for_lock,
    "queue": wait_for_queue,
    "select": lambda: select.select([], [], [], WAIT),
    "semaphore": wait_for_semaphore,
}
waited = {}
for name, wait in waits.items():
    began_at = time.monotonic()
    wait()
    waited[name] = time.monotonic() - began_at
child = subprocess.run([sys.executable, "-c", "import time; print(time.time())"], capture_output=True, check=True)
print(json.dumps({
    "time": time.time(),
    "now": datetime.datetime.now(datetime.UTC).timestamp(),
    "gmtime": calendar.timegm(time.gmtime()),
    "child": float(child.stdout),
    "monotonic": time.monotonic(),
    "waited": waited,
}))
"""


@pytest.mark.parametrize("offset", [OFFSET_SECONDS, -OFFSET_SECONDS])
def test_the_wall_clock_is_shifted_and_waits_are_not(offset: int) -> None:
    wall, monotonic = time.time(), time.monotonic()
    environment = {**os.environ, **shift_clock(offset)}
    command = [sys.executable, "-c", PROGRAM, str(WAIT_SECONDS)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=True)
    wall_after, monotonic_after = time.time(), time.monotonic()
    told = json.loads(result.stdout)
    for name in ("time", "now", "gmtime", "child"):
        # `gmtime` has whole seconds.
        assert wall + offset - 1 <= told[name] <= wall_after + offset, name
    assert monotonic <= told["monotonic"] <= monotonic_after
    assert all(seconds >= 0.9 * WAIT_SECONDS for seconds in told["waited"].values()), told["waited"]
