"""Reports of a month of fifty streams, in milliseconds, for the usual groupings.

The time is that of a caller: from the question to the rows as values, on one connection. Each
grouping is asked for whole hours, and again with both edges torn, which reads minutes, too.
"""

import statistics
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg

from benchmarks import month
from benchmarks.ground import Site, fresh_ground
from benchmarks.record import Fields, Measured
from billing import reports
from billing.statement.figures import Statement, statement
from billing.usage_table import Period
from cli.deployment import database

GROUPINGS: tuple[tuple[str, ...], ...] = (
    (),
    ("stream",),
    ("stream", "status"),
    ("model", "tier"),
    ("day",),
    ("stream", "day"),
    ("stream", "hour"),
)
RUNS = 9
TORN = timedelta(minutes=17)


async def measure(site: Site) -> AsyncIterator[Measured]:
    """Yield one measurement."""
    async with fresh_ground(site, "reports") as ground, database(ground.target) as pool:
        site.say(f"a month of {month.STREAMS} streams into the ledger")
        minutes, hours = await month.fill(ground.target.postgres)
        site.say(f"{2 * len(GROUPINGS)} reports of it, {RUNS} times each, and its statement")
        whole, sums = await _medians_ms(pool, Period(start=month.START, end=month.END))
        torn, _ = await _medians_ms(pool, Period(start=month.START + TORN, end=month.END - TORN))
        statement_ms, shown = await _statement_ms(pool)
    exact = sums == {month.charged_millitokens()} and is_exact(shown)
    yield Measured(
        benchmark="reports",
        parameters={
            "streams": month.STREAMS,
            "days": month.DAYS,
            "usage_minute_rows": minutes,
            "usage_hour_rows": hours,
            "runs": RUNS,
        },
        figures=figures(whole, torn) | {"statement_ms": statement_ms, "exact": exact},
    )


async def _medians_ms(
    pool: "asyncpg.Pool[Any]", asked: Period
) -> tuple[dict[str, float], set[int]]:
    """Return each grouping's median, and the sums in millitokens that the reports came to."""
    medians, sums = {}, set()
    for grouping in GROUPINGS:
        times = []
        for _ in range(RUNS):
            started = time.perf_counter()
            rows = await reports.usage(
                pool,
                account=month.ACCOUNT,
                start=asked.start,
                end=asked.end,
                group_by=grouping,
            )
            times.append(time.perf_counter() - started)
            sums.add(sum(row.millitokens for row in rows))
        medians[name_of(grouping)] = round(1_000 * statistics.median(times), 1)
    return medians, sums


async def _statement_ms(pool: "asyncpg.Pool[Any]") -> tuple[float, Statement]:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        made = await statement(
            pool,
            account=month.ACCOUNT,
            period=Period(start=month.START, end=month.END),
            now=month.END,
        )
        times.append(time.perf_counter() - started)
    return round(1_000 * statistics.median(times), 1), made


def name_of(grouping: tuple[str, ...]) -> str:
    """Return a grouping as a name."""
    return "_".join(grouping) or "total"


def figures(whole: dict[str, float], torn: dict[str, float]) -> Fields:
    """Return the medians by name, and the slowest of all."""
    return {
        "whole_hours_ms": whole,
        "torn_hours_ms": torn,
        "slowest_ms": max(*whole.values(), *torn.values()),
    }


def is_exact(shown: Statement) -> bool:
    """Say whether the statement's balance goes from nothing to what was not spent."""
    moved = shown.movement
    left = month.TOPPED_UP - month.charged_millitokens()
    return (moved.opening, moved.closing, moved.charges) == (0, left, shown.charged)
