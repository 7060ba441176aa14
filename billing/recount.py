"""Counts usage again, from the topic and from an archive, and compares it with the ledger.

Events up to the biller's position must be in the ledger; events after it may be. So what is
charged lies between the two counts, and equals both once the biller has read everything. An
archive comes first, and the topic goes on where it ends; where neither has the beginning any more
(retention), only what is left can be counted, and the recount says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from billing.coverage import Coverage
from billing.queries import sql
from billing.usage_log import usage_log
from wire import usage
from wire.errors import Rejected
from wire.kafka import ConsumerRecord, Kafka
from wire.topics import Topics
from wire.usage import Status

Identity = tuple[str, int, str, str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """One snapshot of the ledger: positions by partition, charged frames by session."""

    positions: Mapping[int, int]
    charged: Mapping[Identity, int]


class Counted(NamedTuple):
    """What a recount needs of an event, and where on the topic it lies."""

    partition: int
    offset: int
    identity: Identity
    first: int
    last: int
    is_detected: bool


class UsageArchive(Protocol):
    """Events that were exported, in the order of the topic, from its beginning on if it can be."""

    def events(self) -> Iterable[Counted | None]:
        """Return the events; None stands for a message that is no usage event."""
        ...

    def reaches(self) -> tuple[Mapping[int, int], bool]:
        """Return the offset behind the last event by partition, and whether nothing is missing."""
        ...


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
            parts.append("a part is gone, whose charges cannot be counted again")
        return "; ".join(parts)


async def read_books(connection: Any, topic: str, account: str | None = None) -> Books:
    """Read what is compared, in the caller's snapshot: all of it, or one account's."""
    positions = await connection.fetch(sql("audit.positions"), topic)
    sessions = await connection.fetch(sql("audit.sessions"), account)
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


async def recount(
    books: Books,
    *,
    kafka: Kafka | None,
    topics: Topics | None,
    archive: UsageArchive | None = None,
) -> Recount:
    """Read the archive, then what the topic has behind it, and compare.

    Raises `Retryable` when Kafka is away, and what reading the archive raises.
    """
    counter = _Counter(books)
    reached: Mapping[int, int] = {}
    is_whole = True
    if archive is not None:
        for event in archive.events():
            counter.add(event)
        reached, is_whole = archive.reaches()
    if kafka is not None and topics is not None:
        is_whole &= await _count_topic(kafka, topics, counter, reached)
    else:
        is_whole &= all(reached.get(number, 0) >= end for number, end in books.positions.items())
    return counter.compare(is_whole=is_whole)


async def _count_topic(
    kafka: Kafka, topics: Topics, counter: "_Counter", reached: Mapping[int, int]
) -> bool:
    """Count what the topic has behind what was counted; say whether nothing lies between."""

    def take(record: ConsumerRecord) -> None:
        counter.add_record(record.partition, record.offset, record.value)

    async with usage_log(kafka, topics, client_id="framemeter-audit") as log:
        beginnings = await log.beginnings()
        starts = {each: max(start, reached.get(each, 0)) for each, start in beginnings.items()}
        await log.read(starts, await log.ends(), take)
    return all(start <= reached.get(each, 0) for each, start in beginnings.items())


def counted(partition: int, offset: int, value: bytes | None) -> Counted | None:
    """Read a message; what the biller calls unbillable is nothing here either."""
    try:
        event = usage.decode(value)
    except Rejected:
        return None
    return Counted(
        partition,
        offset,
        (event.stream, event.epoch, event.account, event.model, event.height, event.width),
        event.first,
        event.last,
        event.status is Status.DETECTED,
    )


class _Counter:
    def __init__(self, books: Books) -> None:
        self._books = books
        self._tallies: dict[Identity, _Tally] = {}
        self._events = 0
        self._unread = 0

    def add_record(self, partition: int, offset: int, value: bytes | None) -> None:
        """Count one message of the topic."""
        self._unread += offset >= self._books.positions.get(partition, 0)
        self.add(counted(partition, offset, value))

    def add(self, event: Counted | None) -> None:
        """Count one event, if the ledger knows its session."""
        self._events += 1
        if event is None or event.identity not in self._books.charged:
            return
        tally = self._tallies.setdefault(event.identity, _Tally())
        fresh = sum(end - start for start, end in tally.seen.add(event.first, event.last + 1))
        if event.is_detected:
            tally.possible += fresh
            is_due = event.offset < self._books.positions.get(event.partition, 0)
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
