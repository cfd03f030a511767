"""Processes whose wall clock is wrong, as on a machine that nobody synchronizes."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.prerequisites import skip_or_fail

SOURCE = Path(__file__).with_name("shifted_clock.c")
COMPILERS = ("cc", "gcc", "clang")
COMPILE_SECONDS = 60


def shift_clock(seconds: int) -> dict[str, str]:
    """Return the variables that shift the wall clock of a process, and of what it starts, by some seconds.

    Waiting does not change. Skips the test if this machine has no C compiler.
    """
    return {"LD_PRELOAD": str(_compile_library()), "CLOCK_OFFSET_SECONDS": str(seconds)} if seconds else {}


@functools.cache
def _compile_library() -> Path:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        skip_or_fail("There is no C compiler, which builds the library that shifts clocks: install gcc.")
    # `tests/conftest.py` removes this folder.
    library = Path(tempfile.mkdtemp(dir=os.environ["DATA_DIR"])) / "shifted_clock.so"
    command = [compiler, "-std=gnu11", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True, timeout=COMPILE_SECONDS)
    return library
