"""Where benchmarks run: a stack of their own, and on it a fresh deployment for each measurement.

A ground has its own topics, database and processes, so no measurement sees another's data. Its
processes are the product's own, with default settings, started as an operator would.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx

from billing.database import migrate
from cli.demo.plan import park_model
from cli.demo.roles import STOP_ORDER, Role
from cli.demo.scrape import Metrics, scrape
from cli.deployment import Deployment
from cli.local.ports import free_port
from cli.local.stack import Addresses
from cli.models import register
from wire.clock import SystemClock
from wire.errors import Misconfigured
from wire.kafka import Kafka
from wire.models import ModelSpec
from wire.topics import Topics

START_TIMEOUT_S = 60.0
MODULES = {
    "detector": "consumers.detector",
    "biller": "billing",
    "gateway": "gateway",
    "producer": "pipeline",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the person chose to measure; models `()` are each benchmark's own.

    `engine` and `batch_size` (0: the default) are what every detector and bare engine is told.
    """

    models: tuple[str, ...] = ()
    streams: int = 16
    engine: str = "auto"
    batch_size: int = 0

    def environment(self, folder: Path) -> dict[str, str]:
        """Return what a detector is told; converted models are kept in `folder`."""
        told = {"FRAMEMETER_ENGINE": self.engine, "FRAMEMETER_MODELS_CACHE": str(folder / "models")}
        if self.batch_size:
            told["FRAMEMETER_BATCH_SIZE_MAX"] = str(self.batch_size)
        return told

    def names(self, prefix: str = "camera") -> tuple[str, ...]:
        """Return the names of so many streams."""
        return tuple(f"{prefix}-{number}" for number in range(self.streams))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The running stack, how long each measurement lasts, and whom to tell how it goes."""

    addresses: Addresses
    folder: Path
    seconds: float
    say: Callable[[str], None]
    choice: Choice = field(default_factory=Choice)

    @property
    def patience_s(self) -> float:
        """How long one measurement may take, on a machine that is slow or busy, before it fails."""
        return START_TIMEOUT_S + 10 * self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One fresh deployment and its processes."""

    target: Deployment
    folder: Path
    environment: dict[str, str]
    _roles: dict[str, Role] = field(init=False, default_factory=dict)
    _ports: dict[str, int] = field(init=False, default_factory=dict)

    def start(self, name: str, told: Mapping[str, str] | None = None) -> None:
        """Start one of `MODULES`, told (by `FRAMEMETER_*`) what it needs beyond the ground's."""
        self._ports[name] = free_port(self._ports.values())
        ports = {"FRAMEMETER_METRICS_PORT": str(self._ports[name])}
        self._roles[name] = Role(
            name=name,
            module=MODULES[name],
            environment=self.environment | ports | dict(told or {}),
            log=self.folder / f"{name}.log",
        )
        self._roles[name].start()

    async def metrics(self, name: str) -> Metrics:
        """Return what a process says of itself now."""
        async with httpx.AsyncClient() as client:
            return await scrape(client, self._ports[name])

    def memory_mib(self, name: str) -> float:
        """Return how much memory a process has in use."""
        process = self._roles[name].process
        assert process is not None
        pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def until(self, holds: Callable[[], bool], *, what: str, timeout_s: float) -> None:
        """Wait until `holds()`; raise `Misconfigured` when a process died or it takes too long."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            self.check()
            if time.monotonic() > deadline:
                raise Misconfigured(f"after {timeout_s:.0f} s still not: {what}\n{self.logs()}")
            await asyncio.sleep(0.01)

    def check(self) -> None:
        """Raise `Misconfigured` with the end of its log when a process stopped by itself."""
        for role in self._roles.values():
            role.check()

    def stop(self, name: str = "") -> None:
        """Stop one of the processes, or all, those that feed others first."""
        for known in STOP_ORDER:
            if known in self._roles and name in ("", known):
                self._roles[known].stop()

    def logs(self) -> str:
        """Return the end of every process's log."""
        return "\n".join(f"--- {name}\n{role.log_tail()}" for name, role in self._roles.items())


@asynccontextmanager
async def fresh_ground(site: Site, name: str, *models: ModelSpec) -> AsyncIterator[Ground]:
    """Give topics, a ledger and models (the demo's, unless named); processes end with the block."""
    dsn = await _create_database(site.addresses.postgres, f"bench_{name}")
    prefix = f"{name}."
    target = Deployment(
        kafka=Kafka(bootstrap=site.addresses.kafka),
        topics=Topics(prefix=prefix),
        postgres=dsn,
        redis=site.addresses.redis,
        clock=SystemClock(),
    )
    folder = site.folder / name
    folder.mkdir()
    environment = (
        site.addresses.as_environment()
        | site.choice.environment(site.folder)
        | {"FRAMEMETER_POSTGRES": dsn, "FRAMEMETER_TOPIC_PREFIX": prefix}
    )
    await target.kafka.create_topics(target.topics.table())
    await migrate(dsn)
    await register(target, models or (park_model(),))
    made = Ground(target=target, folder=folder, environment=environment)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.stop)


async def _create_database(server: str, name: str) -> str:
    admin = await asyncpg.connect(server)
    try:
        await admin.execute(f"create database {name}")
    finally:
        await admin.close()
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
