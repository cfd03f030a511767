"""Mutation testing with mutmut: `make mutants`, or `PYTHONPATH=tests python -m support.mutants --help`.

mutmut changes the code in small ways and runs the tests that reach each change. A change that no test notices, a
surviving mutant, points at a missing test. mutmut fits here because it forks a process that has imported everything:
cosmic-ray starts pytest again for every mutant, which takes seconds longer. Neither SQL nor regular expressions are
mutated, because mutmut leaves module constants alone.

mutmut works on a copy of the repository. The report, with the diff of every survivor, goes to `.mutants/report.txt`.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from database.migrate import upgrade_database
from embedded.postgres import EmbeddedPostgres
from support.database import TEMPLATE_DATABASE, execute, url_of

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / ".mutants"
WORK = OUTPUT / "work"
REPORT = OUTPUT / "report.txt"
STOP_SECONDS = 30
# The exit codes that mutmut stores: those of pytest, and its own for mutants that it did not run.
STATUS_OF_EXIT_CODE = {0: "survived", 1: "killed", 3: "killed", 5: "untested", 33: "untested", None: "not run"}
STATUSES = ("killed", "survived", "untested", "timeout", "not run")
# mutmut numbers the mutants of each function. A sample has those whose number ends with one of these digits.
SAMPLES = {1: "", 2: "13579", 5: "27", 10: "3"}
NOT_COPIED = ("docs/*", "static/*", "tests/browser/*", "tests/js/*")


@dataclass(frozen=True)
class Suite:
    """Modules to mutate, and the tests that run against their mutants."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    needs_database: bool = False


SUITES = (
    Suite(("importer.files.*", "importer.columns.*"), ("tests/unit/importer",)),
    Suite(
        tuple(f"importer.pipeline.{name}" for name in ("merge", "slices", "slice_sql", "writers", "transactions")),
        (
            "tests/unit/importer/pipeline",
            *(f"tests/integration/importer/test_{name}.py" for name in ("import", "policies", "slices", "timeouts")),
            "tests/integration/webhooks/test_events.py",
        ),
        needs_database=True,
    ),
)


def main() -> int:
    """Mutate the chosen modules suite by suite until the time is up; return 1 if mutmut itself failed."""
    parser = argparse.ArgumentParser(description="Run the tests against mutants of the importer.")
    parser.add_argument("modules", nargs="*", help="modules to mutate, such as importer.files.dialect (default: all)")
    parser.add_argument("--minutes", type=float, default=120, help="stop after this time (default: %(default)s)")
    parser.add_argument("--children", type=int, default=os.cpu_count(), help="mutants tested at a time")
    parser.add_argument(
        "--every", type=int, choices=SAMPLES, default=1, help="test every n-th mutant of each function (default: all)"
    )
    options = parser.parse_args()
    deadline = time.monotonic() + options.minutes * 60
    OUTPUT.mkdir(exist_ok=True)
    REPORT.write_text("")
    failed = False
    for suite in SUITES:
        paths = [path for path in _repository_files() if _is_chosen(path, suite, options.modules)]
        if paths and time.monotonic() < deadline:
            failed |= not _run_suite(suite, paths, deadline, options)
            _append_report(paths)
            shutil.rmtree(WORK, ignore_errors=True)
    print(REPORT.read_text())
    return int(failed)


def _is_chosen(path: str, suite: Suite, modules: list[str]) -> bool:
    name = path.removesuffix(".py").replace("/", ".")
    chosen = modules or ["*"]
    return (
        path.endswith(".py")
        and not path.endswith("__init__.py")
        and any(fnmatch.fnmatchcase(name, pattern) for pattern in suite.modules)
        and any(fnmatch.fnmatchcase(name, pattern) for pattern in chosen)
    )


def _repository_files() -> list[str]:
    """Return the paths of all files that git does not ignore, relative to the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in set(listing.splitlines()) if (ROOT / path).is_file())


def _run_suite(suite: Suite, paths: list[str], deadline: float, options: argparse.Namespace) -> bool:
    """Run mutmut in a new copy of the repository. Return False if it failed; running out of time is no failure."""
    shutil.rmtree(WORK, ignore_errors=True)
    copied = [path for path in _repository_files() if not any(fnmatch.fnmatch(path, pattern) for pattern in NOT_COPIED)]
    for path in copied:
        target = WORK / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target)
    settings = {
        "source_paths": ["importer"],
        "only_mutate": paths,
        "also_copy": sorted({path.split("/")[0] for path in copied} - {"importer"}),
        "pytest_add_cli_args": ["-p", "no:xdist", "-p", "no:cacheprovider", "--hypothesis-profile=few-examples"],
        "pytest_add_cli_args_test_selection": list(suite.tests),
        # The tests run in a process that has only collected them, without the threads of a complete run.
        "process_isolation": "forkserver",
        "timeout_multiplier": 5,
        "timeout_constant": 2,
        "use_git_change_detection": False,
    }
    with (WORK / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n")
        file.writelines(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    environment = dict(os.environ)
    with contextlib.ExitStack() as stack:
        if suite.needs_database:
            environment["TEST_POSTGRES_URL"] = stack.enter_context(_test_server())
        process = subprocess.Popen(
            [
                *(str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(options.children)),
                *(f"*{digit}" for digit in SAMPLES[options.every]),
            ],
            cwd=WORK,
            env=environment,
            start_new_session=True,
        )
        return _wait(process, deadline)


@contextlib.contextmanager
def _test_server() -> Iterator[str]:
    """Start one PostgreSQL for the tests of all mutants, with the template database that tests/conftest.py expects."""
    with tempfile.TemporaryDirectory(prefix="acme-mutants-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder) / "cluster", settings={"fsync": "off", "full_page_writes": "off"})
        url = server.start()
        try:
            execute(url, f"CREATE DATABASE {TEMPLATE_DATABASE}")
            upgrade_database(url_of(url, TEMPLATE_DATABASE))
            yield url
        finally:
            server.stop()


def _wait(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait for mutmut; at the deadline, interrupt it. It then writes the results that it has."""
    try:
        return process.wait(max(0.0, deadline - time.monotonic())) == 0
    except subprocess.TimeoutExpired:
        print("\nThe time is up.")
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        return True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _append_report(paths: list[str]) -> None:
    """Append the counts of each module, and the diff of each mutant that survived or has no test."""
    lines, details = [], []
    lines.append(f"{'':40}" + "".join(f"{status:>10}" for status in STATUSES) + f"{'score':>8}")
    for path in paths:
        meta = WORK / "mutants" / f"{path}.meta"
        results = json.loads(meta.read_text())["exit_code_by_key"] if meta.exists() else {}
        statuses = {name: STATUS_OF_EXIT_CODE.get(code, "timeout") for name, code in results.items()}
        counts = [list(statuses.values()).count(status) for status in STATUSES]
        tested = len(statuses) - counts[-1]
        caught = counts[0] + counts[3]
        score = f"{100 * caught / tested:.0f}%" if tested else "-"
        lines.append(f"{path:40}" + "".join(f"{count:10}" for count in counts) + f"{score:>8}")
        details += [_show(name) for name, status in statuses.items() if status in {"survived", "untested"}]
    with REPORT.open("a") as file:
        file.write("\n".join([*lines, "", *details]) + "\n")


def _show(name: str) -> str:
    command = [str(Path(sys.executable).with_name("mutmut")), "show", name]
    return subprocess.run(command, cwd=WORK, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    sys.exit(main())
