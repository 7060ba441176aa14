"""Ends sessions whose owners vanished, and frees what they held, as late as is safe.

A frame may be accounted for until its session has ended, its greatest age has passed, and the
biller has since read every partition of `usage` to its end (the watermark). Only then can no paid
usage come any more, and what the session holds goes back. One janitor works at a time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from billing.database import in_transaction
from billing.ledger import Entry, Kind, Purse, lock_balances, post
from billing.queries import sql
from wire.frames import MAX_AGE_MS_MAX

JANITOR_LOCK = 0x66726D65746A616E
SESSIONS_PER_ROUND_MAX = 1_000
FRAME_AGE_S_MAX = MAX_AGE_MS_MAX / 1_000
EXPIRY_SLACK_S = 30.0
"""Covers sends and transactions under way (10-12 s at most) and clocks that differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """How late is safe. `usage_topic` None: all partitions that the database knows count."""

    usage_topic: str | None = None
    frame_age_s: float = FRAME_AGE_S_MAX
    slack_s: float = EXPIRY_SLACK_S


async def expire(pool: "asyncpg.Pool[Any]", now: datetime, expiry: Expiry) -> int:
    """Expire at most `SESSIONS_PER_ROUND_MAX` sessions; return how many."""
    return await in_transaction(pool, lambda connection: _expire(connection, now, expiry))


async def _expire(connection: Any, now: datetime, expiry: Expiry) -> int:
    if not await connection.fetchval(sql("sessions.lead_janitor"), JANITOR_LOCK):
        return 0
    watermark = await connection.fetchval(sql("sessions.watermark"), expiry.usage_topic)
    if watermark is None:
        return 0
    before = min(watermark, now) - timedelta(seconds=expiry.frame_age_s + expiry.slack_s)
    rows = await connection.fetch(sql("sessions.lock_expired"), before, SESSIONS_PER_ROUND_MAX)
    if not rows:
        return 0
    await connection.execute(
        sql("sessions.expire"),
        [row["stream"] for row in rows],
        [row["epoch"] for row in rows],
        ["settled" if row["complete"] else "expired" for row in rows],
        now,
    )
    entries = [_release(row) for row in rows if row["held_frames"]]
    await lock_balances(connection, (entry.account for entry in entries))
    await post(connection, now, entries)
    return len(rows)


def _release(row: Any) -> Entry:
    return Entry(
        kind=Kind.RELEASE,
        account=row["account"],
        debit=Purse.HELD,
        credit=Purse.AVAILABLE,
        amount=row["held_frames"] * row["unit_price"],
        reference=f"expire/{row['stream']}/{row['epoch']}",
    )
