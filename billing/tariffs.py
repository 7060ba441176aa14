"""The tariffs of this place, and which plan an account is on.

Tariffs are append-only: each starts after all that were there before, so the price of any moment
is known and stays. An open session keeps its price when a new one starts. Promises that an
account's plan has a price now and under every tariff that will start.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from billing import tariff_document
from billing.database import connected, in_transaction
from billing.queries import sql
from billing.tariff import Tariff
from wire.clock import Clock
from wire.errors import Rejected, UnknownAccount
from wire.names import is_name

START_GRACE = timedelta(minutes=1)
"""How far back a new tariff may start, so that one may start "now"."""
_LOCK = 0x66726D6574617266
"""Tariffs and plans change one at a time, so that neither outruns the other's check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The outcome of `add`: `applied` is False when the very same tariff was there already."""

    tariff: Tariff
    applied: bool


class Tariffs:
    """Adds and reads tariffs; puts accounts on plans."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def add(self, document: str) -> Added:
        """Add a tariff that starts after all others and not before now, within `START_GRACE`.

        A repeat of the same document changes nothing. Raises `Rejected`.
        """
        tariff = tariff_document.decode(document)
        return await in_transaction(self._pool, lambda connection: self._add(connection, tariff))

    async def _add(self, connection: Any, tariff: Tariff) -> Added:
        await connection.execute(sql("tariffs.lock"), _LOCK)
        known = await _list(connection)
        if any(each == tariff for each in known):
            return Added(tariff=tariff, applied=False)
        now = self._clock.now()
        check_new(tariff, known, now)
        check_plans(tariff, [row["plan"] for row in await _plans_in_use(connection)])
        await connection.execute(
            sql("tariffs.add"),
            tariff.version,
            tariff.starts_at,
            tariff_document.encode(tariff),
            now,
        )
        return Added(tariff=tariff, applied=True)

    async def list(self) -> list[Tariff]:
        """Return all tariffs in the order of their start."""
        async with connected(self._pool) as connection:
            return await _list(connection)

    async def get(self, version: str) -> Tariff:
        """Return the tariff of this version; raise `Rejected` when there is none."""
        async with connected(self._pool) as connection:
            return await find_version(connection, version)

    async def in_force(self, at: datetime) -> Tariff:
        """Return the tariff that prices sessions opened at this time; raise `Rejected`."""
        async with connected(self._pool) as connection:
            return await find_in_force(connection, at)

    async def plan(self, account: str) -> str:
        """Return the plan that the account is on; raise `UnknownAccount`."""
        async with connected(self._pool) as connection:
            return await find_plan(connection, account)

    async def set_plan(self, account: str, plan: str) -> bool:
        """Put the account on a plan, for sessions that open from now on; False: it was on it.

        Raises `UnknownAccount`, and `Rejected` when a tariff, now or later, lacks the plan.
        """

        async def work(connection: Any) -> bool:
            await connection.execute(sql("tariffs.lock"), _LOCK)
            before = await find_plan(connection, account)
            for row in await connection.fetch(sql("tariffs.from"), self._clock.now()):
                check_plans(tariff_document.decode(row["document"]), [plan])
            await connection.execute(sql("tariffs.set_plan"), account, plan)
            return before != plan

        return await in_transaction(self._pool, work)


def check_new(tariff: Tariff, known: list[Tariff], now: datetime) -> None:
    """Raise `Rejected` unless the tariff may follow the `known` ones, in order of start, now."""
    if any(each.version == tariff.version for each in known):
        raise Rejected(
            f"tariff {tariff.version} is there with another content and stays as it is:"
            " give the new one another version"
        )
    if tariff.starts_at < now - START_GRACE:
        raise Rejected(
            f"tariff {tariff.version} starts at {tariff.starts_at.isoformat()}, which has passed:"
            " let it start later; `framemeter tariff rerate` corrects what was charged"
        )
    if known and tariff.starts_at <= known[-1].starts_at:
        raise Rejected(
            f"tariff {tariff.version} must start after {known[-1].version}, which starts at"
            f" {known[-1].starts_at.isoformat()}"
        )


def check_plans(tariff: Tariff, plans: list[str]) -> None:
    """Raise `Rejected` when the tariff has no price for one of the plans."""
    for plan in plans:
        if plan not in tariff.plans:
            raise Rejected(
                f"tariff {tariff.version} has no plan {plan[:80]!r}, only {' '.join(tariff.plans)}"
            )


async def find_version(connection: Any, version: str) -> Tariff:
    """Return the tariff of this version on a connection in use; raise `Rejected`."""
    known = is_name(version)
    text = await connection.fetchval(sql("tariffs.get"), version) if known else None
    if text is None:
        raise Rejected(
            f"there is no tariff {version[:80]!r}: list them with `framemeter tariff list`"
        )
    return tariff_document.decode(text)


async def find_in_force(connection: Any, at: datetime) -> Tariff:
    """Return the tariff in force at a time, on a connection in use; raise `Rejected`."""
    text = await connection.fetchval(sql("tariffs.in_force"), at)
    if text is None:
        raise Rejected(f"no tariff is in force at {at.isoformat()}: the first one starts later")
    return tariff_document.decode(text)


async def find_plan(connection: Any, account: str) -> str:
    """Return an account's plan on a connection in use; raise `UnknownAccount`."""
    plan = await connection.fetchval(sql("tariffs.plan"), account) if is_name(account) else None
    if plan is None:
        raise UnknownAccount(f"there is no account {account[:80]!r}")
    return str(plan)


async def _list(connection: Any) -> list[Tariff]:
    rows = await connection.fetch(sql("tariffs.list"))
    return [tariff_document.decode(row["document"]) for row in rows]


async def _plans_in_use(connection: Any) -> list[Any]:
    return list(await connection.fetch(sql("tariffs.plans_in_use")))
