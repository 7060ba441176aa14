"""Re-ratings in the ledger: shown, booked in one transaction, and never edited.

Promises that a re-rating with the same parameters is booked once, and that two of one account
take turns: the balance is locked before its hours are read, so each sees the other's lines and no
charge comes in between. What is charged for those hours later keeps the sessions' own price.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from billing import rerating
from billing.database import connected, in_transaction
from billing.ledger import lock_balance, post
from billing.queries import sql
from billing.rerating import Line, Rerating, UsedHour
from billing.tariff import PriceTerms
from billing.tariffs import find_plan, find_version
from wire.clock import Clock
from wire.errors import Rejected
from wire.frames import Tier
from wire.slicing import parse, tiles_of


class Outcome(StrEnum):
    """What became of a re-rating: shown only, booked now, booked before, or nothing to book."""

    SHOWN = "shown"
    BOOKED = "booked"
    EXISTS = "exists"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """The lines of a re-rating and their sum in millitokens (below zero: paid back).

    Of one that was booked before: no lines, and the sum that was booked.
    """

    id: str
    outcome: Outcome
    lines: tuple[Line, ...]
    millitokens: int


class Reratings:
    """Shows and books what a period would have cost under another tariff."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def show(self, asked: Rerating) -> Correction:
        """Return what `book` would do, and do nothing. Raises as `book` does."""
        rerating.check(asked, self._clock.now())
        async with (
            connected(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await find_plan(connection, asked.account)  # refuses an unknown account
            return await _correction(connection, asked)

    async def book(self, asked: Rerating) -> Correction:
        """Write the lines and the `adjust` transfers that they add up to, once.

        Raises `UnknownAccount`, and `Rejected` for a period that is not whole hours of the past
        or terms that the tariff has no price for.
        """
        now = self._clock.now()
        rerating.check(asked, now)
        return await in_transaction(
            self._pool, lambda connection: self._book(connection, asked, now)
        )

    async def _book(self, connection: Any, asked: Rerating, now: datetime) -> Correction:
        balance = await lock_balance(connection, asked.account)
        found = await _correction(connection, asked)
        changed = [line for line in found.lines if line.difference]
        if found.outcome is Outcome.EXISTS:
            return found
        if not changed:
            return _with(found, Outcome.NOTHING)
        await connection.execute(
            sql("rerating.add"),
            asked.id,
            asked.account,
            asked.tariff,
            asked.start,
            asked.end,
            found.millitokens,
            asked.reason,
            now,
        )
        await _add_lines(connection, asked, changed)
        await post(connection, now, rerating.entries(asked, found.millitokens, balance.available))
        return _with(found, Outcome.BOOKED)


def _with(found: Correction, outcome: Outcome) -> Correction:
    return Correction(
        id=found.id, outcome=outcome, lines=found.lines, millitokens=found.millitokens
    )


async def _correction(connection: Any, asked: Rerating) -> Correction:
    booked = await connection.fetchval(sql("rerating.booked"), asked.id)
    if booked is not None:
        return Correction(id=asked.id, outcome=Outcome.EXISTS, lines=(), millitokens=booked)
    tariff = await find_version(connection, asked.tariff)
    rows = await connection.fetch(sql("rerating.used"), asked.account, asked.start, asked.end)
    lines = rerating.lines([_used(row) for row in rows], tariff)
    return Correction(
        id=asked.id, outcome=Outcome.SHOWN, lines=lines, millitokens=rerating.total(lines)
    )


def _used(row: Any) -> UsedHour:
    if row["size_class"] is None:
        raise Rejected(
            f"session {row['stream']}/{row['epoch']} was opened before size classes were kept with"
            " sessions, and its model is gone: leave its hours out of the period"
        )
    return UsedHour(
        stream=row["stream"],
        epoch=row["epoch"],
        hour=row["hour"],
        frames=row["frames"],
        charged=row["charged"],
        corrected=row["corrected"],
        terms=PriceTerms(
            size_class=row["size_class"],
            height=row["height"],
            width=row["width"],
            tier=Tier(row["tier"]),
            task=row["task"],
            plan=row["plan"],
            images=row["batch_images"],
            tiles=tiles_of(None if row["slices"] is None else parse(row["slices"])),
        ),
    )


async def _add_lines(connection: Any, asked: Rerating, changed: Sequence[Line]) -> None:
    await connection.execute(
        sql("rerating.add_lines"),
        asked.id,
        asked.account,
        [line.stream for line in changed],
        [line.epoch for line in changed],
        [line.hour for line in changed],
        [line.frames for line in changed],
        [line.difference for line in changed],
    )
