"""Contract types for import-linter that also see the modules at the top level of the repository.

import-linter builds its graph from packages. To it, `models.py` or `tasks.py` is an external module whose own imports
are unknown. Each contract type here adds those imports to its copy of the graph before it checks the contract.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck
from importlinter.contracts import acyclic_siblings, forbidden, layers

ROOT = Path(__file__).resolve().parents[2]


def add_top_level_modules(graph: ImportGraph) -> None:
    """Add every `*.py` file of the repository's top level, with its imports, to the graph."""
    # Nothing can import gunicorn.conf.py, whose name has a dot.
    for path in sorted(path for path in ROOT.glob("*.py") if "." not in path.stem):
        graph.add_module(path.stem, is_squashed=path.stem in graph.modules and graph.is_module_squashed(path.stem))
        for name, line_number in _find_imports(path, graph.modules):
            # import-linter knows an external package by its first name only.
            imported = name if name in graph.modules else name.partition(".")[0]
            if imported not in graph.modules:
                graph.add_module(imported, is_squashed=True)
            graph.add_import(importer=path.stem, imported=imported, line_number=line_number, line_contents="")


def _find_imports(path: Path, modules: set[str]) -> Iterator[tuple[str, int]]:
    """Yield the name of each imported module with the line of its import statement."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                # `from package import name` imports a submodule if the package has one of that name.
                submodule = f"{node.module}.{alias.name}"
                yield (submodule if submodule in modules else node.module), node.lineno


class _TopLevelModules(Contract):
    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        add_top_level_modules(graph)
        return super().check(graph, verbose)  # type: ignore[safe-super]


class LayersContract(_TopLevelModules, layers.LayersContract):
    """The `layers` contract, with top-level modules."""


class ForbiddenContract(_TopLevelModules, forbidden.ForbiddenContract):
    """The `forbidden` contract, with top-level modules."""


class AcyclicContract(_TopLevelModules, acyclic_siblings.AcyclicSiblingsContract):
    """The `acyclic_siblings` contract, with top-level modules."""
