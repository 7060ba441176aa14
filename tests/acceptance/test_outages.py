"""A broker, a database or a Valkey that is gone for ten seconds while everything works."""

import asyncio

import pytest

from tests.acceptance.equations import check_equations
from tests.acceptance.system import System
from tests.acceptance.test_kills import ROLES, camera
from tests.stack.running import RunningStack

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]
AWAY_S = 10.0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("service", ["kafka", "postgres", "redis"])
async def test_what_comes_back_after_ten_seconds_finds_nothing_lost_or_doubled(
    system: System, stack: RunningStack, service: str
) -> None:
    await system.prepare()
    system.start(*ROLES)
    await system.add(camera(1, fps=5.0), camera(2, fps=5.0))
    await system.until("both cameras are detected", lambda: system.has_detected(10, streams=2))
    before = max((await system.detected()).values())

    stack.kill(service)
    await asyncio.sleep(AWAY_S)
    stack.restart(service)

    await system.until(
        f"detections go on after {service} came back",
        lambda: system.has_detected(before + 20, streams=2),
    )
    system.check_alive()
    await system.settle()
    await check_equations(system)
