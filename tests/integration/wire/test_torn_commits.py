"""A commit that a broker told to some of its partitions only is whole again for the next owner.

What a killed broker does now and then is done here each time: the coordinator is kept from knowing
some of the partitions, so that it decides the commit and tells it to the others alone.
"""

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.integration.wire.reading import committed, written
from tests.stack.running import RunningStack
from wire.decided import COMMITTED, NOTHING, Decided, last_decided
from wire.kafka import AIOKafkaConsumer, Kafka, TopicPartition
from wire.transactions import Column, LaneProducer, Message

pytestmark = pytest.mark.integration
VERIFICATION = "transaction.partition.verification.enable"
NEXT_OFFSET = 7
USAGE = 1


@pytest.fixture
def unverified(stack: RunningStack) -> Iterator[None]:
    """Let the broker take transactional writes to partitions that the coordinator does not know."""
    admin = AdminClient({"bootstrap.servers": stack.kafka})

    def verify(value: str | None) -> None:
        kind = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        entry = ConfigEntry(VERIFICATION, value, incremental_operation=kind)
        for broker in admin.list_topics(timeout=10).brokers:
            resource = ConfigResource(ResourceType.BROKER, str(broker), incremental_configs=[entry])
            for answer in admin.incremental_alter_configs([resource]).values():
                answer.result(10)

    verify("false")
    yield
    verify(None)


async def commit_in_part(kafka: Kafka, column: Column, told: str) -> None:
    """Commit one message in each output and the offset, and tell `told` of them alone."""
    lane = LaneProducer(kafka, column, broken=lambda reason: None)
    await lane.open()
    producer = lane._producer
    manager = producer._txn_manager
    await last_decided(producer.client, column.transactional_id)  # the scrub's markers are written
    await producer.begin_transaction()
    hidden = {TopicPartition(*output) for output in column.outputs if output[0] != told}
    manager._txn_partitions |= hidden
    if told != "offsets":
        manager.consumer_group_added(column.group)
    for topic, partition in column.outputs:
        await (await producer.send(topic, b"one", partition=partition))
    await producer.send_offsets_to_transaction({column.source: NEXT_OFFSET}, column.group)
    await producer.commit_transaction()
    await lane.discard(gentle=False)


@pytest.mark.usefixtures("unverified")
@pytest.mark.parametrize("told", ["detections", "usage", "offsets"])
async def test_a_torn_commit_is_whole_again_for_the_next_owner(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer, told: str
) -> None:
    names = [topic for topic, _ in column.outputs if topic.endswith(told)]
    await commit_in_part(kafka, column, names[0] if names else told)
    seen = len(written(kafka, column)) + len(written(kafka, column, USAGE))
    assert seen == (0 if told == "offsets" else 1), "the commit is not torn"

    lane = LaneProducer(kafka, column, broken=lambda reason: None)
    await lane.open()
    assert written(kafka, column) == [b"one"]
    assert written(kafka, column, USAGE) == [b"one"]
    assert await committed(member, column) == NEXT_OFFSET

    topic, partition = column.outputs[0]
    two = Message(topic=topic, partition=partition, key=None, value=b"two")
    await lane.transact([two], next_offset=NEXT_OFFSET + 1)
    assert written(kafka, column) == [b"one", b"two"]
    assert await committed(member, column) == NEXT_OFFSET + 1
    await lane.discard(gentle=True)


@pytest.mark.usefixtures("unverified")
async def test_an_owner_that_failed_after_the_fence_hands_the_commit_on(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await commit_in_part(kafka, column, column.outputs[0][0])
    failing = LaneProducer(kafka, column, broken=lambda reason: None)

    async def lost() -> None:
        raise TimeoutError

    monkeypatch.setattr(failing, "_mend", lost)
    with pytest.raises(TimeoutError):
        await failing.open()
    await failing.discard(gentle=False)
    assert written(kafka, column, USAGE) == []

    lane = LaneProducer(kafka, column, broken=lambda reason: None, undelivered=failing.undelivered)
    await lane.open()
    assert written(kafka, column, USAGE) == [b"one"]
    assert await committed(member, column) == NEXT_OFFSET
    assert lane.undelivered is None
    await lane.discard(gentle=True)


@pytest.mark.usefixtures("unverified")
async def test_what_was_aborted_in_part_is_not_brought_back(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer
) -> None:
    lane = LaneProducer(kafka, column, broken=lambda reason: None)
    await lane.open()
    producer = lane._producer
    await last_decided(producer.client, column.transactional_id)
    await producer.begin_transaction()
    producer._txn_manager._txn_partitions.add(TopicPartition(*column.outputs[1]))
    for topic, partition in column.outputs:
        await (await producer.send(topic, b"never", partition=partition))
    await producer.abort_transaction()
    await lane.discard(gentle=False)

    following = LaneProducer(kafka, column, broken=lambda reason: None)
    await following.open()
    topic, partition = column.outputs[1]
    await following.transact(
        [Message(topic=topic, partition=partition, key=None, value=b"later")], next_offset=1
    )
    assert written(kafka, column) == []
    assert written(kafka, column, USAGE) == [b"later"]
    await following.discard(gentle=True)


async def test_the_coordinator_tells_how_the_last_transaction_was_decided(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer
) -> None:
    async def decided() -> Decided | None:
        return await asyncio.wait_for(last_decided(member._client, column.transactional_id), 10)

    assert await decided() is None
    lane = LaneProducer(kafka, column, broken=lambda reason: None)
    await lane._producer.start()
    began = await decided()
    assert began is not None
    assert began.state == NOTHING
    await lane._scrub()
    aborted = await decided()
    assert aborted is not None
    assert aborted.state == "CompleteAbort"
    await lane.transact([], next_offset=1)
    ended = await decided()
    assert ended == Decided(producer_id=began.producer_id, epoch=began.epoch, state=COMMITTED)
    await lane.discard(gentle=True)
