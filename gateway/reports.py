"""The reports of `billing.reports` on one database pool, as the routes ask for them."""

from datetime import datetime
from typing import Any

import asyncpg

from billing import reports
from billing.ledger import Transfer
from billing.reports import UsageRow
from billing.statement import figures
from billing.statement.figures import Statement
from billing.usage_table import Period


class PoolReports:
    """Reads ledger and usage; changes nothing."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def ledger(self, account: str, before_id: int | None, limit: int) -> list[Transfer]:
        """Return transfers, the newest first, with ids below `before_id`."""
        return await reports.ledger(self._pool, account=account, before_id=before_id, limit=limit)

    async def usage(
        self, account: str, start: datetime, end: datetime, group_by: tuple[str, ...]
    ) -> list[UsageRow]:
        """Return the sums of `start` <= minute < `end`."""
        return await reports.usage(
            self._pool, account=account, start=start, end=end, group_by=group_by
        )

    async def statement(self, account: str, period: Period, now: datetime) -> Statement:
        """Return the figures of a statement."""
        return await figures.statement(self._pool, account=account, period=period, now=now)
