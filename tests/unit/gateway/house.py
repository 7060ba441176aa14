"""A whole gateway in memory: real rooms, real app, with fakes at the ports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction

import cv2
import httpx
import numpy as np
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from billing.accounts import TopUp
from billing.keys import Caller
from billing.ledger import Transfer
from billing.pricing import Priced, Question, priced
from billing.reports import UsageRow
from billing.statement.figures import Statement
from billing.tariff import STANDARD_PLAN, TARIFF_V1, BatchDiscount
from billing.usage_table import Period
from gateway.app import Deps, create_app
from gateway.auth import Authenticator
from gateway.balances import Remaining
from gateway.detect import DetectLimits
from gateway.fetch import Fetcher, FetchLimits
from gateway.idempotency import Flights
from gateway.inference import Inference, InferenceLimits, Rooms
from gateway.lines import LineLimits, Lines
from gateway.models import KnownModels
from gateway.replies import Mailbox
from gateway.valkey import Valkey
from gateway.virtual_streams import LineKey
from pipeline.line import Contract, Line
from pipeline.sessions_memory import MemorySessions
from tests.unit.billing.statement.made import made
from tests.unit.gateway.alerts_memory import MemoryAlerts
from tests.unit.gateway.detector_memory import MemoryDetector
from tests.unit.gateway.models_memory import MemoryModels
from wire.balances import Balance
from wire.clock import ManualClock, SystemClock
from wire.errors import NotAllowed, UnknownAccount, UnknownModel
from wire.models import ModelSpec
from wire.sessions import CloseSession, Grant, OpenSession, RenewSession

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
NOBODY = "redis://127.0.0.1:1/0"
SCOPES = frozenset({"detect", "sessions", "read"})
TARIFF = replace(
    TARIFF_V1,
    version="v9",
    batch_discounts=(BatchDiscount(from_images=8, factor=Fraction("0.9")),),
    plans={STANDARD_PLAN: Fraction(1), "half": Fraction("0.5")},
)
MODEL = ModelSpec(model="yolov8s", version="v7", source="/secret/yolov8s.pt", size_class="s")


class MemoryBooks:
    """Accounts, keys, models, ledger and usage, with some rows of each."""

    def __init__(self) -> None:
        self.keys = {
            "key-a": Caller(account="a", scopes=SCOPES, key_id="1"),
            "key-b": Caller(account="b", scopes=SCOPES, key_id="2"),
            "key-poor": Caller(account="poor", scopes=SCOPES, key_id="3"),
            "key-read": Caller(account="a", scopes=frozenset({"read"}), key_id="4"),
            "key-operator": Caller(account=None, scopes=SCOPES | {"admin"}, key_id="5"),
        }
        self.accounts: dict[str, int] = {"a": 50_000, "b": 7_000, "poor": 0}
        self.references: set[str] = set()
        self.looked_up = 0
        self.transfers: list[Transfer] = []
        self.rows: list[UsageRow] = []
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.broken: Exception | None = None
        self.alerts = MemoryAlerts(self.accounts)
        self.models = MemoryModels(MODEL)

    async def authenticate(self, secret: str) -> Caller:
        self.looked_up += 1
        if secret not in self.keys:
            raise NotAllowed("unknown")
        return self.keys[secret]

    async def create(self, account: str) -> bool:
        made = account not in self.accounts
        self.accounts.setdefault(account, 0)
        return made

    async def top_up(self, account: str, millitokens: int, reference: str) -> TopUp:
        if account not in self.accounts:
            raise UnknownAccount(f"there is no account {account!r}")
        fresh = reference not in self.references
        self.references.add(reference)
        self.accounts[account] += millitokens if fresh else 0
        return TopUp(applied=fresh)

    async def balance(self, account: str) -> Balance:
        if self.broken is not None:
            raise self.broken
        if account not in self.accounts:
            raise UnknownAccount(f"there is no account {account!r}")
        available = self.accounts[account]
        return Balance(account=account, version=3, available=available, held=0, receivable=0)

    async def ledger(self, account: str, before_id: int | None, limit: int) -> list[Transfer]:
        rows = [row for row in self.transfers if row.account == account]
        return [row for row in rows if before_id is None or row.id < before_id][:limit]

    async def usage(
        self, account: str, start: datetime, end: datetime, group_by: tuple[str, ...]
    ) -> list[UsageRow]:
        self.asked.append((account, group_by))
        return self.rows

    async def statement(self, account: str, period: Period, now: datetime) -> Statement:
        self.asked.append((account, ("statement",)))
        return made(account=account, period=period, made_at=now)

    async def get(self, model: str) -> ModelSpec:
        if model != MODEL.model:
            raise UnknownModel(f"model {model!r} is not registered here")
        return MODEL

    async def list(self) -> list[ModelSpec]:
        return [MODEL]

    async def quote(self, question: Question) -> Priced:
        """Account `b` is on a plan of half the price."""
        spec = await self.get(question.model)
        plan = "half" if question.account == "b" else STANDARD_PLAN
        return priced(
            question, size_class=spec.size_class, task=spec.task, tariff=TARIFF, plan=plan
        )


@dataclass
class OwnedSessions:
    """`MemorySessions` that look at who asks, as the database does."""

    memory: MemorySessions

    async def open(self, request: OpenSession) -> Grant:
        return await self.memory.open(request)

    async def renew(
        self, stream: str, epoch: int, request: RenewSession, account: str | None
    ) -> Grant:
        self._check(stream, epoch, account)
        return await self.memory.renew(stream, epoch, request)

    async def close(
        self, stream: str, epoch: int, request: CloseSession, account: str | None
    ) -> None:
        self._check(stream, epoch, account)
        await self.memory.close(stream, epoch, request)

    def _check(self, stream: str, epoch: int, account: str | None) -> None:
        session = self.memory.sessions.get((stream, epoch))
        if session is None or account not in (None, session.account):
            raise UnknownAccount("there is no such session of yours")


@dataclass
class House:
    """The app and the fakes around it."""

    books: MemoryBooks
    sessions: MemorySessions
    detector: MemoryDetector
    lines: Lines
    clock: ManualClock
    app: FastAPI
    checks: dict[str, Exception] = field(default_factory=dict)

    def client(self, key: str | None = "key-a") -> httpx.AsyncClient:
        """Return a client that calls with this key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)


@contextmanager
def built(*, timeout_s: float = 2.0) -> Iterator[House]:
    """Give a house; account `a` has 50 tokens, `poor` none, an image costs one."""
    books, sessions = MemoryBooks(), MemorySessions(SystemClock())
    for account, millitokens in books.accounts.items():
        sessions.top_up(account, millitokens)
    mailbox, clock = Mailbox(), ManualClock(START)
    detector = MemoryDetector(mailbox)
    valkey = Valkey(Redis.from_url(NOBODY), clock)
    lines = Lines(_line_maker(sessions, detector), replica="r1", clock=clock, limits=LineLimits())
    checks: dict[str, Exception] = {}
    rooms = Rooms(
        models=KnownModels(books, clock),
        fetcher=Fetcher(FetchLimits(bytes_max=1_000_000, timeout_s=2.0)),
        lines=lines,
        mailbox=mailbox,
        remaining=Remaining(lines, valkey, clock),
    )
    limits = InferenceLimits(pixels_max=1_000_000, max_age_ms=1, jpeg_quality=90, decoders_max=2)
    flights = Flights(valkey, clock, running_max=8, claim_s=60)
    deps = Deps(
        keys=Authenticator(books, clock),
        accounts=books,
        alerts=books.alerts,
        reports=books,
        sessions=OwnedSessions(sessions),
        prices=books,
        registry=books,
        known_models=rooms.models,
        model_book=books.models,
        inference=Inference(rooms, replica="r1", clock=SystemClock(), limits=limits),
        flights=flights,
        limits=DetectLimits(image_bytes_max=200_000, timeout_s=timeout_s, model_default=""),
        needed={"kafka": _check(checks, "kafka"), "postgres": _check(checks, "postgres")},
        useful={"valkey": _check(checks, "valkey")},
        start=(lines.start,),
        stop=(lambda: flights.drain(0.1), lines.stop, rooms.fetcher.close, valkey.close),
        metrics=CollectorRegistry(),
        clock=clock,
    )
    yield House(books, sessions, detector, lines, clock, create_app(deps), checks)


def _line_maker(
    sessions: MemorySessions, detector: MemoryDetector
) -> Callable[[LineKey, str], Line]:
    def make(key: LineKey, stream: str) -> Line:
        contract = Contract(
            account=key.account,
            stream=stream,
            model=key.model,
            height=key.height,
            width=key.width,
            tier=key.tier,
            max_age_ms=1_000,
            frames_per_second=0.0,
            slices=key.slices,
        )
        return Line(contract=contract, sessions=sessions, publisher=detector, clock=SystemClock())

    return make


def _check(checks: dict[str, Exception], name: str) -> Callable[[], object]:
    async def check() -> None:
        if name in checks:
            raise checks[name]

    return check


def png(height: int = 60, width: int = 100) -> bytes:
    """Return a small image with something on it."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[10:30, 20:60] = (0, 200, 255)
    return cv2.imencode(".png", picture)[1].tobytes()
