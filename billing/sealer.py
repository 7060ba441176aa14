"""Seals transfers: chains them by hash, off the hot path, in the order (transaction, id).

A transfer is sealed once every transaction that began before its own has ended, so none that
commits late is passed over. One sealer works at a time (an advisory lock of the database), in
batches; whatever stops it, the next one goes on behind the last seal. `billing.chain` says what is
hashed.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog

from billing.chain import GENESIS, Dropped, Seal, Verifier, link
from billing.database import in_transaction
from billing.ledger import Transfer
from billing.metrics import BillerMetrics
from billing.queries import sql
from wire.errors import Retryable
from wire.process import wait_or_stop

log = structlog.stdlib.get_logger("billing.sealer")

SEALER_LOCK = 0x66726D657365616C
SEALS_PER_BATCH_MAX = 2_000
EVERY_S = 0.5
SEALS_PER_PAGE_MAX = 5_000
"""How many seals are read at once to verify them."""


async def run(stop: asyncio.Event, pool: "asyncpg.Pool[Any]", metrics: BillerMetrics) -> None:
    """Seal until `stop`, and what there is once more after it."""
    is_last = False
    while not is_last:
        is_last = await wait_or_stop(stop, EVERY_S)
        try:
            while sealed := await seal(pool):
                metrics.sealed_transfers.inc(sealed)
        except Retryable as error:
            log.warning("transfers are not sealed", reason=str(error))


async def seal(pool: "asyncpg.Pool[Any]", *, batch_size_max: int = SEALS_PER_BATCH_MAX) -> int:
    """Seal the next transfers; return how many: 0 when none waits or another sealer works."""
    return await in_transaction(pool, lambda connection: _seal(connection, batch_size_max))


async def _seal(connection: Any, batch_size_max: int) -> int:
    """Seal one batch.

    1. Be the only one.
    2. Find the end of the chain, and the place in the order to go on from.
    3. Take what waits there and has no seal.
    4. Chain it, and write the seals.
    """
    if not await connection.fetchval(sql("seal.lead"), SEALER_LOCK):  # 1
        return 0
    await connection.execute(sql("seal.by_index"))
    head = await connection.fetchrow(sql("seal.head"))  # 2
    position, last_hash = head or (0, GENESIS)
    rows = await _waiting(connection, batch_size_max)  # 3
    if not rows:
        return 0
    seals = []  # 4
    for number, row in enumerate(rows, position + 1):
        last_hash = link(last_hash, transfer_of(row))
        seals.append(Seal(position=number, transfer=row["id"], at=row["at"], hash=last_hash))
    await connection.execute(
        sql("seal.add"),
        [each.position for each in seals],
        [each.transfer for each in seals],
        [each.at for each in seals],
        [row["xid"] for row in rows],
        [each.hash for each in seals],
    )
    return len(seals)


async def _waiting(connection: Any, limit: int) -> Sequence[Any]:
    """Return the next unsealed rows; only a restored database has sealed ones among them."""
    cursor = await connection.fetchrow(sql("seal.cursor")) or (0, 0)
    while True:
        rows = await connection.fetch(sql("seal.waiting"), *cursor, limit)
        found = await connection.fetch(sql("seal.sealed"), [row["id"] for row in rows])
        sealed = {row["transfer"] for row in found}
        fresh = [row for row in rows if row["id"] not in sealed]
        if fresh or len(rows) < limit:
            return fresh
        cursor = (rows[-1]["xid"], rows[-1]["id"])


def transfer_of(row: Any) -> Transfer:
    """Return the transfer of a row that has all its columns."""
    return Transfer(
        id=row["id"],
        at=row["at"],
        kind=row["kind"],
        debit=row["debit"],
        credit=row["credit"],
        amount=row["amount"],
        reference=row["reference"],
        account=row["account"],
    )


async def verify(connection: Any) -> Verifier:
    """Walk the whole chain in the caller's snapshot, a page at a time; return what was found."""
    verifier = Verifier(await read_dropped(connection))
    position = 0
    while page := await connection.fetch(sql("seal.page"), position, SEALS_PER_PAGE_MAX):
        seals = [Seal(**row) for row in page]
        transfers = await transfers_by_id(connection, seals)
        for each in seals:
            verifier.add(each, transfers.get(each.transfer))
        position = seals[-1].position
    return verifier


async def read_dropped(connection: Any) -> Dropped:
    """Return what retention has let go."""
    row = await connection.fetchrow(sql("seal.dropped"))
    if row is None:
        return Dropped()
    return Dropped(before=row["dropped_before"], last_position=row["last_position"])


async def transfers_by_id(connection: Any, seals: Sequence[Seal]) -> dict[int, Transfer]:
    """Return the sealed transfers by id: from their months, or, where missing there, from any."""
    wanted = [seal.transfer for seal in seals]
    first, last = min(seal.at for seal in seals), max(seal.at for seal in seals)
    rows = await connection.fetch(sql("seal.transfers"), wanted, first, last)
    found = {row["id"]: transfer_of(row) for row in rows}
    missing = [number for number in wanted if number not in found]
    if missing:
        rows = await connection.fetch(sql("seal.transfers_anywhere"), missing)
        found |= {row["id"]: transfer_of(row) for row in rows}
    return found
