"""The Dockerfiles copy what exists, install what the code imports, and run as a plain user."""

import ast
import importlib.util
import re
import shlex
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.containers.composition import ROOT

DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
DETECTOR = DOCKER / "detector.Dockerfile"
OURS = {"wire", "pipeline", "consumers", "billing", "gateway", "cli", "samples"}

each_dockerfile = pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)


def instructions(path: Path) -> list[list[str]]:
    """Return the words of each instruction, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.strip()]


def copied(path: Path) -> list[str]:
    """Return what a Dockerfile copies from the checkout."""
    copies = [words[1:] for words in instructions(path) if words[0] == "COPY"]
    local = [words for words in copies if not words[0].startswith("--from")]
    return [word for words in local for word in words[:-1] if not word.startswith("--")]


def project() -> dict[str, Any]:
    """Return the [project] table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(scope="module")
def requirements() -> ModuleType:
    """Load docker/requirements.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("requirements", DOCKER / "requirements.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def imported(folder: Path) -> set[str]:
    """Return the top-level names that the modules below a folder import, wherever they do."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - OURS - set(sys.stdlib_module_names)


@each_dockerfile
def test_everything_copied_exists_and_is_not_ignored(path: Path) -> None:
    shown = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert copied(path)
    for source in copied(path):
        assert (ROOT / source).exists(), source
        assert source.partition("/")[0] in shown, source


@each_dockerfile
def test_an_image_is_built_in_two_stages_from_wheels_and_runs_as_a_plain_user(path: Path) -> None:
    lines = instructions(path)
    assert [words[1] for words in lines if words[0] == "FROM"] == ["python:3.11-slim"] * 2
    assert [words[1] for words in lines if words[0] == "USER"] == ["10001:10001"]
    install = next(words for words in lines if words[0] == "RUN" and "install" in words)
    options = " ".join(install)
    assert "--only-binary :all:" in options
    assert "--constraint requirements.lock" in options


def test_the_detector_holds_no_code_but_its_own() -> None:
    assert OURS & set(copied(DETECTOR)) == {"wire", "consumers"}


def named_dependencies() -> list[str]:
    """Return the dependencies that the detector's Dockerfile chooses."""
    chosen = re.search(r'--extras "\$ENGINE" ([^>]*)>', DETECTOR.read_text().replace("\\\n", ""))
    assert chosen is not None
    return chosen[1].split()


def canonical(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_detector_installs_all_that_its_code_imports_and_nothing_else(
    requirements: ModuleType,
) -> None:
    names = named_dependencies()
    lines = requirements.chosen(project(), names, ["cpu", "gpu", "int8", "onnx"])
    lines += [need for name in names for need in requires(name) or [] if "extra ==" not in need]
    installed = {canonical(requirements.name_of(line)) for line in lines}
    providers = {
        name: set(map(canonical, distributions))
        for name, distributions in packages_distributions().items()
    }
    wanted = imported(ROOT / "wire") | imported(ROOT / "consumers")
    assert not {name for name in wanted if not installed & providers.get(name, set())}
    assert set(names) <= {provider for name in wanted for provider in providers[name]}


def test_without_names_all_dependencies_are_chosen(requirements: ModuleType) -> None:
    assert requirements.chosen(project(), [], []) == project()["dependencies"]


def test_names_and_extras_are_chosen_with_their_versions(requirements: ModuleType) -> None:
    lines = requirements.chosen(project(), ["aiokafka"], ["cpu", "gpu"])
    extras = project()["optional-dependencies"]
    assert lines == [project()["dependencies"][0], *extras["cpu"], *extras["gpu"]]
    assert lines[0].startswith("aiokafka[lz4]")


@pytest.mark.parametrize(("names", "extras"), [(["numpi"], []), (["numpy"], ["tpu"])])
def test_a_name_that_the_project_does_not_have_stops_the_build(
    requirements: ModuleType, names: list[str], extras: list[str]
) -> None:
    with pytest.raises(SystemExit, match=(names + extras)[-1]):
        requirements.chosen(project(), names, extras)
