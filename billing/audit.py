"""Proves the books: every check that must hold, each with what it found.

The ledger's checks see one snapshot. Valkey is given a moment to catch up, and the recount reads
the topic `usage` on its own, with nothing of the biller but the idea of a set of frames.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from billing import recount, sealer
from billing.archive import Archive, ArchivedChain, compare
from billing.database import connected
from billing.queries import sql
from billing.relay import balance_key
from wire.balances import Balance, format_tokens
from wire.kafka import Kafka
from wire.topics import Topics

NAMED_MAX = 10
"""How many offenders a detail names."""
GRACE = timedelta(minutes=1)
"""How long after its close a session's frames may be under way before their lack is a fault."""
MIRROR_WAIT_S = 5.0
MIRROR_POLL_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold, whether it does, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """All checks; `ok` when every one of them is."""

    ok: bool
    checks: list[Check]


async def audit(
    pool: "asyncpg.Pool[Any]",
    *,
    redis: Redis | None,
    kafka: Kafka | None,
    topics: Topics | None,
    account: str | None = None,
    archive: Archive | None = None,
) -> AuditReport:
    """Check the ledger, and Valkey, the recount and an exported archive where they are given.

    With an account, the recount is of its usage alone. The pool's user needs to read, no more.
    Raises `Retryable` when the database or Kafka is away: what could not be checked is not ok.
    """
    checks: list[Check] = []
    archived = archive.verify() if archive else None
    async with (
        connected(pool) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in _LEDGER_CHECKS:
            checks.append(await check(connection))
        books = await recount.read_books(connection, topics.usage, account) if topics else None
        if archived is not None:
            await compare(connection, archived)
            checks.append(_archive(archived))
    if redis is not None:
        checks.append(await _valkey(pool, redis))
    if topics is not None and books is not None and (kafka or archive):
        if archive is not None:
            archive.check_topic(topics.usage)
        events = await recount.recount(books, kafka=kafka, topics=topics, archive=archive)
        whose = f" of {account}" if account else ""
        checks.append(Check(name=f"recount{whose}", ok=not events.wrong, detail=events.detail()))
    return AuditReport(ok=all(check.ok for check in checks), checks=checks)


def _archive(chain: ArchivedChain) -> Check:
    gaps = f"; days are missing in {chain.gaps} places" if chain.gaps else ""
    return Check(
        name="archived transfers are untouched",
        ok=not chain.faults,
        detail=(_named("", chain.faults).strip() or f"{chain.verified} verified") + gaps,
    )


async def _legs(connection: Any) -> Check:
    row = await connection.fetchrow(sql("audit.trial"))
    ours = row["available"] + row["held"] + row["revenue"] - row["returned"] - row["receivable"]
    return Check(
        name="legs sum to zero",
        ok=row["issued"] == ours and not row["strange"],
        detail=(
            f"issued {format_tokens(row['issued'])} = available {format_tokens(row['available'])}"
            f" + held {format_tokens(row['held'])}"
            f" + revenue {format_tokens(row['revenue'] - row['returned'])}"
            f" - receivable {format_tokens(row['receivable'])}"
            + (f"; {row['strange']} transfers of unknown accounts" if row["strange"] else "")
        ),
    )


async def _balances(connection: Any) -> Check:
    rows = await connection.fetch(sql("audit.balances"))
    return _nobody("balance = sum of transfers", (row["account"] for row in rows))


async def _held(connection: Any) -> Check:
    rows = await connection.fetch(sql("audit.held"))
    return _nobody("held = held frames x unit price", (row["account"] for row in rows))


async def _charges(connection: Any) -> Check:
    row = await connection.fetchrow(sql("audit.charges"))
    odd = await connection.fetch(sql("audit.hours"))
    return Check(
        name="charges = charged frames x unit price = usage hours",
        ok=row["charged"] == row["priced"] == row["itemised"] and not odd,
        detail=(
            f"transfers {format_tokens(row['charged'])}, sessions {format_tokens(row['priced'])},"
            f" hours {format_tokens(row['itemised'])}" + _named("; differs for", _sessions(odd))
        ),
    )


async def _minutes(connection: Any) -> Check:
    rows = await connection.fetch(sql("audit.minutes"))
    return _nobody("hours = minutes", _sessions(rows))


def _sessions(rows: Iterable[Any]) -> list[str]:
    return [f"{row['stream']}/{row['epoch']}" for row in rows]


async def _references(connection: Any) -> Check:
    rows = await connection.fetch(sql("audit.references"))
    return _nobody(
        "no reference twice", (f"{r['kind']} {r['reference']} of {r['account']}" for r in rows)
    )


async def _reratings(connection: Any) -> Check:
    rows = await connection.fetch(sql("audit.reratings"))
    return _nobody("re-ratings are paid", (row["name"] for row in rows))


async def _seals(connection: Any) -> Check:
    """Walk the hash chain; what is not sealed yet is a fault only if a biller passed it by."""
    chain = await sealer.verify(connection)
    row = await connection.fetchrow(sql("seal.unsealed"))
    faults = [chain.first_fault] if chain.first_fault else []
    if chain.faults > 1:
        faults.append(f"and {chain.faults - 1} after it")
    if row["slipped_in"] is not None:
        faults.append(f"transfer {row['slipped_in']} was slipped in behind the chain")
    if row["transfers"] and row["biller_seen"] and row["biller_seen"] - row["oldest"] > GRACE:
        faults.append(
            f"since {row['oldest'].isoformat()} nothing is sealed: look for a transaction that"
            " does not end (pg_stat_activity) and into the biller's log"
        )
    head = f"; chain head {chain.position}:{chain.hash.hex()}" if chain.position else ""
    waiting = f", {row['transfers']} wait to be sealed" if row["transfers"] else ""
    return Check(
        name="transfers are sealed and untouched",
        ok=not faults,
        detail="; ".join(faults or [f"{chain.verified} verified{waiting}{head}"]),
    )


async def _coverage(connection: Any) -> Check:
    rows = await connection.fetch(sql("audit.coverage"), datetime.now(UTC) - GRACE)
    holes = [_hole(row) for row in rows if not row["under_way"]]
    pending = [_hole(row) for row in rows if row["under_way"]]
    return Check(
        name="no frame is missing",
        ok=not holes,
        detail=(_named("missing in", holes) or "no holes in ended sessions")
        + _named("; still under way in", pending),
    )


def _hole(row: Any) -> str:
    return f"{row['stream']}/{row['epoch']} ({row['missing']} frames)"


async def _unbillable(connection: Any) -> Check:
    rows = await connection.fetch(sql("audit.unbillable"))
    return _nobody("every event has its session", (f"{r['events']}x {r['reason']}" for r in rows))


_LEDGER_CHECKS: Sequence[Callable[[Any], Awaitable[Check]]] = (
    _legs,
    _balances,
    _held,
    _charges,
    _minutes,
    _references,
    _reratings,
    _seals,
    _coverage,
    _unbillable,
)


async def _valkey(pool: "asyncpg.Pool[Any]", redis: Redis) -> Check:
    """Compare Valkey with the ledger; while they differ, look again for some seconds."""
    name = "Valkey = PostgreSQL"
    deadline = asyncio.get_running_loop().time() + MIRROR_WAIT_S
    while True:
        try:
            odd, count = await _mirror_gaps(pool, redis)
        except (RedisError, OSError, TimeoutError) as error:
            return Check(name=name, ok=False, detail=f"Valkey does not answer: {error}")
        if not odd or asyncio.get_running_loop().time() > deadline:
            return Check(
                name=name,
                ok=not odd,
                detail=_named("differs for", odd) or f"{count} accounts agree",
            )
        await asyncio.sleep(MIRROR_POLL_S)


async def _mirror_gaps(pool: "asyncpg.Pool[Any]", redis: Redis) -> tuple[list[str], int]:
    async with connected(pool) as connection:
        rows = await connection.fetch(sql("accounts.all_balances"))
    balances = [Balance(**row) for row in rows]
    async with redis.pipeline(transaction=False) as pipeline:
        for balance in balances:
            pipeline.hmget(
                balance_key(balance.account), ["version", "available", "held", "receivable"]
            )
        copies = await pipeline.execute()
    odd = [
        balance.account
        for balance, copy in zip(balances, copies, strict=True)
        if _numbers(copy) != (balance.version, balance.available, balance.held, balance.receivable)
    ]
    return odd, len(balances)


def _numbers(copy: Sequence[str | bytes | None]) -> tuple[int, ...] | None:
    return None if None in copy else tuple(int(part) for part in copy if part is not None)


def _nobody(name: str, offenders: Iterable[str]) -> Check:
    names = list(offenders)
    return Check(name=name, ok=not names, detail=_named("not for", names) or "holds for all")


def _named(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return f"{what} {', '.join(names[:NAMED_MAX])}{more}"
