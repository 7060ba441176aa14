"""What an account used and what it was charged: by the hour's sums, by transfer, by stream.

Every query is filtered by the account. Figures come from the ledger's own tables, so the totals
of a report equal what the ledger took, to the millitoken. Whole hours are read from `usage_hour`,
which is kept for good; only what lies before the first and after the last one is read by minute.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from billing.database import connected
from billing.ledger import Transfer
from billing.queries import sql
from wire.errors import Rejected
from wire.names import is_name, name_rule

GROUPS = ("stream", "model", "status", "tier", "hour", "day")
CONTRACT = ("height", "width", "unit_price", "tariff")
"""Columns that tell, with model and tier, why a frame cost what it did."""
PAGE_MAX = 1_000
HOUR = timedelta(hours=1)


class UsageRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sum of frames and their price; members that were not grouped by are None.

    `millitokens` is what was charged, `adjusted` what later re-ratings added (below zero: paid
    back); what the ledger took is their sum.
    """

    stream: str | None
    model: str | None
    status: str | None
    tier: str | None = None
    start: datetime | None
    frames: int
    millitokens: int
    adjusted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBill:
    """All sessions of a stream: frames by how they ended, and what they cost.

    `still` pictures were captured and kept back, because nothing moved in them.
    """

    stream: str
    captured: int
    published: int
    still: int
    frames: dict[str, int]
    charged_millitokens: int
    unit_prices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """A range of time in three parts that follow each other: whole hours between two edges."""

    head: tuple[datetime, datetime]
    whole: tuple[datetime, datetime]
    tail: tuple[datetime, datetime]

    def torn_hours(self) -> list[datetime]:
        """Return the hours of which the range holds a part only."""
        edges = (self.head, self.tail)
        return [_hour_of(begins) for begins, ends in edges if begins < ends]


def spans(start: datetime, end: datetime) -> Spans:
    """Split `start` <= moment < `end` at full hours of UTC."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first, last = -(-(start - _EPOCH) // HOUR) * HOUR + _EPOCH, _hour_of(end)
    if first > last:  # within one hour
        return Spans(head=(start, end), whole=(end, end), tail=(end, end))
    return Spans(head=(start, first), whole=(first, last), tail=(last, end))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


@asynccontextmanager
async def snapshot(pool: "asyncpg.Pool[Any]") -> AsyncIterator[Any]:
    """Lend a connection that sees the ledger as of one moment, with memory to sort in."""
    async with (
        connected(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute(sql("reports.sort_in_memory"))
        yield connection


async def usage(
    pool: "asyncpg.Pool[Any]",
    *,
    account: str,
    start: datetime,
    end: datetime,
    group_by: tuple[str, ...],
) -> list[UsageRow]:
    """Return the sums of `start` <= minute < `end`; raise `Rejected` for an unknown group.

    `hour` and `day` (UTC) fill the rows' `start`; of both, the hour counts. Corrections are known
    by the hour: one belongs to the range in which its hour begins. `Rejected` too when `start` or
    `end` tears an hour whose minutes are not kept any more.
    """
    unknown = sorted(set(group_by) - set(GROUPS))
    if unknown:
        raise Rejected(f"group by {', '.join(GROUPS)}, not {', '.join(unknown)}")
    check_account(account)
    async with snapshot(pool) as connection:
        rows = await usage_sums(connection, account, (start, end), group_by)
    return [_row(row) for row in rows]


async def usage_sums(
    connection: Any, account: str, period: tuple[datetime, datetime], group_by: Sequence[str]
) -> list[Any]:
    """Return the rows of `usage`, in a snapshot; the group `contract` fills `CONTRACT` too.

    Raises `Rejected` for an hour that is torn and has lost its minutes.
    """
    start, end = period
    parts = spans(start, end)
    if torn := parts.torn_hours():
        lost = await connection.fetch(sql("reports.lost_hours"), account, torn)
        if lost:
            raise Rejected(_lost_minutes(lost[0]["hour"]))
    moments = (start, end, *parts.whole, *parts.head, *parts.tail)
    return list(await connection.fetch(sql("reports.usage"), account, *moments, list(group_by)))


def _row(row: Any) -> UsageRow:
    return UsageRow(
        stream=row["stream"],
        model=row["model"],
        status=row["status"],
        tier=row["tier"],
        start=row["start"],
        frames=row["frames"],
        millitokens=row["millitokens"],
        adjusted=row["adjusted"],
    )


def _lost_minutes(hour: datetime) -> str:
    return (
        f"the minutes of the hour {hour:%Y-%m-%dT%H}:00Z are not kept any more, only its sum:"
        " let from and to be whole hours (UTC)"
    )


async def ledger(
    pool: "asyncpg.Pool[Any]", *, account: str, before_id: int | None, limit: int
) -> list[Transfer]:
    """Return the account's transfers, newest first, from before `before_id` if it is given."""
    if not 1 <= limit <= PAGE_MAX:
        raise Rejected(f"a page has 1 to {PAGE_MAX} transfers, not {limit}")
    check_account(account)
    async with connected(pool) as connection:
        rows = await connection.fetch(sql("reports.ledger"), account, before_id, limit)
    return [Transfer(**row) for row in rows]


async def stream_bill(pool: "asyncpg.Pool[Any]", account: str) -> list[StreamBill]:
    """Return the bill of each of the account's streams over its whole life, by name."""
    check_account(account)
    async with connected(pool) as connection:
        rows = await connection.fetch(sql("reports.stream_bill"), account)
    return [
        StreamBill(
            stream=row["stream"],
            captured=row["captured"],
            published=row["published"],
            still=row["still"],
            frames=dict(zip(row["statuses"], row["frames"], strict=True)),
            charged_millitokens=row["charged"],
            unit_prices=tuple(row["unit_prices"]),
        )
        for row in rows
    ]


def check_account(account: str) -> None:
    """Raise `Rejected` for what cannot be an account's name."""
    if not is_name(account):
        raise Rejected(name_rule("account", account))
