"""Real topics and clients: made once, large enough, read committed, partitioned like everyone."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from uuid import uuid4

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from tests.golden.messages import DETECTION, FRAME
from wire import detections, frames
from wire.cloudevents import STRUCTURED_HEADERS
from wire.errors import Misconfigured, Rejected
from wire.frames import Tier
from wire.kafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, Kafka, TopicPartition
from wire.topics import DEADLETTER_BYTES_MAX, MESSAGE_BYTES_MAX, Topics

pytestmark = pytest.mark.integration
WAIT_MS = 20_000


@pytest.fixture
async def topics(kafka: Kafka, topic_prefix: str) -> Topics:
    """All topics under a prefix of their own."""
    made = Topics(prefix=topic_prefix, partitions=3)
    await kafka.create_topics(made.table())
    return made


@pytest.fixture
async def producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer of frames."""
    producer = kafka.producer(client_id="test-producer")
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def lane_producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    """A started transactional producer."""
    producer = kafka.transactional_producer(transactional_id=f"test-{uuid4().hex}")
    await producer.start()
    yield producer
    await producer.stop()


async def read(
    kafka: Kafka, topic: str, count: int, *, partitions: Iterable[int] = range(3)
) -> list[ConsumerRecord]:
    """Return the first `count` records that a committed reader sees, in the order of arrival."""
    reader: AIOKafkaConsumer = kafka.reader(client_id="test-reader", from_start=True)
    await reader.start()
    try:
        reader.assign([TopicPartition(topic, number) for number in partitions])
        async with asyncio.timeout(WAIT_MS / 1_000):
            return [await reader.getone() for _ in range(count)]
    finally:
        await reader.stop()


async def test_topics_are_made_once(kafka: Kafka, topic_prefix: str) -> None:
    table = Topics(prefix=topic_prefix, partitions=3).table()
    made = await kafka.create_topics(table)
    assert sorted(made) == sorted(topic.name for topic in table)
    assert await kafka.create_topics(table) == []


async def test_many_processes_may_make_the_topics_at_once(kafka: Kafka, topic_prefix: str) -> None:
    table = Topics(prefix=topic_prefix, partitions=2).table()
    made = await asyncio.gather(*(kafka.create_topics(table) for _ in range(4)))
    assert sorted(itertools.chain(*made)) == sorted(topic.name for topic in table)


async def test_another_number_of_partitions_is_a_mistake_to_be_told(
    kafka: Kafka, topics: Topics
) -> None:
    with pytest.raises(Misconfigured, match="FRAMEMETER_PARTITIONS"):
        await kafka.create_topics(replace(topics, partitions=4).table())


@pytest.mark.parametrize("prefix", ["no spaces.", "x" * 250])
async def test_names_that_kafka_does_not_take_are_a_mistake_to_be_told(
    kafka: Kafka, prefix: str
) -> None:
    with pytest.raises(Misconfigured, match="refuses"):
        await kafka.create_topics(Topics(prefix=prefix, partitions=1).table())


async def test_a_replication_that_the_cluster_cannot_give_is_a_mistake_to_be_told(
    kafka: Kafka, topic_prefix: str
) -> None:
    with pytest.raises(Misconfigured, match="refuses"):
        await kafka.create_topics(Topics(prefix=topic_prefix).table(), replication=7)


async def test_the_broker_keeps_the_settings_of_the_table(kafka: Kafka, topics: Topics) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for topic in topics.table():
        resource = ConfigResource("topic", topic.name)
        (answer,) = admin.describe_configs([resource]).values()
        kept = {name: entry.value for name, entry in answer.result(WAIT_MS / 1_000).items()}
        assert {name: kept[name] for name in topic.config} == topic.config


async def test_a_missing_topic_is_a_mistake_to_be_told(kafka: Kafka, topic_prefix: str) -> None:
    reader = kafka.reader(client_id="test-reader")
    await reader.start()
    try:
        with pytest.raises(Misconfigured, match="topics create"):
            await kafka.partitions_of(reader, f"{topic_prefix}nowhere")
    finally:
        await reader.stop()


@pytest.mark.parametrize("size", [1, 3_000_000, frames.PICTURE_BYTES_MAX])
async def test_a_large_frame_arrives_as_it_was(
    kafka: Kafka, topics: Topics, producer: AIOKafkaProducer, size: int
) -> None:
    picture = os.urandom(size)
    topic = topics.frames(Tier.PRIORITY)
    headers = frames.encode_headers(FRAME)
    await producer.send_and_wait(topic, picture, key=FRAME.stream.encode(), headers=headers)
    (record,) = await read(kafka, topic, 1)
    frame = frames.decode(record.headers, record.value)
    assert frame.id == FRAME.id
    assert frame.picture == picture


async def test_whatever_fits_a_frames_topic_fits_the_deadletter_topic(
    kafka: Kafka, topics: Topics, lane_producer: AIOKafkaProducer
) -> None:
    junk = os.urandom(MESSAGE_BYTES_MAX - 200)
    stranger = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 2 * MESSAGE_BYTES_MAX}
    )
    stranger.produce(topics.frames(Tier.STANDARD), junk, partition=0, headers={"none": None})
    assert stranger.flush(WAIT_MS / 1_000) == 0
    (record,) = await read(kafka, topics.frames(Tier.STANDARD), 1)
    with pytest.raises(Rejected):
        frames.decode(record.headers, record.value)
    reason = [*record.headers, ("dl_reason", b"x" * 4_000)]
    async with lane_producer.transaction():
        await lane_producer.send_and_wait(topics.deadletter, record.value, headers=reason)
    (dead,) = await read(kafka, topics.deadletter, 1)
    assert (dead.value, list(dead.headers)) == (junk, reason)
    assert len(junk) < MESSAGE_BYTES_MAX < DEADLETTER_BYTES_MAX


async def test_a_message_over_the_limit_is_refused_before_it_is_sent(
    topics: Topics, producer: AIOKafkaProducer
) -> None:
    with pytest.raises(Exception, match="larger than the maximum request size"):
        await producer.send(topics.frames(Tier.STANDARD), bytes(MESSAGE_BYTES_MAX))


async def test_no_reader_sees_what_was_aborted(
    kafka: Kafka, topics: Topics, lane_producer: AIOKafkaProducer
) -> None:
    async def send(value: bytes) -> None:
        await lane_producer.send_and_wait(topics.usage, value, partition=0)

    for number in range(3):
        with pytest.raises(RuntimeError, match="changed its mind"):
            async with lane_producer.transaction():
                await send(b"aborted %d" % number)
                raise RuntimeError("changed its mind")
        async with lane_producer.transaction():
            await send(b"committed %d" % number)
    records = await read(kafka, topics.usage, 3, partitions=[0])
    assert [record.value for record in records] == [b"committed %d" % n for n in range(3)]
    assert [record.offset for record in records] == [2, 6, 10]


async def test_no_reader_sees_a_transaction_that_is_still_open(
    kafka: Kafka, topics: Topics, lane_producer: AIOKafkaProducer
) -> None:
    reader = kafka.reader(client_id="test-reader", from_start=True)
    await reader.start()
    reader.assign([TopicPartition(topics.usage, 0)])
    async with lane_producer.transaction():
        await lane_producer.send_and_wait(topics.usage, b"open", partition=0)
        assert await reader.getmany(timeout_ms=500) == {}
    async with asyncio.timeout(WAIT_MS / 1_000):
        assert (await reader.getone()).value == b"open"
    await reader.stop()


async def test_a_newer_producer_of_a_lane_fences_the_older(kafka: Kafka, topics: Topics) -> None:
    lane = f"lane-{uuid4().hex}"
    older = kafka.transactional_producer(transactional_id=lane)
    await older.start()
    await older.begin_transaction()
    await older.send_and_wait(topics.usage, b"older", partition=0)
    newer = kafka.transactional_producer(transactional_id=lane)
    await newer.start()
    with pytest.raises(Exception, match=r"(?i)fenced|epoch|newer"):
        await older.commit_transaction()
    async with newer.transaction():
        await newer.send_and_wait(topics.usage, b"newer", partition=0)
    (record,) = await read(kafka, topics.usage, 1, partitions=[0])
    assert record.value == b"newer"
    await asyncio.gather(older.stop(), newer.stop(), return_exceptions=True)


async def test_a_stream_is_in_the_same_partition_of_every_column_topic(
    kafka: Kafka, topics: Topics, producer: AIOKafkaProducer
) -> None:
    column = [topic.name for topic in topics.table() if topic.partitions == 3][:6]
    names = [f"park.{number}" for number in range(40)]
    places: dict[str, set[int]] = {}
    for topic in column:
        sent = [await producer.send(topic, b"x", key=name.encode()) for name in names]
        for name, done in zip(names, await asyncio.gather(*sent), strict=True):
            places.setdefault(name, set()).add(done.partition)
    assert all(len(numbers) == 1 for numbers in places.values())
    assert set().union(*places.values()) == {0, 1, 2}
    assert {name: number for name, (number,) in places.items()} == partitions_of_librdkafka(
        kafka, topics.detections, names
    )


def partitions_of_librdkafka(kafka: Kafka, topic: str, names: list[str]) -> dict[str, int]:
    """Return where a plain librdkafka producer with Java's partitioner puts these keys."""
    places: dict[str, int] = {}

    def note(error: object, message: confluent_kafka.Message) -> None:
        assert error is None
        places[(message.key() or b"").decode()] = message.partition() or 0

    other = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random"}
    )
    for name in names:
        other.produce(topic, b"x", key=name.encode(), on_delivery=note)
    assert other.flush(WAIT_MS / 1_000) == 0
    return places


async def test_a_plain_client_reads_what_we_write(
    kafka: Kafka, topics: Topics, lane_producer: AIOKafkaProducer
) -> None:
    async with lane_producer.transaction():
        await lane_producer.send_and_wait(
            topics.detections,
            detections.encode(DETECTION),
            key=DETECTION.stream.encode(),
            headers=STRUCTURED_HEADERS,
        )
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": f"plain-{uuid4().hex}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topics.detections])
    message = await asyncio.to_thread(consumer.poll, WAIT_MS / 1_000)
    consumer.close()
    assert message is not None
    assert message.key() == b"park.north-1"
    assert message.headers() == STRUCTURED_HEADERS
    assert detections.decode(message.value()) == DETECTION


@pytest.mark.parametrize("share_evenly", [False, True])
async def test_members_of_a_group_share_and_commit_only_when_told(
    kafka: Kafka, topics: Topics, producer: AIOKafkaProducer, share_evenly: bool
) -> None:
    for number in range(3):
        await producer.send_and_wait(topics.usage, b"%d" % number, partition=number)
    group = f"group-{uuid4().hex}"
    seen: list[set[bytes]] = []
    for _ in range(2):
        member = kafka.group_consumer(group=group, client_id="m", share_evenly=share_evenly)
        member.subscribe([topics.usage])
        await member.start()
        async with asyncio.timeout(WAIT_MS / 1_000):
            seen.append({(await member.getone()).value or b"" for _ in range(3)})
        await member.stop()
    assert seen == [{b"0", b"1", b"2"}] * 2
