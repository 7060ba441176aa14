"""What the tests of lanes share: a cluster, topics, a lane's column and a member of its group."""

from collections.abc import AsyncIterator

import pytest

from tests.stack.running import RunningStack
from wire.kafka import AIOKafkaConsumer, Kafka, TopicPartition
from wire.topics import Topics
from wire.transactions import Column


@pytest.fixture
def kafka(stack: RunningStack) -> Kafka:
    """The cluster of the stack."""
    return Kafka(bootstrap=stack.kafka)


@pytest.fixture
async def topics(kafka: Kafka, topic_prefix: str) -> Topics:
    """All topics under a prefix of their own."""
    made = Topics(prefix=topic_prefix, partitions=2)
    await kafka.create_topics(made.table())
    return made


@pytest.fixture
def column(topics: Topics) -> Column:
    """What a lane of partition 1 reads and writes."""
    return Column(
        group=f"{topics.prefix}detector",
        source=TopicPartition(topics.frames_all[1], 1),
        outputs=((topics.detections, 1), (topics.usage, 1)),
    )


@pytest.fixture
async def member(kafka: Kafka, column: Column) -> AsyncIterator[AIOKafkaConsumer]:
    """A started member of the group."""
    consumer = kafka.group_consumer(group=column.group, client_id="test-member")
    await consumer.start()
    yield consumer
    await consumer.stop()
