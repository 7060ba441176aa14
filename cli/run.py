"""`framemeter run ROLE`: become one of the system's processes."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer


class Role(StrEnum):
    """The processes of the system."""

    PRODUCER = "producer"
    DETECTOR = "detector"
    BILLER = "biller"
    GATEWAY = "gateway"


MODULES = {
    Role.PRODUCER: "pipeline",
    Role.DETECTOR: "consumers.detector",
    Role.BILLER: "billing",
    Role.GATEWAY: "gateway",
}


def run(role: Annotated[Role, typer.Argument(help="Which process.")]) -> None:
    """Run one process in the foreground; SIGTERM stops it in order."""
    os.execv(sys.executable, [sys.executable, "-m", MODULES[role]])  # noqa: S606
