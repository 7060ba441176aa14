"""The system under test: real processes on the shared stack, with names of their own.

Every test gets its own topics, database and Valkey number, so that tests can share one broker.
Processes are started as an operator would, killed as a machine would.
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

from billing.accounts import Accounts
from billing.audit import AuditReport, audit
from billing.database import migrate, open_pool
from billing.reports import StreamBill, stream_bill
from billing.sessions import Sessions
from cli.demo.plan import park_model
from cli.demo.roles import Role
from cli.deployment import Deployment
from cli.local.ports import free_port
from cli.models import register
from cli.streams import publish, withdraw
from wire.clock import SystemClock
from wire.kafka import Kafka
from wire.streams import StreamSpec
from wire.topics import Topics

PARTITIONS = 4
ACCOUNT = "park"
MODULES = {
    "gateway": "gateway",
    "detector": "consumers.detector",
    "biller": "billing",
    "producer": "pipeline",
}
WAIT_S = 60.0


@dataclass(kw_only=True)
class System:
    """One deployment. Roles are named `role` or `role-n`; several of one role share the work."""

    target: Deployment
    folder: Path
    environment: dict[str, str]
    roles: dict[str, Role] = field(default_factory=dict)
    gateway_port: int = field(default_factory=free_port)
    key: str = ""

    async def prepare(self, *, tokens: int = 100_000) -> None:
        """Make topics, schema, account, key and model."""
        await self.target.kafka.create_topics(self.target.topics.table())
        await migrate(self.target.postgres)
        await register(self.target, (park_model(),))
        async with await open_pool(self.target.postgres, size_max=2) as pool:
            accounts = Accounts(pool, self.target.clock)
            await accounts.create(ACCOUNT)
            if tokens:
                await accounts.top_up(ACCOUNT, tokens * 1_000, "test")
            self.key = (await accounts.create_key(None, ("sessions", "read"))).secret

    def start(self, *names: str) -> None:
        """Start processes, also ones that ran before."""
        for name in names:
            if name not in self.roles:
                self.roles[name] = self._role(name)
            self.roles[name].start()

    def _role(self, name: str) -> Role:
        kind = name.partition("-")[0]
        environment = dict(self.environment)
        if kind == "gateway":
            environment |= {"FRAMEMETER_HOST": "127.0.0.1"}
            environment |= {"FRAMEMETER_PORT": str(self.gateway_port)}
        if kind == "producer":
            environment |= {"FRAMEMETER_GATEWAY": f"http://127.0.0.1:{self.gateway_port}"}
            environment |= {"FRAMEMETER_KEY": self.key}
        return Role(
            name=name,
            module=MODULES[kind],
            environment=environment,
            log=self.folder / f"{name}.log",
        )

    def kill(self, name: str) -> None:
        """SIGKILL a process in the middle of its work."""
        process = self._process(name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.roles[name].process = None

    def stop(self, *names: str) -> None:
        """Stop processes in order, as SIGTERM asks them to."""
        for name in names:
            self.roles[name].stop()

    def _process(self, name: str) -> subprocess.Popen[bytes]:
        process = self.roles[name].process
        assert process is not None, f"{name} is not running"
        return process

    def check_alive(self) -> None:
        """Fail with a log's end when a process stopped by itself."""
        for role in self.roles.values():
            role.check()

    async def add(self, *specs: StreamSpec) -> None:
        """Add or change cameras."""
        await publish(self.target, specs)

    async def remove(self, *names: str) -> None:
        """Remove cameras."""
        await withdraw(self.target, names)

    async def until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> float:
        """Wait until `holds()`; return the seconds it took. Fails with the logs' ends."""
        started = time.monotonic()
        while not await holds():
            if time.monotonic() - started > WAIT_S:
                raise AssertionError(f"after {WAIT_S:.0f} s still not: {what}\n{self.logs()}")
            await asyncio.sleep(0.1)
        return time.monotonic() - started

    def logs(self) -> str:
        """Return the end of every process's log."""
        return "\n".join(f"--- {name}\n{role.log_tail()}" for name, role in self.roles.items())

    async def detected(self) -> dict[str, int]:
        """Return how many frames of each stream the ledger knows as detected."""
        return {bill.stream: bill.frames.get("detected", 0) for bill in await self.bills()}

    async def has_detected(self, frames: int, *, streams: int) -> bool:
        """Say whether at least `streams` streams have `frames` detected frames each."""
        return sum(n >= frames for n in (await self.detected()).values()) >= streams

    async def settle(self) -> None:
        """Stop the producers, then wait until every session has come to its end."""
        self.stop(*(name for name in self.roles if name.startswith("producer")))
        async with await open_pool(self.target.postgres, size_max=1) as pool:
            sessions = Sessions(pool, self.target.clock)

            async def settled() -> bool:
                return await sessions.unsettled(ACCOUNT) == 0

            await self.until("every session has settled", settled)

    async def bills(self) -> list[StreamBill]:
        """Return the bill of every stream."""
        async with await open_pool(self.target.postgres, size_max=1) as pool:
            return list(await stream_bill(pool, ACCOUNT))

    async def sessions(self, stream: str) -> list[dict[str, object]]:
        """Return the sessions of a stream as the ledger has them, to be looked at."""
        connection = await asyncpg.connect(self.target.postgres)
        try:
            rows = await connection.fetch(
                "select epoch, state, close_reason, last_seq, in_doubt, published, granted_frames,"
                " covered::text, opened_at, closed_at, expires_at"
                " from session where stream = $1 order by epoch",
                stream,
            )
        finally:
            await connection.close()
        return [dict(row) for row in rows]

    async def amounts(self) -> dict[str, int]:
        """Return the account's amounts, read with SQL of our own."""
        connection = await asyncpg.connect(self.target.postgres)
        try:
            row = await connection.fetchrow(
                "select available, held, receivable from balance where account = $1", ACCOUNT
            )
            charged = await connection.fetchval(
                "select coalesce(sum(amount), 0) from transfer where kind = 'charge'"
            )
        finally:
            await connection.close()
        assert row is not None
        return {**dict(row), "charged": int(charged)}

    async def audit(self) -> AuditReport:
        """Run the product's own audit with everything it can look at."""
        redis: Redis = Redis.from_url(self.target.redis)
        try:
            async with await open_pool(self.target.postgres, size_max=2) as pool:
                return await audit(
                    pool, redis=redis, kafka=self.target.kafka, topics=self.target.topics
                )
        finally:
            await redis.aclose()

    def close(self) -> None:
        """Kill whatever still runs."""
        for name, role in self.roles.items():
            if role.process is not None and role.process.poll() is None:
                self.kill(name)


def make_system(
    *, kafka: str, postgres: str, redis: str, prefix: str, folder: Path, engine: str
) -> System:
    """Return a system with these addresses; nothing is started yet."""
    environment = {
        "FRAMEMETER_KAFKA": kafka,
        "FRAMEMETER_POSTGRES": postgres,
        "FRAMEMETER_REDIS": redis,
        "FRAMEMETER_TOPIC_PREFIX": prefix,
        "FRAMEMETER_PARTITIONS": str(PARTITIONS),
        "FRAMEMETER_ENGINE": engine,
        "FRAMEMETER_SESSION_TTL_S": "6",
        "FRAMEMETER_FRAME_AGE_MAX_S": "6",
        "FRAMEMETER_EXPIRY_SLACK_S": "4",
    }
    target = Deployment(
        kafka=Kafka(bootstrap=kafka),
        topics=Topics(prefix=prefix, partitions=PARTITIONS),
        postgres=postgres,
        redis=redis,
        clock=SystemClock(),
    )
    return System(target=target, folder=folder, environment=environment)
