"""A lane's producer on a real broker: it fences, scrubs, tells of failures, and can be left."""

import asyncio
import time

import pytest

from tests.integration.wire.reading import committed, written
from tests.stack.running import RunningStack
from wire.kafka import AIOKafkaConsumer, Kafka
from wire.topics import Topics
from wire.transactions import Column, LaneProducer, Message

pytestmark = pytest.mark.integration


def producer(kafka: Kafka, column: Column) -> LaneProducer:
    return LaneProducer(kafka, column, broken=lambda reason: None)


def message(column: Column, value: bytes) -> Message:
    topic, partition = column.outputs[0]
    return Message(topic=topic, partition=partition, key=b"gate", value=value)


async def test_messages_and_offset_appear_together(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer
) -> None:
    assert await committed(member, column) is None
    lane = producer(kafka, column)
    await lane.open()
    assert await committed(member, column) is None, "the scrub's offset was aborted"
    await lane.transact([message(column, b"one"), message(column, b"two")], next_offset=7)
    assert await committed(member, column) == 7
    assert written(kafka, column) == [b"one", b"two"]
    await lane.transact([], next_offset=8)
    assert await committed(member, column) == 8
    await lane.discard(gentle=True)


async def test_a_newer_producer_of_the_lane_fences_the_older(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer
) -> None:
    older, newer = producer(kafka, column), producer(kafka, column)
    await older.open()
    await older.transact([message(column, b"mine")], next_offset=1)
    await newer.open()
    with pytest.raises(Exception, match=r".*"):
        await older.transact([message(column, b"a zombie's")], next_offset=2)
    await older.discard(gentle=False)
    await newer.transact([message(column, b"theirs")], next_offset=2)
    assert written(kafka, column) == [b"mine", b"theirs"]
    assert await committed(member, column) == 2
    await newer.discard(gentle=True)


async def test_a_transaction_left_open_is_aborted_by_the_next_producer(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer
) -> None:
    left = producer(kafka, column)
    await left.open()
    await left._producer.begin_transaction()
    await (await left._send(message(column, b"never committed")))
    await left.discard(gentle=False)
    lane = producer(kafka, column)
    await lane.open()
    await lane.transact([message(column, b"committed")], next_offset=1)
    assert written(kafka, column) == [b"committed"]
    await lane.discard(gentle=True)


async def test_a_message_that_the_broker_refuses_fails_the_whole_transaction(
    kafka: Kafka, column: Column, member: AIOKafkaConsumer
) -> None:
    lane = producer(kafka, column)
    await lane.open()
    too_large = message(column, b"x" * 4_200_000)  # fits the client's limit, not the topic's
    with pytest.raises(Exception, match=r".*"):
        await lane.transact([message(column, b"small"), too_large], next_offset=1)
    await lane.discard(gentle=False)
    again = producer(kafka, column)
    await again.open()
    assert written(kafka, column) == []
    assert await committed(member, column) is None
    await again.discard(gentle=True)


async def test_a_partition_outside_the_column_is_a_programming_error(
    kafka: Kafka, column: Column, topics: Topics
) -> None:
    lane = producer(kafka, column)
    await lane.open()
    stray = Message(topic=topics.detections, partition=0, key=None, value=b"x")
    with pytest.raises(AssertionError):
        await lane.transact([stray], next_offset=1)
    await lane.discard(gentle=False)


async def test_a_lost_connection_is_told_once_and_discarding_is_bounded(
    kafka: Kafka, column: Column, stack: RunningStack
) -> None:
    told: list[str] = []
    lane = LaneProducer(kafka, column, broken=told.append)
    await lane.open()
    stack.kill("kafka")
    try:
        async with asyncio.timeout(10):
            while not told:  # noqa: ASYNC110  (the callback is all that there is)
                await asyncio.sleep(0.05)
        begun = time.monotonic()
        await lane.discard(gentle=True)
        assert time.monotonic() - begun < 5
    finally:
        await asyncio.to_thread(stack.restart, "kafka")
    assert len(told) == 1


async def test_a_producer_that_is_forced_leaves_no_request_under_way(
    kafka: Kafka, column: Column, stack: RunningStack
) -> None:
    before = asyncio.all_tasks()
    lane = producer(kafka, column)
    await lane.open()
    await lane._producer.begin_transaction()
    await (await lane._send(message(column, b"arrived")))
    stack.pause("kafka")
    try:
        await lane._send(message(column, b"on its way"))
        offset = asyncio.create_task(
            lane._producer.send_offsets_to_transaction({column.source: 1}, column.group)
        )
        await asyncio.sleep(0.2)
        requests = {
            task.get_coro().__qualname__  # type: ignore[union-attr]
            for task in asyncio.all_tasks() - before
        }
        await lane.discard(gentle=False)
        left = asyncio.all_tasks() - before - {offset}
    finally:
        stack.resume("kafka")
    offset.cancel()
    assert {"Sender._send_produce_req", "Sender._do_add_offsets_to_txn"} <= requests
    assert not left
