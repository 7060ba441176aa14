"""Cameras and HTTP images on one small balance, at random and at once: nothing is overspent.

Lines, sessions and ledger are the real ones; the topic and the clock are in memory.
"""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from billing import sealer
from billing.audit import audit
from billing.catalog import Catalog
from billing.janitor import Expiry
from billing.sessions import Sessions
from gateway.line_sessions import LineSessions
from gateway.lines import LineLimits, Lines
from gateway.virtual_streams import LineKey
from pipeline.line import Contract, Line
from tests.integration.billing.house import ACCOUNT, MODEL, House
from tests.integration.billing.test_sessions import watch, write
from tests.unit.pipeline.frames_memory import MemoryFrames
from wire.clock import ManualClock
from wire.errors import InsufficientTokens, Refused, Retryable
from wire.frames import Frame, Tier
from wire.models import ModelSpec
from wire.usage import Status, UsageEvent

pytestmark = pytest.mark.integration

ROUNDS = 60
AT_ONCE = 10
CAMERAS = 5
SMALL = ModelSpec(model="yolov8n", version="v1", source="yolov8n.pt", size_class="n")
PRICES = {MODEL.model: 1_000, SMALL.model: 700}
ISSUED = 100_000
STATUSES = [Status.DETECTED] * 5 + [Status.CACHED, Status.EXPIRED]


class Crowd:
    """Everyone who spends from the account."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.clock = ManualClock(datetime.now(UTC))
        expiry = Expiry(frame_age_s=5.0, slack_s=1.0)
        self.sessions = Sessions(house.pool, self.clock, 60.0, expiry=expiry)
        self.told = LineSessions(self.sessions)
        self.frames = MemoryFrames()
        self.cameras = [self.camera(number) for number in range(CAMERAS)]
        self.images = Lines(
            self.line, replica="r1", clock=self.clock, limits=LineLimits(lines_max=10)
        )
        self.billed = 0
        self.biller = asyncio.Lock()
        self.truth: dict[str, tuple[Status, int]] = {}
        self.seen: Counter[str] = Counter()

    def line(self, key: LineKey, stream: str, frames_per_second: float = 0.0) -> Line:
        contract = Contract(
            account=key.account,
            stream=stream,
            model=key.model,
            height=key.height,
            width=key.width,
            tier=key.tier,
            max_age_ms=1_000,
            frames_per_second=frames_per_second,
        )
        return Line(contract=contract, sessions=self.told, publisher=self.frames, clock=self.clock)

    def key(self) -> LineKey:
        model = self.random.choice(sorted(PRICES))
        return LineKey(account=ACCOUNT, model=model, height=640, width=640, tier=Tier.STANDARD)

    def camera(self, number: int) -> Line:
        return self.line(self.key(), f"cam-{number}", self.random.choice([0.1, 0.5, 1.0, 2.0]))

    async def step(self) -> None:
        """Let several do something at the same time."""
        acts = [self.film, self.film, self.film, self.film, self.send_image, self.send_image]
        acts += [self.bill, self.replace, self.release]
        await asyncio.gather(*(self.random.choice(acts)() for _ in range(AT_ONCE)))
        self.clock.advance(self.random.choice([0.1, 1.0, 5.0]))
        self.frames.lose = {self.random.randrange(20)} if self.random.random() < 0.2 else set()
        assert (await self.house.accounts.balance(ACCOUNT)).receivable == 0

    async def film(self) -> None:
        await self.publish(self.random.choice(self.cameras))

    async def send_image(self) -> None:
        try:
            async with self.images.use(self.key()) as line:
                await self.publish(line)
        except Refused as error:
            self.seen[type(error).__name__] += 1

    async def publish(self, line: Line) -> None:
        try:
            await line.publish(
                b"jpeg", captured_at=self.clock.now(), source_height=1, source_width=1
            )
        except InsufficientTokens:
            self.seen["InsufficientTokens"] += 1
        except (Refused, Retryable) as error:
            self.seen[type(error).__name__] += 1

    async def bill(self) -> None:
        """Let some of the published frames end, each with a status; some are told twice."""
        async with self.biller:
            await self.bill_some()

    async def bill_some(self) -> None:
        until = min(len(self.frames.written), self.billed + self.random.randint(1, 15))
        fresh, self.billed = self.frames.written[self.billed : until], until
        again = self.random.choices(self.frames.written[:until], k=2) if until else []
        events = [self.ended(frame) for frame in fresh + again]
        if events:
            await write(self.house, *events)

    def ended(self, frame: Frame) -> UsageEvent:
        status = self.random.choice(STATUSES)
        self.truth.setdefault(frame.id, (status, PRICES[frame.model]))
        return UsageEvent(
            account=frame.account,
            stream=frame.stream,
            epoch=frame.epoch,
            first=frame.seq,
            last=frame.seq,
            status=status,
            model=frame.model,
            model_version="v1",
            height=frame.height,
            width=frame.width,
            captured_at=frame.captured_at,
        )

    async def replace(self) -> None:
        """Close a camera's line, or let another owner take over without a word."""
        number = self.random.randrange(CAMERAS)
        before, self.cameras[number] = self.cameras[number], self.camera(number)
        if self.random.random() < 0.7:
            await before.close("replaced")

    async def release(self) -> None:
        await self.images.free(ACCOUNT, but=self.key())

    async def end(self) -> None:
        """Close everything, let all frames end, and let time pass."""
        await self.images.stop()
        await asyncio.gather(*(line.close("end") for line in self.cameras))
        while self.billed < len(self.frames.written):
            await self.bill()
        late = self.clock.now() + timedelta(hours=1)
        await watch(self.house, late)
        await self.sessions.expire(late)


@pytest.mark.parametrize("seed", range(3))
async def test_many_on_one_small_balance_overspend_nothing(house: House, seed: int) -> None:
    await Catalog(house.pool, ManualClock(datetime.now(UTC))).register(SMALL)
    crowd = Crowd(house, seed)
    for _ in range(ROUNDS):
        await crowd.step()
    await crowd.end()
    charged = sum(price for status, price in crowd.truth.values() if status is Status.DETECTED)
    assert charged <= ISSUED
    assert crowd.seen["InsufficientTokens"] and charged > 0.5 * ISSUED, crowd.seen
    balance = await house.accounts.balance(ACCOUNT)
    assert (balance.available, balance.held, balance.receivable) == (ISSUED - charged, 0, 0)
    await sealer.seal(house.pool)
    report = await audit(house.pool, redis=None, kafka=None, topics=None)
    assert [check for check in report.checks if not check.ok] == []
