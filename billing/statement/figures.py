"""The figures of a statement, all as of one moment of the ledger.

Balances are counted back from what the account has now: opening + top-ups - charges + adjustments
is the closing balance, to the millitoken. A balance is what is free, plus what grants hold, less
what is owed.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg

from billing.queries import sql
from billing.reports import check_account, snapshot, usage_sums
from billing.usage_table import Period
from wire.errors import Rejected, UnknownAccount

ENTRIES_MAX = 1_000
HOURLY_MAX = timedelta(days=3)
"""Longer periods are drawn by the day."""

Step = Literal["hour", "day"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How the balance came from its opening to its closing; all in millitokens."""

    opening: int
    topups: int
    charges: int
    adjustments: int

    @property
    def closing(self) -> int:
        """The balance at the end of the period."""
        return self.opening + self.topups - self.charges + self.adjustments


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractUse:
    """What one stream used under one price contract; frames by how they ended."""

    stream: str
    model: str
    tier: str
    height: int
    width: int
    unit_price: int
    tariff: str
    frames: dict[str, int] = field(default_factory=dict)
    millitokens: int = 0
    adjusted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUse:
    """What one stream used in one hour or day."""

    stream: str
    start: datetime
    frames: int
    millitokens: int
    adjusted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A top-up or a correction, as it changed the balance."""

    at: datetime
    kind: str
    reference: str
    millitokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The last sealed transfer: who keeps its hash can prove later that nothing was changed."""

    position: int
    at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All that the page shows. `entries_in_all` counts those that are not listed, too."""

    account: str
    period: Period
    made_at: datetime
    movement: Movement
    contracts: tuple[ContractUse, ...]
    step: Step
    steps: tuple[StepUse, ...]
    entries: tuple[Entry, ...]
    entries_in_all: int
    chain_head: ChainHead | None

    @property
    def charged(self) -> int:
        """What the frames captured in the period cost, before corrections."""
        return sum(use.millitokens for use in self.contracts)

    @property
    def adjusted(self) -> int:
        """What those frames' prices were corrected by."""
        return sum(use.adjusted for use in self.contracts)


async def statement(
    pool: "asyncpg.Pool[Any]", *, account: str, period: Period, now: datetime
) -> Statement:
    """Return the account's statement; raise `UnknownAccount`.

    Raises `Rejected` as `reports.usage` does, and when transfers of the period are not kept any
    more, so that its opening balance cannot be proven.
    """
    check_account(account)
    step: Step = "hour" if period.end - period.start <= HOURLY_MAX else "day"
    range_ = period.start, period.end
    async with snapshot(pool) as connection:
        kept_since = await connection.fetchval(sql("statement.kept_since"))
        if kept_since is not None and period.start < kept_since:
            raise Rejected(
                f"transfers before {kept_since:%Y-%m-%d} (UTC) are not kept any more: let the"
                " statement begin then or later"
            )
        by_contract = await usage_sums(
            connection, account, range_, ("stream", "model", "tier", "status", "contract")
        )
        by_step = await usage_sums(connection, account, range_, ("stream", step))
        movement, entries_in_all = await _movement(connection, account, range_)
        entries = await connection.fetch(sql("statement.entries"), account, *range_, ENTRIES_MAX)
        head = await connection.fetchrow(sql("statement.chain_head"))
    made = Statement(
        account=account,
        period=period,
        made_at=now,
        movement=movement,
        contracts=_contracts(by_contract),
        step=step,
        steps=tuple(_step(row) for row in by_step),
        entries=tuple(Entry(**row) for row in entries),
        entries_in_all=entries_in_all,
        chain_head=ChainHead(**head) if head else None,
    )
    assert made.charged == sum(use.millitokens for use in made.steps)
    return made


async def _movement(
    connection: Any, account: str, range_: tuple[datetime, datetime]
) -> tuple[Movement, int]:
    balance = await connection.fetchval(sql("statement.balance"), account)
    if balance is None:
        raise UnknownAccount(f"there is no account {account!r}")
    moved = await connection.fetchrow(sql("statement.movements"), account, *range_)
    change = moved["topups"] - moved["charges"] + moved["adjustments"]
    movement = Movement(
        opening=balance - moved["later"] - change,
        topups=moved["topups"],
        charges=moved["charges"],
        adjustments=moved["adjustments"],
    )
    return movement, moved["entries"]


def _contracts(rows: list[Any]) -> tuple[ContractUse, ...]:
    grouped: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    names = ("stream", "model", "tier", "height", "width", "unit_price", "tariff")
    for row in rows:
        grouped[tuple(row[name] for name in names)].append(row)
    return tuple(
        ContractUse(
            **dict(zip(names, key, strict=True)),
            frames={row["status"]: row["frames"] for row in used if row["frames"]},
            millitokens=sum(row["millitokens"] for row in used),
            adjusted=sum(row["adjusted"] for row in used),
        )
        for key, used in sorted(grouped.items())
    )


def _step(row: Any) -> StepUse:
    return StepUse(
        stream=row["stream"],
        start=row["start"],
        frames=row["frames"],
        millitokens=row["millitokens"],
        adjusted=row["adjusted"],
    )
