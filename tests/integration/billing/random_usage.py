"""Random usage of three sessions, written by the real writer at times of its own, with the facts.

A fact is what a plain sum would count; `sums` is the report that the facts ask for.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from billing.accounts import Accounts
from billing.batches import read
from billing.catalog import Catalog
from billing.rerating import Rerating
from billing.reratings import Reratings
from billing.tariff import TARIFF_V1
from billing.tariff_document import encode
from billing.tariffs import Tariffs
from billing.writer import Writer
from tests.integration.billing.house import ACCOUNT, House, asking, event
from wire import usage
from wire.clock import ManualClock
from wire.frames import Tier
from wire.models import ModelSpec
from wire.usage import Status, UsageEvent

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 3, 31, 21, tzinfo=UTC)
HOURS = 8  # over the end of a month
LAST = FIRST + HOURS * HOUR
EVENTS = 250
BATCH = 90
SMALL = ModelSpec(model="yolov8n", version="v1", source="yolov8n.pt", size_class="n")
CONTRACTS = (
    ("gate", "yolov8s", Tier.STANDARD),
    ("gate", "yolov8n", Tier.PRIORITY),
    ("lake", "yolov8n", Tier.STANDARD),
)
HALF = replace(
    TARIFF_V1, version="half", starts_at=datetime(2027, 1, 1, tzinfo=UTC), alpha=Fraction("0.5")
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Frames of one minute of a session, as they were charged."""

    keys: dict[str, Any]
    frames: int
    millitokens: int

    @property
    def minute(self) -> datetime:
        """When they were captured."""
        return self.keys["minute"]


class RandomUsage:
    """What is written, and when; a correction halves the prices of some hours."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.clock = ManualClock(FIRST)
        self.facts: list[Fact] = []
        self.corrected: dict[tuple[datetime, datetime], int] = {}

    async def write(self) -> None:
        """Write all of it in batches, some events twice, with top-ups in between."""
        await Catalog(self.house.pool, self.clock).register(SMALL)
        accounts = Accounts(self.house.pool, self.clock)
        events = [each for number in range(3) for each in await self._events(number)]
        self.random.shuffle(events)
        events += events[:20]
        writer = Writer(self.house.pool, self.clock, topic=self.house.topics.usage, owner="random")
        epoch = (await writer.claim(0)).owner_epoch
        for first in range(0, len(events), BATCH):
            lines = [
                (first + number, usage.encode(each, at=each.captured_at))
                for number, each in enumerate(events[first : first + BATCH])
            ]
            await writer.write(0, epoch, read(lines), None)
            await accounts.top_up(ACCOUNT, self.random.randint(1, 90_000), f"bill {first}")
            self.clock.advance(self.random.randint(1, 3_600))

    async def correct(self, start: datetime, end: datetime) -> None:
        """Book half the price for these whole hours; once."""
        late = ManualClock(LAST + HOUR)
        await Tariffs(self.house.pool, late).add(encode(HALF))
        asked = Rerating(account=ACCOUNT, start=start, end=end, tariff="half", reason="agreed")
        booked = await Reratings(self.house.pool, late).book(asked)
        self.corrected[start, end] = booked.millitokens

    def any_moment(self) -> datetime:
        """Return a moment within the usage, or somewhat outside."""
        seconds = self.random.randrange(-1_800, HOURS * 3_600 + 1_800)
        return FIRST + timedelta(seconds=seconds)

    def sums(self, start: datetime, end: datetime, groups: tuple[str, ...]) -> dict[Any, Any]:
        """Return what a report must say: (frames, millitokens) by the groups' values."""
        found: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
        for fact in self.facts:
            if start <= fact.minute < end:
                amounts = found[tuple(fact.keys[group] for group in groups)]
                amounts[0] += fact.frames
                amounts[1] += fact.millitokens
        return {key: tuple(amounts) for key, amounts in found.items()}

    async def _events(self, number: int) -> list[UsageEvent]:
        stream, model, tier = CONTRACTS[number]
        wish = msgspec.structs.replace(asking(stream, 10), model=model, tier=tier)
        grant = await self.house.sessions.open(wish)
        events, seq = [], 0
        for _ in range(EVENTS):
            frames, status = self.random.randint(1, 5), self.random.choice(list(Status))
            at = FIRST + timedelta(seconds=self.random.randrange(HOURS * 3_600))
            where = {"stream": stream, "epoch": grant.epoch, "model": model, "captured_at": at}
            events.append(event(seq, seq + frames - 1, status, **where))
            seq += frames
            minute = at.replace(second=0, microsecond=0)
            keys = {"stream": stream, "model": model, "tier": tier.value, "status": status.value}
            keys |= {"minute": minute, "hour": minute.replace(minute=0)}  # type: ignore[dict-item]
            keys |= {"day": minute.replace(minute=0, hour=0)}  # type: ignore[dict-item]
            price = grant.unit_price if status is Status.DETECTED else 0
            self.facts.append(Fact(keys=keys, frames=frames, millitokens=frames * price))
        return events
