"""The files for a deployment are valid, and agree with each other and with the settings."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from compose_spec import PyCompose

import config
from support.deployment_files import UNITS, read_compose, read_dockerfile, read_procfile, read_unit
from support.paths import ROOT
from support.prerequisites import skip_or_fail

# What systemd calls well protected. Its own default for a failure is 100.
MAX_EXPOSURE = 30
NOT_OURS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}


def run_tool(*command: str, **variables: str) -> str:
    """Run a checker, which must be installed and accept the file; return its output."""
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        skip_or_fail(f"{command[0]} is missing; .ci/run installs it")
    result = subprocess.run(
        [program, *command[1:]],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    return output


def test_hadolint_accepts_the_dockerfile() -> None:
    assert run_tool("hadolint", str(ROOT / "Dockerfile")) == ""


@pytest.mark.parametrize("variables", [{}, {"SITE_ADDRESS": "shop.example.com", "ACME_VERSION": "1.1.0"}], ids=str)
def test_the_compose_file_follows_the_specification(variables: dict[str, str]) -> None:
    compose = PyCompose.from_json(json.dumps(read_compose(variables)))
    compose.validate()
    assert {"web", "worker", "migrate", "postgres", "rabbitmq", "caddy", "s3"} == set(compose.service_names())


@pytest.mark.parametrize(
    ("present", "mistake"),
    [
        ("stop_grace_period", "stop_grace_periods"),
        ("service_healthy", "service_health"),
        ('"read_only": true', '"read_only": "perhaps"'),
    ],
)
def test_a_mistake_in_the_compose_file_is_found(present: str, mistake: str) -> None:
    text = json.dumps(read_compose({}))
    assert present in text
    with pytest.raises(ValueError, match=r"."):
        PyCompose.from_json(text.replace(present, mistake)).validate()


def test_caddy_accepts_its_file(tmp_path: Path) -> None:
    caddyfile = str(ROOT / "deploy" / "Caddyfile")
    folders = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    run_tool("caddy", "validate", "--adapter", "caddyfile", "--config", caddyfile, **folders)
    assert run_tool("caddy", "fmt", caddyfile) == Path(caddyfile).read_text(encoding="utf-8")


def test_systemd_accepts_the_units_and_finds_them_well_protected(tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/acme/.venv/bin", str(programs))
        text = text.replace("/opt/acme", str(ROOT)).replace("/etc/acme/acme.env", "/dev/null")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    copies = [str(tmp_path / unit.name) for unit in UNITS]
    # Warnings do not change the status.
    assert run_tool("systemd-analyze", "verify", "--man=no", *copies) == ""
    run_tool("systemd-analyze", "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager", *copies)


@pytest.mark.parametrize(
    ("service", "process", "unit"),
    [("migrate", "release", "acme-migrate"), ("web", "web", "acme-web"), ("worker", "worker", "acme-worker")],
)
def test_all_files_start_the_same_commands(service: str, process: str, unit: str) -> None:
    default = [instruction for instruction in read_dockerfile() if instruction.name == "CMD"][-1].words()
    command = read_compose({})["services"][service].get("command", default)
    assert read_procfile()[process] == command
    (started,) = read_unit(unit)["ExecStart"]
    assert started.split() == ["/opt/acme/.venv/bin/" + command[0], *command[1:]]


def test_the_files_set_only_settings_that_exist() -> None:
    for service in ("web", "worker", "migrate"):
        environment = read_compose({})["services"][service]["environment"]
        assert environment.keys() - NOT_OURS <= config.SETTINGS.keys()
    for unit in UNITS:
        names = [word.split("=")[0] for line in read_unit(unit.stem)["Environment"] for word in line.split()]
        assert set(names) <= config.SETTINGS.keys()


def test_the_image_has_the_code_of_the_product_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    included = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = set(project["tool"]["importlinter"]["root_packages"])
    assert packages | {"migrations", "static", "requirements.txt"} <= included
    for secret in (".env", ".git", "instance", "uploads", ".venv", "tests"):
        assert not any(fnmatch.fnmatch(secret, pattern) for pattern in included)


def test_everything_that_listens_is_behind_the_proxy() -> None:
    services = read_compose({})["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    for name in ("web", "worker", "migrate"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    user = [instruction for instruction in read_dockerfile() if instruction.name == "USER"][-1].value
    assert re.fullmatch(r"[1-9]\d*", user)
