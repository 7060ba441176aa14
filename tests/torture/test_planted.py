"""Two of the seven planted bugs are found, and nothing where there is none.

All seven: `python -m tests.torture.planted`.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.stack.running import RunningStack
from tests.torture.planted.bugs import BUGS, NO_BUG, Bug
from tests.torture.planted.world import judge

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]
CALM = replace(NO_BUG, zombie=False)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "bug", [CALM, BUGS["double-charge"], BUGS["wrong-price"]], ids=lambda bug: bug.name
)
async def test_the_checker_finds_what_was_planted_and_nothing_else(
    stack: RunningStack, database: str, redis_url: str, tmp_path: Path, bug: Bug
) -> None:
    verdict = await judge(bug, stack, postgres=database, redis=redis_url, folder=tmp_path)
    assert verdict.figures["frames detected"] > 50
    if bug.expected:
        assert set(verdict.rules) & bug.expected, verdict.violations
    else:
        assert verdict.violations == ()
    assert not {"topics.whole", "records.readable"} & set(verdict.rules), verdict.violations
