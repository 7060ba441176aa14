"""What an account used and what it was charged: by minute's sums, by transfer, by stream.

Every query is filtered by the account. Figures come from the ledger's own tables, so a report's
total equals what was charged, to the millitoken.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from billing.database import connected
from billing.ledger import Transfer
from billing.queries import sql
from wire.errors import Rejected
from wire.names import is_name, name_rule

GROUPS = ("stream", "model", "status", "hour", "day")
PAGE_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """A sum of frames and their price; members that were not grouped by are None."""

    stream: str | None
    model: str | None
    status: str | None
    start: datetime | None
    frames: int
    millitokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamBill:
    """All sessions of a stream: frames by how they ended, and what they cost."""

    stream: str
    captured: int
    published: int
    frames: dict[str, int]
    charged_millitokens: int
    unit_prices: tuple[int, ...]


async def usage(
    pool: "asyncpg.Pool[Any]",
    *,
    account: str,
    start: datetime,
    end: datetime,
    group_by: tuple[str, ...],
) -> list[UsageRow]:
    """Return the sums of `start` <= minute < `end`; raise `Rejected` for an unknown group.

    `hour` and `day` (UTC) fill the rows' `start`; of both, the hour counts.
    """
    unknown = sorted(set(group_by) - set(GROUPS))
    if unknown:
        raise Rejected(f"group by {', '.join(GROUPS)}, not {', '.join(unknown)}")
    _check_account(account)
    async with connected(pool) as connection:
        rows = await connection.fetch(sql("reports.usage"), account, start, end, list(group_by))
    return [UsageRow(**row) for row in rows]


async def ledger(
    pool: "asyncpg.Pool[Any]", *, account: str, before_id: int | None, limit: int
) -> list[Transfer]:
    """Return the account's transfers, newest first, from before `before_id` if it is given."""
    if not 1 <= limit <= PAGE_MAX:
        raise Rejected(f"a page has 1 to {PAGE_MAX} transfers, not {limit}")
    _check_account(account)
    async with connected(pool) as connection:
        rows = await connection.fetch(sql("reports.ledger"), account, before_id, limit)
    return [Transfer(**row) for row in rows]


async def stream_bill(pool: "asyncpg.Pool[Any]", account: str) -> list[StreamBill]:
    """Return the bill of each of the account's streams, by name."""
    _check_account(account)
    async with connected(pool) as connection:
        rows = await connection.fetch(sql("reports.stream_bill"), account)
    return [
        StreamBill(
            stream=row["stream"],
            captured=row["captured"],
            published=row["published"],
            frames=dict(zip(row["statuses"], row["frames"], strict=True)),
            charged_millitokens=row["charged"],
            unit_prices=tuple(row["unit_prices"]),
        )
        for row in rows
    ]


def _check_account(account: str) -> None:
    if not is_name(account):
        raise Rejected(name_rule("account", account))
