"""Positions are reset to the beginning: all is processed again, nothing is charged again."""

import asyncpg
import confluent_kafka
import pytest

from tests.acceptance.equations import read_all
from tests.acceptance.groups import forget_group
from tests.acceptance.system import System
from tests.acceptance.test_kills import ROLES, camera

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


@pytest.mark.timeout(240)
async def test_a_replay_from_the_beginning_charges_nothing_again(system: System) -> None:
    await system.prepare()
    system.start(*ROLES)
    await system.add(camera(1), camera(2))
    await system.until("cameras are detected", lambda: system.has_detected(30, streams=2))
    await system.settle()
    system.stop("detector", "biller")
    before = await system.amounts()
    usage_before = frames_of(read_all(system, system.target.topics.usage))

    forget_group(system, "detector")
    await reset_biller(system)
    system.start("detector", "biller")

    async def all_processed_again() -> bool:
        return frames_of(read_all(system, system.target.topics.usage)) >= 2 * usage_before

    await system.until("every frame is processed again", all_processed_again)
    await system.until("the biller has read it all", lambda: biller_is_at_the_end(system))
    assert await system.amounts() == before
    report = await system.audit()
    assert report.ok, [check for check in report.checks if not check.ok]


def frames_of(events: list[dict[str, object]]) -> int:
    """Return how many frames usage events speak of, repeats counted again."""
    return sum(event["data"]["last"] - event["data"]["first"] + 1 for event in events)  # type: ignore[index]


async def reset_biller(system: System) -> None:
    """Set the biller's positions to the beginning, as an operator would."""
    connection = await asyncpg.connect(system.target.postgres)
    try:
        await connection.execute("update consumer_position set next_offset = 0")
    finally:
        await connection.close()


async def biller_is_at_the_end(system: System) -> bool:
    """Say whether every usage message lies before the biller's position."""
    connection = await asyncpg.connect(system.target.postgres)
    try:
        rows = await connection.fetch("select partition, next_offset from consumer_position")
    finally:
        await connection.close()
    positions = {row["partition"]: row["next_offset"] for row in rows}
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": system.target.kafka.bootstrap, "group.id": "check.ends"}
    )
    try:
        return all(
            positions.get(number, 0) + 1 >= end  # the last message is a transaction's marker
            for number in range(system.target.topics.partitions)
            for _, end in [
                consumer.get_watermark_offsets(
                    confluent_kafka.TopicPartition(system.target.topics.usage, number), timeout=10
                )
            ]
        )
    finally:
        consumer.close()
