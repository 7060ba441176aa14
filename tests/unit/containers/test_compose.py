"""docker-compose.yml agrees with the code: its commands, variables, checks, mounts and cameras."""

import importlib
import importlib.util
import inspect
import re

import pytest
import typer
import yaml
from pydantic_settings import BaseSettings
from typer.core import TyperCommand, TyperGroup

from cli import streamfile
from cli.main import build_app
from samples.catalog import FOOTAGE, PARK_MODEL
from tests.unit.containers.composition import (
    COMPOSE,
    GPU,
    ROOT,
    SETUP,
    SETUP_COMMAND,
    VARIABLE,
    Service,
    defaulted,
    our_services,
    services,
    setup_commands,
)

SETTINGS = {
    "gateway": ["gateway.settings"],
    "billing": ["billing.settings"],
    "pipeline": ["pipeline.settings"],
    "consumers.detector": ["consumers.detector.settings"],
    "cli": ["wire.settings", "billing.settings"],
}
"""Which settings each process reads; `cli` is the `framemeter` command."""
OTHERS_READ = {"PGPASSWORD"}
"""Variables that libraries of ours read themselves."""
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|(^|_)KEY$")
SECRET_VALUE = re.compile(r"://[^/@\s]*:[^/@\s]+@|\bfm_|[A-Za-z0-9+/_-]{32,}")

each_service = pytest.mark.parametrize("service", services(), ids=lambda s: s.name)
each_of_ours = pytest.mark.parametrize("service", our_services(), ids=lambda s: s.name)


def process_of(service: Service) -> str:
    """Return the package that a service runs."""
    words = service.command
    return words[2] if words[:2] == ["python", "-m"] else "cli"


def known_variables(process: str) -> set[str]:
    """Return the environment variables that a process reads."""
    return {
        f"{kind.model_config.get('env_prefix')}{name}".upper()
        for module in SETTINGS[process]
        for kind in vars(importlib.import_module(module)).values()
        if inspect.isclass(kind) and issubclass(kind, BaseSettings)
        for name in kind.model_fields
    }


def find_command(words: list[str]) -> TyperCommand:
    """Return the command that `framemeter words...` runs; fail when there is none."""
    command = typer.main.get_command(build_app())
    for word in words:
        if not isinstance(command, TyperGroup):
            break
        assert word in command.commands, f"framemeter has no command {word!r} in {words}"
        command = command.commands[word]
    assert isinstance(command, TyperCommand), f"{words} is a group of commands"
    return command


@each_of_ours
def test_every_variable_is_a_setting_of_the_process_that_gets_it(service: Service) -> None:
    unknown = set(service.environment) - known_variables(process_of(service)) - OTHERS_READ
    assert not unknown


@each_of_ours
def test_every_command_exists_in_the_code(service: Service) -> None:
    if service.name == "tools":
        assert service.command == []
    elif service.name == "setup":
        assert service.command == [SETUP_COMMAND]
    else:
        assert service.command[:2] == ["python", "-m"]
        assert importlib.util.find_spec(f"{service.command[2]}.__main__") is not None


def test_every_step_of_the_setup_is_a_command_with_these_options() -> None:
    steps = list(setup_commands())
    assert len(steps) == SETUP.read_text().count("framemeter ") > 0
    for _, *words in steps:
        command = find_command(words)
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


@each_service
def test_every_lasting_service_restarts_and_has_a_health_check(service: Service) -> None:
    if service.is_one_shot:
        assert "healthcheck" not in service.content
    else:
        assert service.content["restart"] == "unless-stopped"
        assert service.probe[0] in {"CMD", "CMD-SHELL"}


@each_of_ours
def test_a_health_check_asks_the_port_that_the_process_listens_on(service: Service) -> None:
    if service.is_one_shot:
        return
    port = service.environment.get("FRAMEMETER_PORT", "")
    port = port or service.environment["FRAMEMETER_METRICS_PORT"]
    url = f"http://127.0.0.1:{port}/healthz"
    assert service.probe == ["CMD", "python", "-m", "wire.probe", url]
    assert importlib.util.find_spec("wire.probe") is not None


@each_service
def test_a_service_waits_only_for_what_can_happen(service: Service) -> None:
    by_name = {one.name: one for one in services()}
    for name, how in service.content.get("depends_on", {}).items():
        ends = how["condition"] == "service_completed_successfully"
        assert by_name[name].is_one_shot == ends
        assert ends or how["condition"] == "service_healthy"


@each_service
def test_no_secret_is_written_down(service: Service) -> None:
    for name, value in service.environment.items():
        if SECRET_NAME.search(name):
            variable = VARIABLE.fullmatch(value)
            assert variable and variable[2] == "?", f"{name} must come from outside"
        else:
            assert not SECRET_VALUE.search(value), name


def test_the_example_of_an_env_file_names_every_variable_and_no_secret() -> None:
    text = (ROOT / ".env.example").read_text()
    named = dict(re.findall(r"^(?:# )?([A-Z_]+)=(\S*)", text, re.MULTILINE))
    wanted = {found[1]: found[3] for found in VARIABLE.finditer(COMPOSE.read_text())}
    assert named.pop("COMPOSE_FILE") == COMPOSE.name
    assert named.keys() == wanted.keys()
    assert named.pop("POSTGRES_PASSWORD") == ""
    assert named == {name: wanted[name] for name in named}
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


@each_service
def test_every_mount_is_a_declared_volume_or_a_path_of_the_checkout(service: Service) -> None:
    declared = yaml.safe_load(COMPOSE.read_text())["volumes"]
    for source, _ in service.mounts:
        assert source in declared or (source.startswith("./") and (ROOT / source).exists())


def test_only_the_gateway_is_reachable_from_outside_and_only_from_this_machine() -> None:
    published = {s.name: s.content["ports"] for s in services() if "ports" in s.content}
    assert published.keys() == {"gateway"}
    assert [defaulted(port).split(":")[0] for port in published["gateway"]] == ["127.0.0.1"]


def test_the_cameras_play_shipped_footage_on_the_model_that_setup_registers() -> None:
    mounts = {name: s.mounts for s in services() for name in [s.name]}
    cameras = streamfile.read(ROOT / "docker" / "streams.toml", account="park").streams
    assert ("./samples/footage", "/footage") in mounts["producer"]
    assert {camera.source for camera in cameras} == {f"/footage/{FOOTAGE.name}"}
    assert {camera.model for camera in cameras} == {PARK_MODEL.name}
    assert {(c.height, c.width) for c in cameras} == {(PARK_MODEL.height, PARK_MODEL.width)}


def test_setup_prices_the_model_as_the_catalog_does() -> None:
    add = next(words for words in setup_commands() if words[1:3] == ["models", "add"])
    assert add[3] == PARK_MODEL.name
    assert add[add.index("--size-class") + 1] == PARK_MODEL.size_class
    assert float(add[add.index("--confidence") + 1]) == PARK_MODEL.confidence


@pytest.mark.parametrize("weights", [PARK_MODEL.openvino, PARK_MODEL.weights])
def test_the_weights_that_setup_names_are_where_detectors_see_them(weights: object) -> None:
    in_container = f"/models/{str(weights).rpartition('/models/')[2]}"
    assert in_container in SETUP.read_text() + GPU.read_text()
    for name in ("setup", "detector", "tools"):
        service = next(one for one in services() if one.name == name)
        assert ("./samples/models", "/models") in service.mounts


def test_the_gpu_file_changes_services_that_exist() -> None:
    override = yaml.safe_load(GPU.read_text())["services"]
    assert override.keys() <= {service.name for service in services()}
    assert override["setup"]["environment"].keys() <= set(
        re.findall(r"\$\{([A-Z_]+):-", SETUP.read_text())
    )
