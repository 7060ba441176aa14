"""Topics as confluent-kafka reads them: every committed record, the ends, the groups' positions.

Reads with `read_committed`. Before reading it waits a while for transactions of dead producers to
time out; one that stays open hides what lies behind it and is reported.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

TIMEOUT_S = 30.0
POLL_S = 5.0
OPEN_TRANSACTION_S = 20.0
"""Twice as long as the detectors' transactions may take."""
FIRST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LAST = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Place = tuple[str, int]
"""A topic and a partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One committed record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def at(self) -> str:
        """Where it lies, for people."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The first offset that is still there, and the ends: of all and of what is committed."""

    low: int
    high: int
    stable: int

    @property
    def is_open(self) -> bool:
        """Whether a transaction hides records."""
        return self.stable < self.high


class Cluster:
    """One cluster, read from outside."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap})

    def bounds(self, places: Sequence[Place]) -> dict[Place, Bounds]:
        """Return the bounds; wait a while for open transactions to end."""
        deadline = time.monotonic() + OPEN_TRANSACTION_S
        while True:
            found = self.bounds_now(places)
            if time.monotonic() > deadline or not any(it.is_open for it in found.values()):
                return found
            time.sleep(0.5)

    def bounds_now(self, places: Sequence[Place]) -> dict[Place, Bounds]:
        """Return the bounds as they are, whatever is open."""
        low = self._offsets(places, FIRST, IsolationLevel.READ_UNCOMMITTED)
        stable = self._offsets(places, LAST, IsolationLevel.READ_COMMITTED)
        high = self._offsets(places, LAST, IsolationLevel.READ_UNCOMMITTED)
        return {
            place: Bounds(low=low[place], high=high[place], stable=stable[place])
            for place in places
        }

    def read(self, bounds: Mapping[Place, Bounds]) -> Iterator[Record]:
        """Yield every committed record of these partitions."""
        left = {place for place, found in bounds.items() if found.low < found.stable}
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "torture.checker",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
        )
        try:
            consumer.assign([TopicPartition(*place, bounds[place].low) for place in sorted(left)])
            deadline = time.monotonic() + TIMEOUT_S
            while left:
                message = consumer.poll(POLL_S)
                if message is None:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"{sorted(left)} were not read in {TIMEOUT_S} s")
                    continue
                deadline = time.monotonic() + TIMEOUT_S
                error = message.error()
                if error is None:
                    yield _record(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((message.topic(), message.partition()))
                else:
                    raise KafkaException(error)
        finally:
            consumer.close()

    def committed(self, group: str) -> dict[Place, int]:
        """Return where a group stands; partitions without a position are left out."""
        asked = [ConsumerGroupTopicPartitions(group)]
        try:
            answer = self._admin.list_consumer_group_offsets(
                asked, require_stable=True, request_timeout=TIMEOUT_S
            )[group].result(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return {}
            raise
        return {
            (it.topic, it.partition): it.offset for it in answer.topic_partitions if it.offset >= 0
        }

    def _offsets(
        self, places: Sequence[Place], spec: OffsetSpec, isolation: IsolationLevel
    ) -> dict[Place, int]:
        asked = {TopicPartition(*place): spec for place in places}
        answers = self._admin.list_offsets(
            asked, isolation_level=isolation, request_timeout=TIMEOUT_S
        )
        return {(it.topic, it.partition): f.result(TIMEOUT_S).offset for it, f in answers.items()}


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    headers = message.headers() or []
    assert topic is not None and partition is not None and offset is not None
    assert isinstance(headers, list)
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value) or b"") for name, value in headers),
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
