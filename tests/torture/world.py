"""The system of one run: its processes, topics, schema, accounts and cameras.

Processes reach everything through the proxy; the harness itself goes past it. A process that ends
by itself is started again, as a supervisor would, and counted.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from billing.accounts import Accounts
from billing.database import migrate, open_pool
from cli.demo.roles import Role
from cli.deployment import Deployment
from cli.local.ports import LOOPBACK, free_port
from cli.models import register
from cli.streams import publish
from tests.acceptance.system import MODULES
from tests.torture.plan import CLIP, PROCESSES, SIZE_CLASSES, Plan
from tests.torture.positions import streams_at_work
from tests.torture.site import VALKEY_NUMBERS, Addresses, Site
from wire.clock import SystemClock
from wire.errors import Retryable
from wire.kafka import Kafka
from wire.models import ModelSpec
from wire.streams import StreamSpec
from wire.topics import Topics

PARTITIONS = 4
ENGINE = "fake:5-20"
SESSION_TTL_S = 5
FRAME_AGE_S = 5
EXPIRY_SLACK_S = 10
SUPERVISE_EVERY_S = 0.5
AT_WORK = 0.75
"""The share of cameras with money that are at work when a run begins."""
BEGIN_LIMIT_S = 180.0
ATTEMPTS_MAX = 30
ATTEMPT_WAIT_S = 1.0
STOP_ORDER = ("producer", "gateway", "detector", "biller")


class NotBegun(Exception):
    """The world did not come to work; the message says how far it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A process that ended by itself."""

    name: str
    code: int
    at_s: float


class World:
    """One deployment on a site."""

    def __init__(self, plan: Plan, site: Site, folder: Path, clip: Path) -> None:
        self.plan = plan
        self.site = site
        self.folder = folder
        self.clip = clip
        self.direct: Addresses = site.direct(f"torture_{plan.seed}", plan.seed % VALKEY_NUMBERS)
        self.topics = Topics(prefix=f"s{plan.seed}.", partitions=PARTITIONS)
        self.target = Deployment(
            kafka=Kafka(bootstrap=self.direct.kafka),
            topics=self.topics,
            postgres=self.direct.postgres,
            redis=self.direct.redis,
            clock=SystemClock(),
        )
        self.deaths: list[Death] = []
        self.keys: dict[str, str] = {}
        self._began = time.monotonic()
        self._operator_key = ""
        self._roles: dict[str, Role] = {}
        self._gateway_ports: dict[str, int] = {}
        self._wanted: set[str] = set()
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def gateway_url(self) -> str:
        """Where clients find the gateways."""
        return f"http://{LOOPBACK}:{self.site.ports['gateway']}"

    def now_s(self) -> float:
        """Return the seconds since the run began."""
        return round(time.monotonic() - self._began, 3)

    async def prepare(self) -> None:
        """Make topics, schema, models, accounts with their first tokens, and keys."""
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.site.make_database(f"torture_{self.plan.seed}")
        await self.target.kafka.create_topics(self.topics.table())
        await migrate(self.direct.postgres)
        await register(self.target, tuple(_model(name) for name in SIZE_CLASSES))
        async with await open_pool(self.direct.postgres, size_max=2) as pool:
            accounts = Accounts(pool, self.target.clock)
            for opening in self.plan.openings:
                await accounts.create(opening.account)
                await accounts.top_up(opening.account, opening.millitokens, "opening")
                made = await accounts.create_key(opening.account, ("detect", "read"))
                self.keys[opening.account] = made.secret
            scopes = ("sessions", "read", "admin")
            self._operator_key = (await accounts.create_key(None, scopes)).secret

    @property
    def operator_key(self) -> str:
        """The key of producers and operators."""
        return self._operator_key

    async def begin(self) -> None:
        """Start processes and cameras; the run begins when most cameras with money are at work."""
        await self.show(*self.plan.cameras)
        for role, count in PROCESSES.items():
            for number in range(1, count + 1):
                self.start(f"{role}-{number}")
        deadline = time.monotonic() + BEGIN_LIMIT_S
        wanted = self.plan.rich_streams
        while len(wanted & await streams_at_work(self.direct.postgres)) < AT_WORK * len(wanted):
            if time.monotonic() > deadline:
                raise NotBegun(f"too few of {sorted(wanted)} are at work: {self.folder}")
            await asyncio.sleep(SUPERVISE_EVERY_S)
        self._began = time.monotonic()

    async def show(self, *specs: StreamSpec) -> None:
        """Add or change cameras."""
        source = str(self.clip)
        ready = [
            msgspec.structs.replace(spec, source=source) if spec.source == CLIP else spec
            for spec in specs
        ]
        await self._insist(lambda: publish(self.target, tuple(ready)))

    async def _insist(self, deed: Callable[[], Awaitable[None]]) -> None:
        """Do it again while a service is away, as an operator would."""
        for _ in range(ATTEMPTS_MAX):
            try:
                return await deed()
            except Retryable as error:
                last = error
            await asyncio.sleep(ATTEMPT_WAIT_S)
        raise last

    @asynccontextmanager
    async def holding(self, names: frozenset[str]) -> AsyncIterator[None]:
        """Keep others from touching these things; faults that share one wait for each other."""
        async with AsyncExitStack() as held:
            for name in sorted(names):
                await held.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            yield

    def running(self, role: str) -> list[str]:
        """Return the names of a role's processes that are meant to run."""
        return sorted(name for name in self._wanted if name.startswith(f"{role}-"))

    def start(self, name: str) -> None:
        """Start a process, also one that ran before."""
        if name not in self._roles:
            self._roles[name] = self._role(name)
        self._roles[name].start()
        self._wanted.add(name)
        self._route()

    def kill(self, name: str) -> None:
        """SIGKILL a process."""
        self._wanted.discard(name)
        process = self._roles[name].process
        if process is not None:
            process.kill()
            process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send SIGSTOP or SIGCONT."""
        process = self._roles[name].process
        if process is not None and process.poll() is None:
            os.kill(process.pid, number)

    async def stop(self, *names: str) -> None:
        """Ask processes to end, all at the same time, and wait for them."""
        self._wanted -= set(names)
        await asyncio.gather(*(self.site.do(self._roles[name].stop) for name in names))

    async def stop_role(self, role: str) -> list[str]:
        """Stop all processes of a role; return their names."""
        names = self.running(role)
        await self.stop(*names)
        return names

    async def stop_all(self) -> None:
        """Stop everything in order."""
        for role in STOP_ORDER:
            await self.stop_role(role)

    async def supervise(self) -> None:
        """Start again what ended by itself, until cancelled."""
        while True:
            await asyncio.sleep(SUPERVISE_EVERY_S)
            for name in self._ended():
                process = self._roles[name].process
                assert process is not None
                self.deaths.append(Death(name=name, code=process.returncode, at_s=self.now_s()))
                self.start(name)

    def _ended(self) -> Iterator[str]:
        for name in sorted(self._wanted):
            process = self._roles[name].process
            if process is not None and process.poll() is not None:
                yield name

    def close(self) -> None:
        """Kill whatever still runs."""
        self._wanted.clear()
        for role in self._roles.values():
            if role.process is not None and role.process.poll() is None:
                role.process.kill()
                role.process.wait()

    def _route(self) -> None:
        self.site.proxy.route(
            "gateway", [self._gateway_ports[name] for name in self.running("gateway")]
        )

    def _role(self, name: str) -> Role:
        role = name.partition("-")[0]
        proxied = self.site.proxied(self.direct)
        settings = {
            "KAFKA": proxied.kafka,
            "POSTGRES": proxied.postgres,
            "REDIS": proxied.redis,
            "TOPIC_PREFIX": self.topics.prefix,
            "PARTITIONS": str(PARTITIONS),
            "ENGINE": ENGINE,
            "SESSION_TTL_S": str(SESSION_TTL_S),
            "FRAME_AGE_MAX_S": str(FRAME_AGE_S),
            "EXPIRY_SLACK_S": str(EXPIRY_SLACK_S),
            "DETECT_MAX_AGE_MS": str(FRAME_AGE_S * 1000),
            "DETECT_TIMEOUT_S": "8",
            "LINE_IDLE_S": "3",
        }
        if role == "gateway":
            self._gateway_ports[name] = port = free_port(self._gateway_ports.values())
            settings |= {"HOST": LOOPBACK, "PORT": str(port), "REPLICA": name}
        if role == "producer":
            settings |= {"GATEWAY": self.gateway_url, "KEY": self._operator_key}
        return Role(
            name=name,
            module=MODULES[role],
            environment={f"FRAMEMETER_{setting}": value for setting, value in settings.items()},
            log=self.folder / f"{name}.log",
        )


def _model(name: str) -> ModelSpec:
    return ModelSpec(model=name, version="1", source=name, size_class=SIZE_CLASSES[name])
