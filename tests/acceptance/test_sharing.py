"""Two of each share the work; killing one moves its share to the other in time."""

import pytest

from tests.acceptance.equations import check_equations
from tests.acceptance.groups import members_with_work
from tests.acceptance.system import System
from tests.acceptance.test_kills import camera

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]
TAKEOVER_S = 15.0
CAMERAS = 6


@pytest.mark.timeout(240)
@pytest.mark.parametrize("role", ["detector", "producer"])
async def test_the_other_one_takes_over_when_one_is_killed(system: System, role: str) -> None:
    await system.prepare()
    system.start("gateway", "biller", "detector-1", "detector-2", "producer-1", "producer-2")
    await system.add(*(camera(number, fps=5.0) for number in range(CAMERAS)))
    await system.until("all cameras are detected", lambda: system.has_detected(10, streams=CAMERAS))
    assert members_with_work(system, role) == 2, "one of the two does nothing"

    before = max((await system.detected()).values())
    system.kill(f"{role}-1")
    seconds = await system.until(
        "every camera is detected again",
        lambda: system.has_detected(before + 5, streams=CAMERAS),
    )
    assert seconds < TAKEOVER_S + 5 / 5.0

    await system.settle()
    await check_equations(system)
