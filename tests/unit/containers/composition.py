"""Reads docker-compose.yml, its override and setup.sh into values that the tests can ask."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "docker-compose.yml"
GPU = ROOT / "docker" / "gpu.yml"
SETUP = ROOT / "docker" / "setup.sh"
SETUP_COMMAND = "framemeter-setup"
OURS = ("framemeter", "framemeter-detector:cpu")
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of the compose file."""

    name: str
    content: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        """Say whether it runs our code."""
        return self.content["image"] in OURS

    @property
    def is_one_shot(self) -> bool:
        """Say whether it ends by itself."""
        return bool(self.content["restart"] == "no")

    @property
    def environment(self) -> dict[str, str]:
        """Return its variables as they are written."""
        return dict(self.content.get("environment", {}))

    @property
    def command(self) -> list[str]:
        """Return its command, empty when the image's is used."""
        return list(self.content.get("command", []))

    @property
    def probe(self) -> list[str]:
        """Return the words of its health check."""
        return list(self.content.get("healthcheck", {}).get("test", []))

    @property
    def mounts(self) -> list[tuple[str, str]]:
        """Return (source, target) of its volumes, with the defaults of variables put in."""
        found = []
        for mount in self.content.get("volumes", []):
            source, target = defaulted(mount).split(":")[:2]
            found.append((source, target))
        return found


def services() -> list[Service]:
    """Return all services of docker-compose.yml."""
    content = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return [Service(name=name, content=body) for name, body in content["services"].items()]


def our_services() -> list[Service]:
    """Return the services that run our code."""
    return [service for service in services() if service.is_ours]


def defaulted(text: str) -> str:
    """Return a text of the compose file with its variables at their defaults."""
    return VARIABLE.sub(lambda found: (found[3] or "") if found[2] == "-" else "", text)


def setup_commands() -> Iterator[list[str]]:
    """Yield the words of each call of `framemeter` in the setup script."""
    for line in SETUP.read_text(encoding="utf-8").splitlines():
        call = re.search(r"\bframemeter [^>)]*", line.partition("#")[0])
        if call:
            yield shlex.split(call.group())
