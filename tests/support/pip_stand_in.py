"""Stands in for `pip install -r FILE` in a virtual environment: it links the packages that the tests use.

It fails if one of them has another version than FILE says, or needs a package that FILE lacks. The environment gets
only what FILE lists, and the programs of these packages. Nothing is downloaded.
"""

from __future__ import annotations

import sys
import sysconfig
from importlib.metadata import Distribution, distributions
from pathlib import Path

PACKAGES = "/stand-in/packages"
PROGRAM = """#!{python}
import sys
from {module} import {name}
sys.exit({name}())
"""


def main() -> None:
    """Install the packages of a file."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    install, option, file = sys.argv[1:]
    if (install, option) != ("install", "-r"):
        sys.exit(f"This pip knows `install -r` only, not {install} {option}.")
    lines = [line for line in Path(file).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    wanted = {canonicalize_name(each.name): each for each in map(Requirement, lines) if _applies(each.marker)}
    present = {canonicalize_name(each.metadata["Name"]): each for each in distributions(path=[PACKAGES])}
    for name, requirement in wanted.items():
        if name not in present or not requirement.specifier.contains(present[name].version, prereleases=True):
            sys.exit(f"The tests do not use {requirement}.")
        for needed in map(Requirement, present[name].requires or []):
            if _applies(needed.marker) and canonicalize_name(needed.name) not in wanted:
                sys.exit(f"{file} lacks {needed}, which {name} needs.")
        _link(present[name])


def _applies(marker: object) -> bool:
    from packaging.markers import Marker

    return not isinstance(marker, Marker) or marker.evaluate({"extra": ""})


def _link(distribution: Distribution) -> None:
    folder = Path(sysconfig.get_path("purelib"))
    parts = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    for part in parts:
        target = folder / part
        if not target.is_symlink():
            target.symlink_to(Path(PACKAGES) / part)
    for script in distribution.entry_points.select(group="console_scripts"):
        program = Path(sysconfig.get_path("scripts")) / script.name
        program.write_text(PROGRAM.format(python=sys.executable, module=script.module, name=script.attr))
        program.chmod(0o755)


if __name__ == "__main__":
    sys.path.append(PACKAGES)
    main()
