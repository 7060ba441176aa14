"""Kafka as an operator with another client sees it: positions moved back, records written again.

Everything here blocks, speaks through confluent-kafka and waits for the broker's answers.
"""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from tests.torture.observations import Replayed, Reproduced
from wire.topics import Topics

TIMEOUT_S = 30.0
QUIET = 2
"""Of librdkafka's log, what is critical: the broker is away on purpose."""
POLL_S = 5.0
COPIES_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A committed record of a topic."""

    partition: int
    offset: int
    written_ms: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str:
        """Return a header's text, or nothing."""
        return next((value.decode() for key, value in self.headers if key == name), "")


def reader(bootstrap: str) -> Consumer:
    """Return a consumer of committed records that belongs to no group's positions."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "torture.reader",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": QUIET,
        }
    )


def read_all(bootstrap: str, topic: str) -> Iterator[Record]:
    """Yield every committed record of a topic, as of now."""
    consumer = reader(bootstrap)
    try:
        partitions = consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        left = set(partitions)
        deadline = time.monotonic() + TIMEOUT_S
        while left:
            message = consumer.poll(POLL_S)
            if message is None:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{topic} was not read to its end in {TIMEOUT_S} s")
                continue
            error = message.error()
            if error is None:
                yield _record(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            elif error.fatal():
                raise KafkaException(error)
    finally:
        consumer.close()


def write_usage_again(
    bootstrap: str, topic: str, records_max: int, rng: random.Random
) -> list[Reproduced]:
    """Write some records to their partitions again: same bytes, in any order, some repeatedly."""
    there = list(read_all(bootstrap, topic))
    chosen = rng.sample(there, min(records_max, len(there)))
    again = [record for record in chosen for _ in range(rng.randint(1, COPIES_MAX))]
    rng.shuffle(again)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": QUIET})
    for record in again:
        producer.produce(
            topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
            partition=record.partition,
        )
    if producer.flush(TIMEOUT_S):
        raise TimeoutError(f"{topic} did not take records again in {TIMEOUT_S} s")
    return [
        Reproduced(partition=it.partition, offset=it.offset, copies=again.count(it))
        for it in chosen
    ]


def rewind_detectors(bootstrap: str, topics: Topics, *, back: int | None) -> list[Replayed]:
    """Move the detectors' positions back while none runs; return what they will take again.

    `back` is how many records per partition; None forgets the group with all its positions.
    """
    group = f"{topics.prefix}detector"
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": QUIET})
    _await_empty(admin, group)
    known = [it for it in _stable_offsets(admin, group, topics) if it.offset > 0]
    if back is None:
        admin.delete_consumer_groups([group], request_timeout=TIMEOUT_S)[group].result(TIMEOUT_S)
        return [_replayed(it, 0) for it in known]
    earlier = [TopicPartition(it.topic, it.partition, max(0, it.offset - back)) for it in known]
    if earlier:
        change = [ConsumerGroupTopicPartitions(group, earlier)]
        done = admin.alter_consumer_group_offsets(change, request_timeout=TIMEOUT_S)
        _raise_errors(done[group].result(TIMEOUT_S).topic_partitions)
    return [_replayed(it, to.offset) for it, to in zip(known, earlier, strict=True)]


def lag(bootstrap: str, topics: Topics) -> int:
    """Return how many frames the detectors have not committed yet."""
    group = f"{topics.prefix}detector"
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": QUIET})
    committed = {
        (it.topic, it.partition): max(0, it.offset) for it in _stable_offsets(admin, group, topics)
    }
    consumer = reader(bootstrap)
    try:
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, number), TIMEOUT_S)[1]
            - committed.get((topic, number), 0)
            for topic in topics.frames_all
            for number in range(topics.partitions)
        )
    finally:
        consumer.close()


def _record(message: Message) -> Record:
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None, "a consumed message has its place"
    headers: Any = message.headers() or ()
    return Record(
        partition=partition,
        offset=offset,
        written_ms=message.timestamp()[1],
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value)) for name, value in headers),
    )


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _stable_offsets(admin: AdminClient, group: str, topics: Topics) -> list[TopicPartition]:
    """Return a group's positions once no transaction is about to change one of them.

    Every partition is asked for by name: in an answer about whatever there is, one whose first
    position is about to be committed is left out.
    """
    partitions = [
        TopicPartition(topic, number)
        for topic in topics.frames_all
        for number in range(topics.partitions)
    ]
    asked = [ConsumerGroupTopicPartitions(group, partitions)]
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answer = admin.list_consumer_group_offsets(
            asked, require_stable=True, request_timeout=TIMEOUT_S
        )
        found = answer[group].result(TIMEOUT_S).topic_partitions
        unstable = [it for it in found if it.error is not None]
        if not unstable:
            return list(found)
        if time.monotonic() > deadline:
            raise KafkaException(unstable[0].error)
        time.sleep(0.2)


def _await_empty(admin: AdminClient, group: str) -> None:
    """Wait until the broker has forgotten the members that were killed before."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answers = admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)
        if not answers[group].result(TIMEOUT_S).members:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"group {group} still has members after {TIMEOUT_S} s")
        time.sleep(0.2)


def _raise_errors(partitions: Iterable[TopicPartition]) -> None:
    for it in partitions:
        if it.error is not None:
            raise KafkaException(it.error)


def _replayed(committed: TopicPartition, first: int) -> Replayed:
    return Replayed(
        topic=committed.topic, partition=committed.partition, first=first, end=committed.offset
    )
