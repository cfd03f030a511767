"""A pytest plugin that compiles the address of each route once.

Every test creates an application, and werkzeug compiles two functions for each of its routes. That takes more than half
of the time of `create_app`, and the functions are the same in all applications.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


@pytest.fixture(scope="session", autouse=True)
def shared_builders() -> Iterator[None]:
    """Let all applications share the functions that build the addresses of their routes."""
    builders: dict[tuple[Any, ...], Builder] = {}
    compile_builder = Rule._compile_builder

    def find_builder(rule: Rule, append_unknown: bool = True) -> Builder:
        # The function finds the converters through the rule to which werkzeug binds it, but contains the defaults.
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, *rule._trace, append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(Rule, "_compile_builder", find_builder)
        yield
