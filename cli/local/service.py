"""What the stack asks of a service, whichever it is.

A service knows how to prepare its data, how it is started and whether it answers; it starts
nothing itself. `prepare` and `fault` block and may run in other threads.
"""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cli.local.process import Launch
from wire.errors import Misconfigured

Ports = Mapping[str, int]
"""The ports of all services by name, as kept in the data folder."""


class Service(Protocol):
    """One of Kafka, PostgreSQL, Valkey."""

    name: str
    title: str
    variable: str
    """The environment variable that names its address."""

    @property
    def port_names(self) -> tuple[str, ...]:
        """The names of the ports that it needs."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal that asks it to stop in order."""

    def hint(self) -> str:
        """Return what to tell an operator who is about to wait for it, if anything."""

    def require(self) -> None:
        """Raise `Misconfigured` when its programs are not installed."""

    def prepare(self, ports: Ports) -> None:
        """Make its data folder and settings. Raises `Misconfigured` or `Retryable`."""

    def launch(self, ports: Ports) -> Launch:
        """Return how to start it."""

    def address(self, ports: Ports) -> str:
        """Return the address that clients use."""

    def fault(self, ports: Ports) -> str | None:
        """Ask it something real; return None when it answers well, else what is wrong."""

    def erase(self) -> None:
        """Remove its data."""


def not_installed(title: str) -> Misconfigured:
    """Return the error for a missing extra."""
    return Misconfigured(
        f"{title} cannot be started here: run `pip install 'framemeter[local]'`,"
        " or name a running one in the environment"
    )


def make_folder(folder: Path) -> None:
    """Create `folder` with its parents. Raises `Misconfigured` when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"cannot create {folder}: {error.strerror}; choose --folder") from error
