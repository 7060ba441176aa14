"""The ledger as SQL of our own reads it: all rows of all tables about money, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

Row = Mapping[str, Any]

QUERIES = {
    "sessions": (
        "select *, (select array_agg(array[lower(part), upper(part)] order by part)"
        " from unnest(covered) as part) as parts from session order by stream, epoch"
    ),
    "accounts": "select * from account order by account",
    "balances": "select * from balance order by account",
    "transfers": "select *, xid::text::bigint as xid_number from transfer order by id",
    "minutes": "select * from usage_minute",
    "hours": "select * from usage_hour",
    "top_ups": "select * from topup",
    "tariffs": "select *, document::text as text from tariff order by starts_at",
    "reratings": "select * from rerating",
    "rerating_lines": "select * from rerating_line",
    "positions": "select * from consumer_position",
    "outbox": "select * from outbox order by id",
    "alerts": "select * from alert_event order by id",
    "unbillable": "select * from unbillable",
    "seals": "select * from transfer_seal order by position",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Rows by column name, table by table."""

    sessions: tuple[Row, ...]
    accounts: tuple[Row, ...]
    balances: tuple[Row, ...]
    transfers: tuple[Row, ...]
    minutes: tuple[Row, ...]
    hours: tuple[Row, ...]
    top_ups: tuple[Row, ...]
    tariffs: tuple[Row, ...]
    reratings: tuple[Row, ...]
    rerating_lines: tuple[Row, ...]
    positions: tuple[Row, ...]
    outbox: tuple[Row, ...]
    alerts: tuple[Row, ...]
    unbillable: tuple[Row, ...]
    seals: tuple[Row, ...]


async def read_ledger(dsn: str) -> Ledger:
    """Return all rows as of one moment."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = {
                name: tuple(dict(row) for row in await connection.fetch(query))
                for name, query in QUERIES.items()
            }
    finally:
        await connection.close()
    return Ledger(**found)
