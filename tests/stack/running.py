"""A running Kafka, PostgreSQL and Valkey, with faults where they are our own processes."""

from dataclasses import dataclass
from typing import Literal

import pytest

from cli.local.stack import LocalStack

Kind = Literal["local", "containers", "external"]


class Unavailable(Exception):
    """The chosen kind of stack cannot run here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """Addresses for tests. Services are named kafka, postgres, redis."""

    kind: Kind
    kafka: str
    postgres: str
    redis: str
    local: LocalStack | None = None

    def kill(self, name: str) -> None:
        """SIGKILL a server; skip the test where it is not ours."""
        self._faults().kill(name)

    def restart(self, name: str) -> None:
        """Start a server again on its port and data, and wait until it answers."""
        self._faults().restart(name)

    def pause(self, name: str) -> None:
        """SIGSTOP a server."""
        self._faults().pause(name)

    def resume(self, name: str) -> None:
        """SIGCONT a server."""
        self._faults().resume(name)

    def _faults(self) -> LocalStack:
        if self.local is None:
            pytest.skip(f"faults need the local stack, this is {self.kind}")
        return self.local
