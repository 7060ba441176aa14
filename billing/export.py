"""Exports what was used and what was booked, day by day (UTC), to Parquet files.

    usage/<day>.parquet          events as they lie on the topic, by partition and offset
    usage_minute/<day>.parquet   their sums by the minute
    transfer/<day>.parquet       sealed transfers with their place in the chain, and its hashes

Days of `usage` and `transfer` are ranges of offsets and positions, cut where the first of a day
lies: they leave no gap and overlap nowhere, so a row beside midnight may be in its neighbour.
A whole day that is exported again gives the same file. What retention has taken meanwhile does
not take it out of a file that is there. With an account, all of it lies in `account=<name>/`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from billing import parquet
from billing.chain import GENESIS, Dropped, Seal
from billing.database import connected
from billing.ledger import Transfer
from billing.parquet import Row, RowSink
from billing.queries import sql
from billing.sealer import SEALS_PER_PAGE_MAX, read_dropped, transfers_by_id
from billing.usage_log import UsageLog, usage_log
from wire import usage
from wire.errors import Rejected, Retryable
from wire.kafka import ConsumerRecord, Kafka
from wire.topics import Topics

SEAL = ("position", "transfer", "at", "hash")
DAY = timedelta(days=1)
DAYS_MAX = 3_660
QUIET_ROUNDS = 50
"""Ten seconds of silence before a partition counts as held up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One file: how many rows it got, or why it was left as it is; `note` says what to know."""

    path: Path
    rows: int | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files of an export lie, and whose they are (None: everyone's)."""

    folder: Path
    account: str | None

    def file(self, kind: str, day: date) -> Path:
        """Return a day's file."""
        root = self.folder / f"account={self.account}" if self.account else self.folder
        return root / kind / f"{day.isoformat()}.parquet"


def days_between(first: date, last: date, today: date) -> list[date]:
    """Return the days from `first` to `last`, both included; raise `Rejected` if there are none."""
    if first > last or last > today:
        raise Rejected(f"there are no days from {first} to {last} that have begun (UTC)")
    if (last - first).days >= DAYS_MAX:
        raise Rejected(f"export at most {DAYS_MAX} days at once")
    return [first + DAY * number for number in range((last - first).days + 1)]


def start_of(day: date) -> datetime:
    """Return a day's first moment."""
    return datetime.combine(day, time(), UTC)


class Export:
    """Writes days into a place."""

    def __init__(self, place: Place, *, now: datetime) -> None:
        self._place = place
        self._now = now

    async def usage(self, kafka: Kafka, topics: Topics, days: list[date]) -> list[Exported]:
        """Write the events of the days; raise `Retryable` when Kafka or the disk is away."""
        done = []
        async with usage_log(kafka, topics, client_id="framemeter-export") as log:
            for day in days:
                done.append(await self._usage_day(log, topics.usage, day))
        return done

    async def _usage_day(self, log: UsageLog, topic: str, day: date) -> Exported:
        path = self._place.file("usage", day)
        starts, ends = await log.at(start_of(day)), await log.at(start_of(day + DAY))
        beginnings = await log.beginnings()
        is_cut = any(0 < beginnings[each] >= start for each, start in starts.items())
        if is_cut and path.exists():
            return Exported(path=path, rows=None, note="kept: the topic has lost what came first")
        with parquet.writing(path, "usage") as sink:
            await self._copy(log, starts, ends, sink)
            ranges = {str(each): [starts[each], ends[each]] for each in sorted(starts)}
            sink.describe(self._about("usage", day) | {"topic": topic, "partitions": ranges})
        lost = "the topic has lost what came first" if is_cut else ""
        return Exported(path=path, rows=sink.rows, note=lost or self._unfinished(day))

    async def _copy(
        self, log: UsageLog, starts: Mapping[int, int], ends: Mapping[int, int], sink: RowSink
    ) -> None:
        """Copy partition after partition, so that the rows have one order."""

        def take(record: ConsumerRecord) -> None:
            row = usage_row(record)
            if self._place.account in (None, row.get("account")):
                sink.add(row)

        for each in sorted(starts):
            only = {**starts, **{other: ends[other] for other in starts if other != each}}
            if await log.read(only, ends, take, quiet_rounds_max=QUIET_ROUNDS):
                raise Retryable(
                    f"usage partition {each} cannot be read up to {ends[each]}: a transaction on"
                    " it stays open; try again in a minute"
                )

    async def ledger(self, pool: "asyncpg.Pool[Any]", days: list[date]) -> list[Exported]:
        """Write minutes and transfers of the days, each day from one snapshot."""
        done = []
        for day in days:
            async with (
                connected(pool) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                done.append(await self._minutes(connection, day))
                done.append(await self._transfers(connection, day))
        return done

    async def _minutes(self, connection: Any, day: date) -> Exported:
        path = self._place.file("usage_minute", day)
        dropped = await connection.fetchval(sql("archive.minutes_dropped"))
        if dropped and start_of(day) < dropped:
            return _gone(path)
        with parquet.writing(path, "usage_minute") as sink:
            arguments = (start_of(day), start_of(day + DAY), self._place.account)
            query = sql("archive.minutes")
            async for row in connection.cursor(query, *arguments, prefetch=parquet.ROWS_PER_GROUP):
                sink.add(dict(row))
            sink.describe(self._about("usage_minute", day))
        return Exported(path=path, rows=sink.rows, note=self._unfinished(day))

    async def _transfers(self, connection: Any, day: date) -> Exported:
        path = self._place.file("transfer", day)
        dropped = await read_dropped(connection)
        if start_of(day) < dropped.before:
            return _gone(path)
        start, end = [
            await connection.fetchval(sql("archive.first_position"), start_of(each))
            for each in (day, day + DAY)
        ]
        with parquet.writing(path, "transfer") as sink:
            missing = await self._chain(connection, range(start, end), dropped, sink)
            about = {"positions": [start, end], "missing": missing}
            sink.describe(self._about("transfer", day) | about)
        waiting = await connection.fetchval(
            sql("archive.unsealed"), start_of(day), start_of(day + DAY)
        )
        left_out = f"{waiting} transfers are not sealed yet and left out" if waiting else ""
        return Exported(path=path, rows=sink.rows, note=left_out or self._unfinished(day))

    async def _chain(
        self, connection: Any, places: range, dropped: Dropped, sink: RowSink
    ) -> list[int]:
        """Write places of the chain; return those whose transfer went with a month beside them."""
        missing = []
        start = places.start
        while page := await connection.fetch(
            sql("archive.seals"), start, places.stop, SEALS_PER_PAGE_MAX
        ):
            seals = [Seal(**{name: row[name] for name in SEAL}) for row in page]
            transfers = await transfers_by_id(connection, seals)
            for seal, row in zip(seals, page, strict=True):
                found = transfers.get(seal.transfer)
                if found is None and not dropped.covers(seal):
                    raise Rejected(f"transfer {seal.transfer} is gone: see `framemeter audit`")
                if found is None:
                    missing.append(seal.position)
                elif self._place.account in (None, found.account):
                    sink.add(transfer_row(seal, row["previous"] or GENESIS, found))
            start = seals[-1].position + 1
        return missing

    def _about(self, kind: str, day: date) -> dict[str, Any]:
        return {"kind": kind, "day": day.isoformat(), "account": self._place.account}

    def _unfinished(self, day: date) -> str:
        return "the day is not over" if start_of(day + DAY) > self._now else ""


def _gone(path: Path) -> Exported:
    kept = "kept: " if path.exists() else ""
    return Exported(path=path, rows=None, note=f"{kept}retention has dropped that month")


def usage_row(record: ConsumerRecord) -> Row:
    """Return a message as a row: its event, or the bytes of what is none."""
    place = {
        "partition": record.partition,
        "offset": record.offset,
        "written_at": datetime.fromtimestamp(record.timestamp / 1_000, UTC),
    }
    try:
        envelope = usage.decode_envelope(record.value)
    except Rejected:
        return place | {"value": record.value}
    return place | {"emitted_at": envelope.time} | msgspec.structs.asdict(envelope.data)


def transfer_row(seal: Seal, previous: bytes, transfer: Transfer) -> Row:
    """Return a transfer as a row, with its place in the chain."""
    chained = {"position": seal.position, "previous": previous, "hash": seal.hash}
    return chained | dataclasses.asdict(transfer)
