"""Counts the topic `usage` again from its beginning and compares each session with the ledger.

Events up to the biller's position must be in the ledger; events after it may be. So what is
charged lies between the two counts, and equals both once the biller has read everything. A topic
whose beginning is gone (retention) can only be counted from where it starts, and says so.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from billing.coverage import Coverage
from billing.queries import sql
from wire import usage
from wire.errors import Rejected, Retryable
from wire.kafka import AIOKafkaConsumer, Kafka, KafkaError, TopicPartition
from wire.topics import Topics
from wire.usage import Status, UsageEvent

FETCH_WAIT_MS = 200
QUIET_ROUNDS = 5
"""Fetches that bring nothing before a partition counts as read: its last records are markers."""
START_TIMEOUT_S = 30.0

Identity = tuple[str, int, str, str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """One snapshot of the ledger: positions by partition, charged frames by session."""

    positions: Mapping[int, int]
    charged: Mapping[Identity, int]


@dataclass(slots=True, kw_only=True)
class _Tally:
    """One session's frames as the topic tells them; `due` are those below the position."""

    seen: Coverage = field(default_factory=Coverage)
    due: int = 0
    possible: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """What the topic says: sessions that differ from the ledger, and how far it was read."""

    events: int
    unread: int
    is_whole: bool
    wrong: list[str]

    def detail(self) -> str:
        """Return what a person wants to know of it."""
        parts = [f"{self.events} events counted again"]
        if self.wrong:
            parts.append("differs: " + ", ".join(self.wrong[:10]))
        if self.unread:
            parts.append(f"{self.unread} of them not read by the biller yet")
        if not self.is_whole:
            parts.append("the topic's beginning is gone, so older charges cannot be counted again")
        return "; ".join(parts)


async def read_books(connection: Any, topic: str) -> Books:
    """Read what is compared, in the caller's snapshot."""
    positions = await connection.fetch(sql("audit.positions"), topic)
    sessions = await connection.fetch(sql("audit.sessions"))
    return Books(
        positions={row["partition"]: row["next_offset"] for row in positions},
        charged={
            (
                row["stream"],
                row["epoch"],
                row["account"],
                row["model"],
                row["height"],
                row["width"],
            ): row["charged_frames"]
            for row in sessions
        },
    )


async def recount(kafka: Kafka, topics: Topics, books: Books) -> Recount:
    """Read all of `usage` and compare; raise `Retryable` when Kafka is away."""
    counter = _Counter(books)
    reader = kafka.reader(client_id="framemeter-audit", from_start=True)
    try:
        await asyncio.wait_for(reader.start(), START_TIMEOUT_S)
        partitions = [TopicPartition(topics.usage, number) for number in range(topics.partitions)]
        reader.assign(partitions)
        starts = await reader.beginning_offsets(partitions)
        ends = await reader.end_offsets(partitions)
        await reader.seek_to_beginning(*partitions)
        await _read(reader, ends, counter)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Retryable(f"Kafka does not answer: {error or type(error).__name__}") from error
    finally:
        await reader.stop()
    return counter.compare(is_whole=not any(starts.values()))


async def _read(
    reader: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], counter: "_Counter"
) -> None:
    """Read what was there at `ends`, however much is written meanwhile.

    The position moves past control records, so it says when a partition is done. Where a
    transaction stays open it cannot reach the end; then silence says so.
    """
    quiet = 0
    left = {partition for partition, end in ends.items() if end > 0}
    while left and quiet < QUIET_ROUNDS:
        fetched = await reader.getmany(*left, timeout_ms=FETCH_WAIT_MS)
        quiet = 0 if fetched else quiet + 1
        for partition, records in fetched.items():
            for record in records:
                counter.add(partition.partition, record.offset, record.value)
        for partition in tuple(left):
            if await reader.position(partition) >= ends[partition]:
                left.discard(partition)


class _Counter:
    def __init__(self, books: Books) -> None:
        self._books = books
        self._tallies: dict[Identity, _Tally] = {}
        self._events = 0
        self._unread = 0

    def add(self, partition: int, offset: int, value: bytes | None) -> None:
        """Count one message; what the biller calls unbillable is nothing here either."""
        is_due = offset < self._books.positions.get(partition, 0)
        self._events += 1
        self._unread += not is_due
        try:
            event = usage.decode(value)
        except Rejected:
            return
        identity = _identity(event)
        if identity in self._books.charged and 0 <= event.first <= event.last:
            self._count(self._tallies.setdefault(identity, _Tally()), event, is_due)

    def _count(self, tally: _Tally, event: UsageEvent, is_due: bool) -> None:
        fresh = sum(end - start for start, end in tally.seen.add(event.first, event.last + 1))
        if event.status is Status.DETECTED:
            tally.possible += fresh
            tally.due += fresh if is_due else 0

    def compare(self, *, is_whole: bool) -> Recount:
        """Return the sessions whose charged frames the topic does not bear out."""
        wrong = []
        for identity, charged in self._books.charged.items():
            tally = self._tallies.get(identity, _Tally())
            if charged < tally.due or (is_whole and charged > tally.possible):
                wrong.append(
                    f"{identity[0]}/{identity[1]} (charged {charged},"
                    f" counted {tally.due} to {tally.possible})"
                )
        return Recount(events=self._events, unread=self._unread, is_whole=is_whole, wrong=wrong)


def _identity(event: UsageEvent) -> Identity:
    return (event.stream, event.epoch, event.account, event.model, event.height, event.width)
