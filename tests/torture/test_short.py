"""Two seeds for some seconds each, on one site: the short form of `make torture`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.torture.job import run_seed
from tests.torture.plan import draw
from tests.torture.run import schedule_of
from tests.torture.site import Site

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]
SECONDS = 8.0
SEEDS = (8, 10)


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Give a site of our own: its servers are killed, and Kafka stands behind a proxy."""
    made = Site(tmp_path_factory.mktemp("torture") / "stack")
    try:
        await made.start()
        yield made
    finally:
        await made.close()


@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", SEEDS)
async def test_no_fault_of_a_short_schedule_loses_or_doubles_anything(
    site: Site, seed: int, tmp_path: Path
) -> None:
    outcome = await run_seed(seed, SECONDS, site, tmp_path)
    schedule = schedule_of(draw(seed, SECONDS))
    assert outcome.ok, (outcome.violations, schedule)
    assert sum(outcome.faults.values()) == len(draw(seed, SECONDS).faults)
    assert outcome.figures["frames detected"] > 100
