"""The biller's one transaction per batch: position, coverage, charges, balances, all or nothing.

Locks are taken in the order position, sessions by (stream, epoch), balances by account. After a
`Retryable` the outcome is unknown: claim the partition again, which reads what was committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from billing import batches, charging
from billing.batches import Identity, Unbillable, UsageBatch
from billing.charging import BilledSession, Decision, SessionCharge, SessionKey
from billing.coverage import Coverage
from billing.database import connected, in_transaction
from billing.ledger import lock_balances, post
from billing.protocol import MoveWatermark
from billing.queries import sql
from wire.clock import Clock


class Fenced(Exception):
    """Another owner has claimed the partition: we are a zombie and wrote nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A partition is ours under `owner_epoch`; reading goes on at `next_offset`."""

    owner_epoch: int
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a committed batch did."""

    next_offset: int
    events: int
    unbillable: int
    charged_millitokens: int
    emitted_at: datetime | None


class Writer:
    """Writes batches of one `usage` topic into the ledger, as `owner`."""

    def __init__(self, pool: "asyncpg.Pool[Any]", clock: Clock, *, topic: str, owner: str) -> None:
        self._pool = pool
        self._clock = clock
        self._topic = topic
        self._owner = owner

    async def register(self, partitions: Sequence[int]) -> None:
        """Make a position for every partition, so that none is forgotten by the watermark."""
        async with connected(self._pool) as connection:
            await connection.execute(
                sql("biller.register_partitions"), self._topic, sorted(partitions)
            )

    async def claim(self, partition: int) -> Claimed:
        """Become the partition's owner; every older owner is fenced from now on."""
        async with connected(self._pool) as connection:
            row = await connection.fetchrow(
                sql("biller.claim"), self._topic, partition, self._owner
            )
        return Claimed(**row)

    async def rewind(self, partition: int, owner_epoch: int) -> None:
        """Set a position back to 0: what was charged already is not charged again."""
        async with connected(self._pool) as connection:
            await connection.execute(sql("biller.rewind"), self._topic, partition, owner_epoch)

    async def move_watermark(self, action: MoveWatermark) -> None:
        """Say that the partition has been read to its end; raise `Fenced` or `Retryable`."""
        async with connected(self._pool) as connection:
            done = await connection.execute(
                sql("biller.move_watermark"),
                self._topic,
                action.partition,
                action.owner_epoch,
                action.at,
            )
        if done != "UPDATE 1":
            raise Fenced

    async def write(
        self, partition: int, owner_epoch: int, batch: UsageBatch, watermark: datetime | None
    ) -> Written:
        """Write the batch; raise `Fenced` or `Retryable`, and then nothing or all was written.

        1. Lock the position; not ours any more: fenced.
        2. Skip what lies below it.
        3. Lock the sessions; only frames that they do not cover yet count.
        4. Lock the balances, in order; write transfers, balances, minutes, unbillable messages.
           (Triggers number the balances and fill the outbox.)
        5. Move the position; commit.
        """

        async def work(connection: Any) -> Written:
            key = self._topic, partition, owner_epoch
            next_offset = await connection.fetchval(sql("biller.lock_position"), *key)  # 1
            if next_offset is None:
                raise Fenced
            rest = batches.after(batch, next_offset)  # 2
            if rest is None:
                return Written(
                    next_offset=next_offset,
                    events=0,
                    unbillable=0,
                    charged_millitokens=0,
                    emitted_at=None,
                )
            sessions = await _lock_sessions(connection, rest.lines)  # 3
            decision = charging.decide(rest, sessions)
            reference = (
                f"usage/{self._topic}/{partition}/{rest.first_offset}-{rest.last_offset}"
                f"/{owner_epoch}"
            )
            await self._charge(connection, decision, reference)  # 4
            await self._keep_unbillable(connection, partition, decision.unbillable)
            following = rest.last_offset + 1
            await connection.execute(  # 5
                sql("biller.move_position"), *key, following, watermark
            )
            return _written(rest, decision, following)

        return await in_transaction(self._pool, work)

    async def _charge(self, connection: Any, decision: Decision, reference: str) -> None:
        if not decision.sessions:
            return
        await _cover(connection, decision.sessions)
        balances = await lock_balances(connection, decision.accounts)
        available = {account: balance.available for account, balance in balances.items()}
        entries = charging.entries(decision, available, reference)
        await post(connection, self._clock.now(), entries)
        await _add_usage(connection, decision.sessions)

    async def _keep_unbillable(
        self, connection: Any, partition: int, messages: Sequence[Unbillable]
    ) -> None:
        if messages:
            await connection.execute(
                sql("biller.keep_unbillable"),
                self._topic,
                partition,
                [message.offset for message in messages],
                [message.reason for message in messages],
                [message.value for message in messages],
                self._clock.now(),
            )


def _written(batch: UsageBatch, decision: Decision, next_offset: int) -> Written:
    return Written(
        next_offset=next_offset,
        events=len(batch.messages),
        unbillable=len(decision.unbillable),
        charged_millitokens=sum(
            charge.from_held + charge.otherwise for charge in decision.accounts.values()
        ),
        emitted_at=batch.emitted_at,
    )


async def _lock_sessions(
    connection: Any, identities: "dict[Identity, list[batches.Line]]"
) -> dict[SessionKey, BilledSession]:
    keys = sorted({(identity.stream, identity.epoch) for identity in identities})
    rows = await connection.fetch(
        sql("biller.lock_sessions"), [key[0] for key in keys], [key[1] for key in keys]
    )
    return {(row["stream"], row["epoch"]): _session(row) for row in rows}


def _session(row: Any) -> BilledSession:
    return BilledSession(
        identity=Identity(
            row["stream"],
            row["epoch"],
            row["account"],
            row["model"],
            row["height"],
            row["width"],
        ),
        unit_price=row["unit_price"],
        state=row["state"],
        last_seq=row["last_seq"],
        in_doubt=row["in_doubt"],
        held_frames=row["held_frames"],
        covered=Coverage((part.lower, part.upper) for part in row["covered"]),
    )


async def _cover(connection: Any, charges: Sequence[SessionCharge]) -> None:
    """Add the fresh frames to the sessions; the database itself refuses one that is not fresh."""
    done = await connection.execute(
        sql("biller.cover"),
        [charge.identity.stream for charge in charges],
        [charge.identity.epoch for charge in charges],
        [str(charge.fresh) for charge in charges],
        [charge.charged_frames for charge in charges],
        [charge.held_frames for charge in charges],
        [charge.settled for charge in charges],
    )
    assert done == f"UPDATE {len(charges)}", "a frame was about to be counted twice"


async def _add_usage(connection: Any, charges: Sequence[SessionCharge]) -> None:
    lines = [(charge.identity, use) for charge in charges for use in charge.minutes]
    await connection.execute(
        sql("biller.add_usage"),
        [identity.stream for identity, _ in lines],
        [identity.epoch for identity, _ in lines],
        [use.minute for _, use in lines],
        [use.status.value for _, use in lines],
        [identity.account for identity, _ in lines],
        [use.frames for _, use in lines],
        [use.millitokens for _, use in lines],
    )
