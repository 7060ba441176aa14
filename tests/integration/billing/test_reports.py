"""Reports of random usage that the real writer wrote: they equal the ledger to the millitoken."""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing import reports
from billing.batches import read
from billing.catalog import Catalog
from billing.reports import GROUPS, HOUR, UsageRow
from tests.integration.billing.house import ACCOUNT, House, asking, event
from wire import usage
from wire.clock import SystemClock
from wire.errors import Rejected
from wire.frames import Tier
from wire.models import ModelSpec
from wire.usage import Status

pytestmark = pytest.mark.integration

FIRST = datetime(2026, 3, 31, 21, tzinfo=UTC)
HOURS = 8  # over the end of a month
EVENTS = 250
SMALL = ModelSpec(model="yolov8n", version="v1", source="yolov8n.pt", size_class="n")
CONTRACTS = (
    ("gate", "yolov8s", Tier.STANDARD),
    ("gate", "yolov8n", Tier.PRIORITY),
    ("lake", "yolov8n", Tier.STANDARD),
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Frames of one minute, as a plain sum would count them."""

    keys: dict[str, Any]
    frames: int
    millitokens: int
    adjusted: int = 0


def sums(facts: list[Fact], start: datetime, end: datetime, groups: tuple[str, ...]) -> Any:
    """Return what a report of the facts must say, the slow way."""
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for fact in facts:
        counts_by = fact.keys["minute"] if fact.frames else fact.keys["hour"]
        if start <= counts_by < end:
            sum_ = found[tuple(fact.keys[group] for group in groups)]
            sum_[0] += fact.frames
            sum_[1] += fact.millitokens
            sum_[2] += fact.adjusted
    return {key: tuple(sum_) for key, sum_ in found.items()}


def told(rows: list[UsageRow], groups: tuple[str, ...]) -> Any:
    """Return a report in the same shape."""
    names = {"hour": "start", "day": "start"}
    found = {
        tuple(getattr(row, names.get(group, group)) for group in groups): (
            row.frames,
            row.millitokens,
            row.adjusted,
        )
        for row in rows
    }
    assert len(found) == len(rows)
    return found


class Usage:
    """Random usage of three sessions in the ledger, and the facts beside it."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.facts: list[Fact] = []

    async def write(self) -> None:
        """Write everything in batches of events, some of them twice."""
        await Catalog(self.house.pool, SystemClock()).register(SMALL)
        events = []
        for number, (stream, model, tier) in enumerate(CONTRACTS):
            wish = asking(stream, 10)
            grant = await self.house.sessions.open(
                type(wish)(**{**_members(wish), "model": model, "tier": tier})
            )
            events += self._events(number, grant.epoch, grant.unit_price)
        self.random.shuffle(events)
        events += events[:20]
        writer = self.house.writer()
        epoch = (await writer.claim(0)).owner_epoch
        for first in range(0, len(events), 90):
            lines = [
                (first + n, usage.encode(each, at=each.captured_at))
                for n, each in enumerate(events[first : first + 90])
            ]
            await writer.write(0, epoch, read(lines), None)

    def _events(self, number: int, epoch: int, price: int) -> list[Any]:
        stream, model, tier = CONTRACTS[number]
        events, seq = [], 0
        for _ in range(EVENTS):
            frames, status = self.random.randint(1, 5), self.random.choice(list(Status))
            at = FIRST + timedelta(seconds=self.random.randrange(HOURS * 3600))
            events.append(
                event(
                    seq,
                    seq + frames - 1,
                    status,
                    stream=stream,
                    epoch=epoch,
                    model=model,
                    captured_at=at,
                )
            )
            seq += frames
            minute = at.replace(second=0, microsecond=0)
            keys = {"stream": stream, "model": model, "status": status.value, "tier": tier.value}
            keys |= {"minute": minute, "hour": minute.replace(minute=0)}
            keys["day"] = minute.replace(hour=0, minute=0)
            self.facts.append(
                Fact(
                    keys=keys,
                    frames=frames,
                    millitokens=frames * price if status is Status.DETECTED else 0,
                )
            )
        return events

    def any_moment(self) -> datetime:
        return FIRST + timedelta(seconds=self.random.randrange(-1800, HOURS * 3600 + 1800))


def _members(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


async def charged(house: House) -> int:
    return int(
        await house.pool.fetchval(
            "select sum(amount) from transfer where account = $1 and kind = 'charge'"
            " and credit = 'revenue'",
            ACCOUNT,
        )
    )


async def as_owner(dsn: str, *statements: str) -> None:
    """Do what the running processes may not."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_every_report_is_the_sum_of_what_was_written(house: House, database: str) -> None:
    used = Usage(house, seed=4)
    await used.write()
    hour = FIRST + HOUR
    await as_owner(
        database,
        f"insert into rerating values ('r', '{ACCOUNT}', 'v1', '{hour}', '{hour + HOUR}', -7, '',"
        " now())",
        f"insert into rerating_line values ('r', 'gate', 1, '{hour}', '{ACCOUNT}', 1, -7)",
    )
    first = CONTRACTS[0]
    keys = {"stream": first[0], "model": first[1], "tier": first[2].value, "status": "detected"}
    keys |= {"hour": hour, "day": hour.replace(hour=0)}  # type: ignore[dict-item]
    used.facts.append(Fact(keys=keys, frames=0, millitokens=0, adjusted=-7))
    pool = house.pool
    for _ in range(40):
        groups = tuple(used.random.sample(GROUPS[:4], used.random.randrange(5)))
        groups += used.random.choice(((), ("hour",), ("day",)))
        start, end = sorted((used.any_moment(), used.any_moment()))
        rows = await reports.usage(pool, account=ACCOUNT, start=start, end=end, group_by=groups)
        assert told(rows, groups) == sums(used.facts, start, end, groups)
    (total,) = await reports.usage(
        pool, account=ACCOUNT, start=FIRST, end=FIRST + HOURS * HOUR, group_by=()
    )
    assert total.millitokens == await charged(house) > 0
    assert total.adjusted == -7


async def test_whole_hours_are_told_when_their_minutes_are_gone_and_torn_ones_are_refused(
    house: House, database: str
) -> None:
    used = Usage(house, seed=5)
    await used.write()
    april = datetime(2026, 4, 1, tzinfo=UTC)
    await as_owner(database, f"delete from usage_minute where minute < '{april}'")

    async def ask(start: datetime, end: datetime) -> list[UsageRow]:
        return await reports.usage(
            house.pool, account=ACCOUNT, start=start, end=end, group_by=("status",)
        )

    whole = FIRST, FIRST + HOURS * HOUR
    assert sum(row.millitokens for row in await ask(*whole)) == await charged(house)
    for start, end in (
        (FIRST + timedelta(minutes=1), whole[1]),
        (whole[0], FIRST + timedelta(minutes=90)),
    ):
        with pytest.raises(Rejected, match="whole hours"):
            await ask(start, end)
    # Nothing was lost of hours in which nothing was used.
    quiet = FIRST - timedelta(minutes=30)
    assert await ask(quiet, whole[1]) == await ask(*whole)
