"""Reads what the files for a deployment say: Dockerfile, compose.yaml, Procfile and the units of systemd."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from support.paths import ROOT

VARIABLE_RE = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


@dataclass(frozen=True)
class Instruction:
    """An instruction of the Dockerfile, such as RUN, and what follows it on one line."""

    name: str
    value: str

    def words(self) -> list[str]:
        """Return the command of an instruction in the form `CMD ["…", "…"]`."""
        words: list[str] = json.loads(self.value[self.value.index("[") :])
        return words


def read_dockerfile() -> list[Instruction]:
    """Return the instructions of the Dockerfile, without comments."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    parts = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [Instruction(name, " ".join(value.split())) for name, _, value in parts]


def read_compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return compose.yaml with these variables, without its extensions, which its services have merged."""

    def fill_in(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: fill_in(part) for name, part in value.items()}
        if isinstance(value, list):
            return [fill_in(part) for part in value]
        if isinstance(value, str):
            return VARIABLE_RE.sub(lambda match: variables.get(match["name"], match["default"]), value)
        return value

    document = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return {name: fill_in(value) for name, value in document.items() if not name.startswith("x-")}


def read_procfile() -> dict[str, list[str]]:
    """Return the command of each process of the Procfile."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    parts = [line.partition(": ") for line in lines]
    return {name: shlex.split(command) for name, _, command in parts}


def read_unit(name: str) -> dict[str, list[str]]:
    """Return the settings of a unit of systemd, each with all of its values."""
    settings: dict[str, list[str]] = {}
    for line in (ROOT / "deploy" / "systemd" / f"{name}.service").read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            setting, _, value = line.partition("=")
            settings.setdefault(setting, []).append(value)
    return settings
