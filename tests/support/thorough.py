"""A pytest plugin for the tests that only TEST_THOROUGH=1 runs.

They take long, and prove with another broker, storage or seed, or at greater length, what a test that always runs
proves as well. `@pytest.mark.thorough` marks a test, and `@pytest.mark.thorough("moto", "2")` those of its parameters
that have one of these ids. The same variable gives tests of properties more examples.
"""

from __future__ import annotations

import os

import hypothesis
import pytest

VARIABLE = "TEST_THOROUGH"
MARKER = "thorough"
IS_THOROUGH = VARIABLE in os.environ

# Hypothesis must not fail a slow example, because the machine may be busy.
hypothesis.settings.register_profile("usual", deadline=None, max_examples=25)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=200)
# Mutation testing repeats the tests thousands of times.
hypothesis.settings.register_profile("few-examples", deadline=None, max_examples=20, derandomize=True)
hypothesis.settings.load_profile("thorough" if IS_THOROUGH else "usual")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", f"{MARKER}(*ids): runs only if the environment variable {VARIABLE} is set")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the marked tests, and count them as deselected."""
    if IS_THOROUGH:
        return
    left_out = [item for item in items if is_marked(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not is_marked(item)]


def is_marked(item: pytest.Item) -> bool:
    """Return whether only a thorough run has this test."""
    markers = list(item.iter_markers(MARKER))
    parameters = f"-{item.callspec.id}-" if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""
    return any(not marker.args or any(f"-{name}-" in parameters for name in marker.args) for marker in markers)


def pytest_report_header() -> str:
    """Say which tests run."""
    return f"{VARIABLE}: " + ("all tests run" if IS_THOROUGH else f"not set, so tests marked “{MARKER}” are left out")
