"""A gateway on the real stack, with accounts, keys and a model, and a detector's stand-in."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from billing.accounts import Accounts
from billing.catalog import Catalog
from billing.database import migrate, open_pool
from billing.sessions import Sessions
from gateway.app import Deps, create_app
from gateway.settings import GatewaySettings
from gateway.wiring import Outside, build
from tests.integration.gateway.standin import Standin
from tests.stack.running import RunningStack
from wire.clock import SystemClock
from wire.kafka import Kafka
from wire.models import ModelSpec

PARTITIONS = 3
MODEL = ModelSpec(model="yolov8s", version="v7", source="yolov8s.pt", size_class="s")
SEGMENT_MODEL = ModelSpec(
    model="yolov8s-seg", version="v7", source="yolov8s-seg.pt", size_class="s", task="segment"
)
SCOPES = ("detect", "sessions", "read")


@dataclass(kw_only=True)
class Place:
    """A gateway's surroundings."""

    settings: GatewaySettings
    outside: Outside
    accounts: Accounts
    sessions: Sessions
    standin: Standin
    keys: dict[str, str] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def replica(self, name: str = "r1", **changes: object) -> AsyncIterator[Deps]:
        """Run one replica."""
        settings = self.settings.model_copy(update={"replica": name, **changes})
        outside = Outside(pool=self.outside.pool, clock=SystemClock(), metrics=CollectorRegistry())
        deps = build(settings, outside)
        app = create_app(deps)
        async with app.router.lifespan_context(app):
            self._apps[name] = app
            yield deps

    _apps: dict[str, FastAPI] = field(default_factory=dict)

    def app(self, replica: str = "r1") -> FastAPI:
        """Return a running replica's application."""
        return self._apps[replica]

    def client(self, who: str, replica: str = "r1") -> httpx.AsyncClient:
        """Return a client with the key of an account, or of the operator (`*`)."""
        transport = httpx.ASGITransport(self._apps[replica], raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {self.keys[who]}"}
        return httpx.AsyncClient(
            transport=transport, base_url="http://gateway", headers=headers, timeout=30.0
        )

    async def add_account(self, name: str, *, tokens: int) -> None:
        """Open an account with tokens and a key."""
        await self.accounts.create(name)
        if tokens:
            await self.accounts.top_up(name, tokens * 1_000, f"test {name}")
        self.keys[name] = (await self.accounts.create_key(name, SCOPES)).secret


@pytest.fixture
async def place(
    stack: RunningStack, database: str, topic_prefix: str, redis_url: str
) -> AsyncIterator[Place]:
    """Give a place with account `acme` (100 tokens), `poor` (none) and an operator."""
    settings = GatewaySettings(
        kafka=stack.kafka,
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
        postgres=database,
        redis=redis_url,
        replica="r1",
        detect_timeout_s=10.0,
    )
    kafka, topics, clock = Kafka.of(settings), settings.topics(), SystemClock()
    await kafka.create_topics(topics.table())
    await migrate(database)
    async with await open_pool(database, size_max=5) as pool:
        place = Place(
            settings=settings,
            outside=Outside(pool=pool, clock=clock, metrics=CollectorRegistry()),
            accounts=Accounts(pool, clock),
            sessions=Sessions(pool, clock, 60.0),
            standin=Standin(kafka=kafka, topics=topics),
        )
        for spec in (MODEL, SEGMENT_MODEL):
            await Catalog(pool, clock).register(spec)
        await place.add_account("acme", tokens=100)
        await place.add_account("poor", tokens=0)
        place.keys["*"] = (await place.accounts.create_key(None, (*SCOPES, "admin"))).secret
        async with place.standin.running():
            yield place
