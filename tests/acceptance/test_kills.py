"""Every role is killed in the middle of its work; afterwards the books must be whole."""

import pytest

from samples.catalog import FOOTAGE
from tests.acceptance.equations import check_equations
from tests.acceptance.system import ACCOUNT, System
from wire.streams import StreamSpec

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]
ROLES = ("gateway", "detector", "biller", "producer")


def camera(number: int, *, fps: float = 10.0, account: str = ACCOUNT) -> StreamSpec:
    """Return a camera that shows the footage from a moment of its own."""
    return StreamSpec(
        stream=f"camera-{number}",
        account=account,
        source=str(FOOTAGE),
        model="park-n",
        height=384,
        width=512,
        fps=fps,
        start_s=float(number),
    )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("victim", ["detector", "biller", "producer", "gateway"])
async def test_a_role_killed_at_work_loses_nothing_and_charges_nothing_twice(
    system: System, victim: str
) -> None:
    await system.prepare()
    system.start(*ROLES)
    await system.add(*(camera(number) for number in range(4)))
    await system.until("all cameras are detected", lambda: system.has_detected(15, streams=4))

    for _ in range(2):
        before = max((await system.detected()).values())
        system.kill(victim)
        system.start(victim)
        await system.until(
            f"detections go on after the {victim} was killed",
            lambda reached=before + 20: system.has_detected(reached, streams=4),  # type: ignore[misc]
        )

    await system.settle()
    system.check_alive()
    await check_equations(system)
