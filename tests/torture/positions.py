"""The biller's positions as an operator sees them, with SQL of our own."""

from datetime import datetime

import asyncpg


async def reset_biller(postgres: str) -> int:
    """Set all positions to the beginning while no biller runs; return how many there are."""
    connection = await asyncpg.connect(postgres)
    try:
        done = await connection.execute("update consumer_position set next_offset = 0")
    finally:
        await connection.close()
    return int(done.split()[-1])


async def partitions_not_read_since(postgres: str, moment: datetime, partitions: int) -> int:
    """Return how many partitions of `usage` were not read to their end after `moment`."""
    connection = await asyncpg.connect(postgres)
    try:
        read = await connection.fetchval(
            "select count(*) from consumer_position where watermark_at > $1", moment
        )
    finally:
        await connection.close()
    return partitions - int(read)


async def streams_at_work(postgres: str) -> set[str]:
    """Return the streams that have had a frame accounted for."""
    connection = await asyncpg.connect(postgres)
    try:
        rows = await connection.fetch(
            "select distinct stream from session where not isempty(covered)"
        )
    finally:
        await connection.close()
    return {row["stream"] for row in rows}


async def counts(postgres: str) -> dict[str, int]:
    """Return how many sessions have not ended and how many news wait in the outbox."""
    connection = await asyncpg.connect(postgres)
    try:
        row = await connection.fetchrow(
            "select (select count(*) from session where state in ('open', 'closing')) as sessions,"
            " (select count(*) from outbox) as news"
        )
    finally:
        await connection.close()
    assert row is not None
    return dict(row)
