"""All that the checker has read, and what follows from it at once.

`gather` does the reading; the rules look only at this. Records that nobody can read are kept with
the reason.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from redis import Redis

from tests.torture.checker import messages
from tests.torture.checker.kafka import Bounds, Cluster, Place, Record
from tests.torture.checker.ledger import Ledger, Row, read_ledger
from tests.torture.checker.messages import (
    BalanceNews,
    Detection,
    Frame,
    FrameId,
    SessionKey,
    Unreadable,
    Usage,
)
from tests.torture.observations import Observations

TIERS = ("standard", "priority")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What there is. Lists are in the order of (topic, partition, offset)."""

    seen: Observations
    frames: tuple[Frame, ...]
    detections: tuple[Detection, ...]
    replies: tuple[Detection, ...]
    usage: tuple[Usage, ...]
    news: tuple[BalanceNews, ...]
    dead: frozenset[tuple[str, int, int]]
    unreadable: tuple[tuple[Record, str], ...]
    bounds: Mapping[Place, Bounds]
    last_offsets: Mapping[Place, int]
    committed: Mapping[str, Mapping[Place, int]]
    mirror: Mapping[str, Mapping[str, str]]
    ledger: Ledger

    @cached_property
    def sessions(self) -> dict[SessionKey, Row]:
        """Every session by stream and epoch."""
        return {(row["stream"], row["epoch"]): row for row in self.ledger.sessions}

    @cached_property
    def published(self) -> dict[FrameId, Frame]:
        """Every frame by its id: the first copy."""
        first: dict[FrameId, Frame] = {}
        for frame in self.frames:
            first.setdefault(frame.id, frame)
        return first

    @cached_property
    def replayed(self) -> frozenset[FrameId]:
        """The frames that detectors were made to take again."""
        spans: dict[Place, list[range]] = defaultdict(list)
        for it in self.seen.replayed:
            spans[it.topic, it.partition].append(range(it.first, it.end))
        return frozenset(
            frame.id
            for frame in self.frames
            if any(frame.offset in span for span in spans[frame.topic, frame.partition])
        )

    @cached_property
    def original_usage(self) -> tuple[Usage, ...]:
        """Usage events as detectors wrote them: without the copies that were written on purpose."""
        copies: Counter[tuple[int, str]] = Counter()
        digests = {(event.partition, event.offset): event.digest for event in self.usage}
        for it in self.seen.reproduced:
            if (digest := digests.get((it.partition, it.offset))) is not None:
                copies[it.partition, digest] += it.copies
        originals: list[Usage] = []
        for event in reversed(self.usage):  # a copy lies behind its original
            if copies[event.partition, event.digest]:
                copies[event.partition, event.digest] -= 1
            else:
                originals.append(event)
        return tuple(reversed(originals))

    @cached_property
    def billed(self) -> dict[FrameId, Usage]:
        """The first event of each frame that billers could bill: the one that decides."""
        refused = {
            (row["topic"], row["partition"], row["offset"]) for row in self.ledger.unbillable
        }
        first: dict[FrameId, Usage] = {}
        for event in self.usage:
            if (self.topic("usage"), event.partition, event.offset) not in refused:
                for frame in event.frames:
                    first.setdefault(frame, event)
        return first

    @cached_property
    def detected(self) -> Counter[SessionKey]:
        """How many frames of each session must be paid for."""
        return Counter(
            event.session for event in self.billed.values() if event.status == "detected"
        )

    def topic(self, name: str) -> str:
        """Return a topic's full name."""
        return f"{self.seen.prefix}{name}"

    @cached_property
    def frame_topics(self) -> tuple[str, ...]:
        """Both topics of frames."""
        return tuple(self.topic(f"frames.{tier}") for tier in TIERS)

    @cached_property
    def forgotten(self) -> frozenset[Place]:
        """Partitions of frames whose beginning is gone: retention has taken it."""
        return frozenset(
            place
            for place, found in self.bounds.items()
            if place[0] in self.frame_topics and found.low > 0
        )

    def is_complete(self, partition: int) -> bool:
        """Say whether all frames that ever were in this partition's column are still there."""
        return not any(place[1] == partition for place in self.forgotten)


def covered(session: Row) -> Iterable[range]:
    """Return the frame numbers that the ledger counts as accounted for."""
    return [range(first, end) for first, end in session["parts"] or ()]


def minute_of(moment: datetime) -> datetime:
    """Return the beginning of a moment's minute."""
    return moment.replace(second=0, microsecond=0)


def gather(seen: Observations) -> Evidence:
    """Read topics, groups, ledger and Valkey."""
    ledger = asyncio.run(read_ledger(seen.postgres))
    cluster = Cluster(seen.kafka)
    column = [f"{seen.prefix}{name}" for name in ("detections", "usage", "replies", "deadletter")]
    frame_topics = [f"{seen.prefix}frames.{tier}" for tier in TIERS]
    places = [(topic, n) for topic in (*frame_topics, *column) for n in range(seen.partitions)]
    bounds = cluster.bounds([*places, (f"{seen.prefix}balances", 0)])
    records: dict[str, list[Record]] = defaultdict(list)
    last_offsets: dict[Place, int] = {}
    for record in cluster.read(bounds):
        records[record.topic].append(record)
        last_offsets[record.topic, record.partition] = record.offset
    for found in records.values():
        found.sort(key=lambda record: (record.partition, record.offset))
    unreadable: list[tuple[Record, str]] = []

    def read(name: str, parse: Callable[[Record], T]) -> tuple[T, ...]:
        return tuple(_parsed(records[f"{seen.prefix}{name}"], parse, unreadable))

    return Evidence(
        seen=seen,
        frames=tuple(it for tier in TIERS for it in read(f"frames.{tier}", messages.frame_of)),
        detections=read("detections", messages.detection_of),
        replies=read("replies", messages.detection_of),
        usage=read("usage", messages.usage_of),
        news=tuple(it for it in read("balances", messages.balance_of) if it is not None),
        dead=frozenset(map(_origin, records[f"{seen.prefix}deadletter"])),
        unreadable=tuple(unreadable),
        bounds=bounds,
        last_offsets=last_offsets,
        committed={role: cluster.committed(f"{seen.prefix}{role}") for role in _GROUPS},
        mirror=_mirror(seen),
        ledger=ledger,
    )


_GROUPS = ("detector", "biller")


def _parsed(
    records: Iterable[Record],
    parse: Callable[[Record], T],
    unreadable: list[tuple[Record, str]],
) -> Iterable[T]:
    for record in records:
        try:
            yield parse(record)
        except Unreadable as error:
            unreadable.append((record, str(error)))


def _origin(record: Record) -> tuple[str, int, int]:
    """Return where a dead letter says that it came from."""
    headers = dict(record.headers)
    topic, partition, offset = (
        headers.get(f"dl_{name}", b"-1").decode() for name in ("topic", "partition", "offset")
    )
    return topic, int(partition), int(offset)


def _mirror(seen: Observations) -> dict[str, dict[str, str]]:
    """Return what Valkey says about each account."""
    with Redis.from_url(seen.redis, decode_responses=True) as client:
        return {
            account: dict(client.hgetall(f"framemeter:balance:{account}"))
            for account in seen.accounts
        }
