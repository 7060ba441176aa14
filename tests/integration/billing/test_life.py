"""A long, seeded, random life of one ledger; at the end the audit must find nothing."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from billing.audit import audit
from billing.batches import read
from billing.writer import Fenced, Writer
from tests.integration.billing.house import House, event
from tests.integration.billing.test_sealer import seal_all
from tests.integration.billing.test_sessions import closing, renewal, watch
from wire import usage
from wire.errors import Refused
from wire.usage import Status, UsageEvent

pytestmark = pytest.mark.integration

STEPS = 400
STATUSES = [Status.DETECTED] * 6 + [status for status in Status if status is not Status.DETECTED]


class Life:
    """Producers that publish within their grants, and usage that comes late, twice and torn."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.granted: dict[tuple[str, int], int] = {}
        self.published: dict[tuple[str, int], int] = {}
        self.over: set[tuple[str, int]] = set()
        self.truth: dict[tuple[str, int, int], Status] = {}
        self.queue: list[UsageEvent] = []
        self.writers: list[tuple[Writer, int]] = []
        self.offset = 0

    async def step(self) -> None:
        actions = [self.open, self.renew, self.publish, self.publish, self.deliver, self.deliver]
        actions += [self.close, self.claim] if self.random.random() < 0.3 else []
        try:
            await self.random.choice(actions)()
        except Refused:
            return

    async def open(self) -> None:
        stream = f"cam-{self.random.randrange(4)}"
        grant = await self.house.open(stream, frames=self.random.randint(1, 12))
        self.over |= {key for key in self.granted if key[0] == stream}
        key = stream, grant.epoch
        self.granted[key], self.published[key] = grant.granted_frames, 0

    def living(self) -> tuple[str, int] | None:
        keys = sorted(self.granted.keys() - self.over)
        return self.random.choice(keys) if keys else None

    async def renew(self) -> None:
        if key := self.living():
            wish = renewal(self.published[key], frames=self.random.randint(1, 12))
            self.granted[key] = (await self.house.sessions.renew(*key, wish)).granted_frames

    async def publish(self) -> None:
        key = self.living()
        if key is None or self.published[key] == self.granted[key]:
            return
        first = self.published[key]
        last = self.random.randint(first, self.granted[key] - 1)
        self.published[key] = last + 1
        stream, epoch = key
        status = self.random.choice(STATUSES)
        self.queue.append(event(first, last, status, stream=stream, epoch=epoch))

    async def close(self) -> None:
        if key := self.living():
            await self.house.sessions.close(*key, closing(self.published[key] - 1))
            self.over.add(key)

    async def claim(self) -> None:
        writer = self.house.writer()
        self.writers.append((writer, (await writer.claim(0)).owner_epoch))

    async def deliver(self) -> None:
        """Write a batch by any owner, old or new, with repeats; keep what a zombie could not."""
        if not self.writers:
            await self.claim()
        count = self.random.randint(1, 6)
        events, rest = self.queue[:count], self.queue[count:]
        events += self.random.choices(events, k=2) if events else []
        if not events:
            return
        writer, epoch = self.random.choice(self.writers[-2:])
        batch = read([(self.offset + n, encoded(each)) for n, each in enumerate(events)])
        try:
            await writer.write(0, epoch, batch, None)
        except Fenced:
            assert epoch != self.writers[-1][1]
            return
        self.queue = rest
        self.offset += len(events)
        for each in events:
            for seq in range(each.first, each.last + 1):
                self.truth.setdefault((each.stream, each.epoch, seq), each.status)

    async def end(self) -> None:
        for key in sorted(self.granted.keys() - self.over):
            await self.house.sessions.close(*key, closing(self.published[key] - 1))
        await self.claim()
        while self.queue:
            await self.deliver()
        late = datetime.now(UTC) + timedelta(hours=1)
        await watch(self.house, late)
        await self.house.sessions.expire(late)


def encoded(each: UsageEvent) -> bytes:
    return usage.encode(each, at=each.captured_at)


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_the_books_are_right(house: House, seed: int) -> None:
    life = Life(house, seed)
    for _ in range(STEPS):
        await life.step()
    await life.end()
    detected = sum(status is Status.DETECTED for status in life.truth.values())
    assert detected > 20
    assert await house.amounts() == (max(100 - detected, 0), 0, max(detected - 100, 0))
    await seal_all(house, batch_size_max=50)
    report = await audit(house.pool, redis=None, kafka=None, topics=None)
    assert report.ok, report.checks
