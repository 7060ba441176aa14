"""Positions are reset to the beginning: all is processed again, nothing is charged again."""

from datetime import datetime

import asyncpg
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
    again = system.target.clock.now()
    await system.until(
        "the biller has read it all", lambda: biller_has_read_all_since(system, again)
    )
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


async def biller_has_read_all_since(system: System, moment: datetime) -> bool:
    """Say whether the biller has read every partition to its end after `moment`."""
    connection = await asyncpg.connect(system.target.postgres)
    try:
        behind = await connection.fetchval(
            "select count(*) from consumer_position"
            " where watermark_at is null or watermark_at <= $1",
            moment,
        )
    finally:
        await connection.close()
    return int(behind) == 0
