"""What must hold once everything has settled, whatever was killed on the way.

The detections are counted by another Kafka client, with its own reading of the protocol.
"""

import json
from collections import Counter

import confluent_kafka

from tests.acceptance.system import System

READ_TIMEOUT_S = 20.0


def read_all(system: System, topic: str) -> list[dict[str, object]]:
    """Return every committed message of a topic, read with confluent-kafka."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": system.target.kafka.bootstrap,
            "group.id": f"{topic}.check",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    partitions = range(system.target.topics.partitions)
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in partitions])
    values: list[dict[str, object]] = []
    ended: set[int] = set()
    try:
        while len(ended) < len(partitions):
            message = consumer.poll(READ_TIMEOUT_S)
            assert message is not None, f"{topic} was silent for {READ_TIMEOUT_S} s"
            error = message.error()
            if error is None:
                values.append(json.loads(message.value()))
            else:
                assert error.code() == confluent_kafka.KafkaError._PARTITION_EOF, error
                ended.add(message.partition())
    finally:
        consumer.close()
    return values


async def check_equations(system: System) -> None:
    """Assert that no frame and no millitoken is missing or doubled."""
    bills = await system.bills()
    amounts = await system.amounts()
    detections = read_all(system, system.target.topics.detections)
    ids = Counter(str(event["id"]) for event in detections)
    assert bills, "nothing was billed"
    assert [frame for frame, times in ids.items() if times > 1] == []
    for bill in bills:
        ended = sum(bill.frames.values())
        seen = sorted(str(event["id"]) for event in detections if event["subject"] == bill.stream)
        assert bill.published == ended, (bill, await system.sessions(bill.stream), seen)
    assert sum(bill.published for bill in bills) == len(ids)
    assert amounts["charged"] == sum(bill.charged_millitokens for bill in bills)
    detected = sum(bill.frames.get("detected", 0) for bill in bills)
    assert amounts["charged"] == detected * bills[0].unit_prices[0]
    assert amounts["held"] == 0
    report = await system.audit()
    assert report.ok, [check for check in report.checks if not check.ok]
