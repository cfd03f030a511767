"""Carries out the Dockerfile without Docker: each stage is a `PrivateRoot`, in which its commands run in order."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.deployment_files import Instruction, read_dockerfile
from support.paths import ROOT
from support.private_root import BUILDER, PATH, PrivateRoot

PIP = "/stand-in/modules"


@dataclass
class Stage:
    """A stage of the Dockerfile: its root file system, and what the instructions so far say about its processes."""

    root: PrivateRoot
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str | None = None
    volumes: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)
    is_last: bool = False

    def copy(self, source: Path, target: str) -> None:
        """Copy a file or a folder from a path of this machine."""
        destination = self.root.path / target.lstrip("/")
        destination.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, destination, symlinks=True)
        else:
            shutil.copy2(source, destination)


@contextlib.contextmanager
def building_image(files: Mapping[str, Path]) -> Iterator[Stage]:
    """Build the image of the Dockerfile; yield its last stage, whose root is read-only but for its volume and /tmp.

    `files` are further files of that root, each with the path of what to copy.
    """
    instructions = read_dockerfile()
    count = sum(instruction.name == "FROM" for instruction in instructions)
    stages: dict[str, Stage] = {}
    with contextlib.ExitStack() as stack:
        for instruction in instructions:
            if instruction.name == "FROM":
                root = stack.enter_context(PrivateRoot())
                name = instruction.value.rpartition(" AS ")[2]
                stage = stages[name] = Stage(root, is_last=len(stages) == count - 1)
                install_pip(root)
                if not stage.is_last:
                    # In the stages before the last one, commands run as an ordinary user, who owns /opt.
                    (root.path / "opt").mkdir(exist_ok=True)
                    os.chown(root.path / "opt", int(BUILDER), int(BUILDER))
            else:
                _carry_out(stage, stages, instruction)
        for target, source in files.items():
            stage.copy(source, target)
        (volume,) = stage.volumes
        stage.root.protect(volume)
        yield stage


def _carry_out(stage: Stage, stages: dict[str, Stage], instruction: Instruction) -> None:
    value = instruction.value
    match instruction.name:
        case "ENV":
            words = [word.partition("=") for word in shlex.split(value)]
            values = {name: string.Template(text).substitute(stage.environment) for name, _, text in words}
            stage.environment |= values
        case "WORKDIR":
            stage.folder = value
            folder = stage.root.path / value.lstrip("/")
            if not folder.exists():
                folder.mkdir(parents=True)
                _give_to_builder(stage, folder)
        case "COPY":
            _copy(stage, stages, value)
        case "RUN":
            run_in_shell(stage.root, value, stage.environment, stage.folder, None if stage.is_last else BUILDER)
        case "USER":
            stage.user = value
        case "VOLUME":
            stage.volumes.append(value)
        case "CMD":
            stage.command = instruction.words()
        case "HEALTHCHECK":
            stage.health_check = instruction.words()
        case "EXPOSE":
            pass
        case _:
            raise AssertionError(f"The tests cannot carry out {instruction.name}.")


def _copy(stage: Stage, stages: dict[str, Stage], value: str) -> None:
    source, target = [word for word in value.split() if not word.startswith("--")]
    if match := re.match(r"--from=(\w+) ", value):
        stage.copy(stages[match[1]].root.path / source.lstrip("/"), target)
        return
    folder = stage.root.path / stage.folder.lstrip("/") / target
    copy_project(folder, source)
    _give_to_builder(stage, folder)


def _give_to_builder(stage: Stage, folder: Path) -> None:
    if not stage.is_last:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, int(BUILDER), int(BUILDER), follow_symlinks=False)


def copy_project(folder: Path, source: str = ".") -> None:
    """Copy the file `source`, or all files, of the project to a folder, without those that .dockerignore excludes."""
    for path in list_context():
        if source in {".", str(path)}:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path)


def list_context() -> list[Path]:
    """Return the files of the project that .dockerignore includes, relative to its folder."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    rules = [(_pattern_re(line.lstrip("!")), line.startswith("!")) for line in patterns]
    files = []
    for folder, names, filenames in os.walk(ROOT):
        parent = Path(folder).relative_to(ROOT)
        # No file of a folder is included if no pattern begins with it.
        names[:] = [
            name
            for name in names
            if _is_included(parent / name, rules) or any(line.startswith(f"!{parent / name}/") for line in patterns)
        ]
        files += [parent / name for name in filenames if _is_included(parent / name, rules)]
    return files


def _is_included(path: Path, rules: list[tuple[re.Pattern[str], bool]]) -> bool:
    """Return what the last pattern says that matches a path or a folder above it."""
    included = True
    for pattern, includes in rules:
        if pattern.match(path.as_posix()):
            included = includes
    return included


def _pattern_re(pattern: str) -> re.Pattern[str]:
    """Return the expression for a pattern of .dockerignore: `**/` is any folders, `*` any part of a name."""
    parts = {"**/": "(?:.*/)?", "*": "[^/]*"}
    expression = "".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*)", pattern))
    return re.compile(rf"{expression}(?:/.*)?$")


def install_pip(root: PrivateRoot) -> None:
    """Put the stand-in for pip into a root."""
    folder = root.path / PIP.lstrip("/")
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "support" / "pip_stand_in.py", folder / "pip.py")


def run_in_shell(root: PrivateRoot, script: str, environment: Mapping[str, str], folder: str, user: str | None) -> str:
    """Run a line of a shell in a root. `pip install` is the stand-in, and a virtual environment has no other pip."""
    if "pip install" in script:
        environment = {**environment, "PYTHONPATH": PIP}
    script = script.replace("-m venv ", "-m venv --without-pip ")
    return root.run(["sh", "-euc", script], user=user, folder=folder, environment=environment)
