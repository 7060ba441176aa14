"""A ledger of its own for a test: database, topics, an account with tokens, a model, a biller."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

from billing import batches
from billing.accounts import Accounts
from billing.biller import Biller, BillerPorts
from billing.metrics import BillerMetrics
from billing.sessions import Sessions
from billing.writer import Writer
from wire import process, usage
from wire.clock import SystemClock
from wire.frames import Tier
from wire.kafka import Kafka
from wire.models import ModelSpec
from wire.sessions import Grant, OpenSession
from wire.topics import Topics
from wire.usage import Status, UsageEvent

ACCOUNT = "park"
MODEL = ModelSpec(model="yolov8s", version="v1", source="yolov8s.pt", size_class="s")
PRICE = 1_000
CAPTURED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
WAIT_S = 20.0


@dataclass(kw_only=True)
class House:
    """Everything a billing test talks to. A frame costs 1 token."""

    database: str
    pool: "asyncpg.Pool[Any]"
    kafka: Kafka
    topics: Topics
    accounts: Accounts
    sessions: Sessions
    metrics: BillerMetrics = field(default_factory=lambda: BillerMetrics(CollectorRegistry()))

    async def open(self, stream: str = "gate", frames: int = 10, account: str = ACCOUNT) -> Grant:
        """Open a session at one token a frame."""
        return await self.sessions.open(asking(stream, frames, account))

    async def emit(self, *events: UsageEvent, partition: int = 0) -> None:
        """Write usage events to a partition."""
        await self.emit_raw(
            *(usage.encode(event, at=datetime.now(UTC)) for event in events), partition=partition
        )

    async def emit_raw(self, *values: bytes | None, partition: int = 0) -> None:
        """Write bytes to a partition of `usage`."""
        async with self.kafka.producer(client_id="test") as producer:
            for value in values:
                await producer.send_and_wait(
                    self.topics.usage, value, key=b"gate", partition=partition
                )

    async def as_owner(self, *statements: str) -> None:
        """Run statements as the owner of the tables, who may do anything, in one transaction."""
        connection = await asyncpg.connect(self.database)
        try:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement)
        finally:
            await connection.close()

    def writer(self, owner: str = "test") -> Writer:
        """Return a writer into this ledger."""
        return Writer(self.pool, SystemClock(), topic=self.topics.usage, owner=owner)

    async def write(self, *events: UsageEvent, partition: int = 0) -> None:
        """Put usage into the ledger as a biller would, after what is there."""
        writer = self.writer()
        claim = await writer.claim(partition)
        values = [
            (claim.next_offset + place, usage.encode(each, at=each.captured_at))
            for place, each in enumerate(events)
        ]
        await writer.write(partition, claim.owner_epoch, batches.read(values), None)

    @contextlib.asynccontextmanager
    async def biller(self) -> AsyncIterator[None]:
        """Run a biller meanwhile, with a new consumer after each loss, as its process does."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._bill(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def _bill(self, stop: asyncio.Event) -> None:
        ports = BillerPorts(
            writer=self.writer(),
            clock=SystemClock(),
            metrics=self.metrics,
            on_commit=asyncio.Event(),
        )

        async def stay() -> None:
            consumer = self.kafka.group_consumer(
                group=f"{self.topics.prefix}biller", client_id="test-biller"
            )
            await Biller(consumer, self.topics.usage, ports).run(stop)

        await process.retry_until_stop(stay, stop=stop, what="Kafka")

    async def amounts(self, account: str = ACCOUNT) -> tuple[int, int, int]:
        """Return available, held and receivable, in tokens (which come out whole here)."""
        found = await self.accounts.balance(account)
        return found.available // 1_000, found.held // 1_000, found.receivable // 1_000

    async def session(self, stream: str = "gate", epoch: int = 1) -> asyncpg.Record:
        """Return a session's row."""
        row = await self.pool.fetchrow(
            "select * from session where stream = $1 and epoch = $2", stream, epoch
        )
        assert row is not None
        return row

    async def frames(self) -> dict[str, int]:
        """Return the frames in `usage_minute` by status."""
        rows = await self.pool.fetch(
            "select status, sum(frames)::int8 as frames from usage_minute group by status"
        )
        return {row["status"]: row["frames"] for row in rows}

    async def until(self, holds: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        """Wait until it holds; fail after a while."""
        async with asyncio.timeout(WAIT_S):
            while not await holds():  # noqa: ASYNC110  (what it waits for is in the database)
                await asyncio.sleep(0.02)

    async def until_read(self, offset: int, partition: int = 0) -> None:
        """Wait until the ledger stands at `offset` of a partition."""

        async def is_read() -> bool:
            at = await self.pool.fetchval(
                "select next_offset from consumer_position where partition = $1", partition
            )
            return at is not None and at >= offset

        await self.until(is_read)


def asking(stream: str = "gate", frames: int = 10, account: str = ACCOUNT) -> OpenSession:
    """Return a request to open a session."""
    return OpenSession(
        account=account,
        stream=stream,
        model=MODEL.model,
        height=640,
        width=640,
        tier=Tier.STANDARD,
        frames=frames,
    )


def event(first: int, last: int, status: Status = Status.DETECTED, **changes: Any) -> UsageEvent:
    """Return an event of the session that `House.open` opens first."""
    fields = {
        "account": ACCOUNT,
        "stream": "gate",
        "epoch": 1,
        "model": MODEL.model,
        "model_version": "v1",
        "height": 640,
        "width": 640,
        "captured_at": CAPTURED_AT,
    }
    return UsageEvent(first=first, last=last, status=status, **(fields | changes))
