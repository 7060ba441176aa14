"""Speeds without their start-up."""

from collections.abc import Iterator

import pytest

from benchmarks.progress import Step, follow, growth_per_second
from wire.errors import Misconfigured


def test_what_the_first_step_brought_does_not_count() -> None:
    steps = [
        Step(at_s=10.0, count=500),
        Step(at_s=10.5, count=800),
        Step(at_s=12.0, count=900),
    ]
    assert growth_per_second(steps) == 200


@pytest.mark.parametrize("steps", [[], [Step(at_s=1.0, count=5)]])
def test_one_step_is_no_speed(steps: list[Step]) -> None:
    with pytest.raises(Misconfigured, match="--seconds"):
        growth_per_second(steps)


async def test_only_growth_makes_a_step() -> None:
    counts: Iterator[int] = iter([0, 0, 3, 3, 7])

    async def count() -> int:
        return next(counts)

    steps = await follow(count, total=7, check=lambda: None, timeout_s=10)
    assert [step.count for step in steps] == [3, 7]


async def test_a_count_that_stands_still_is_reported() -> None:
    async def count() -> int:
        return 2

    with pytest.raises(Misconfigured, match="only 2 of 7"):
        await follow(count, total=7, check=lambda: None, timeout_s=0)


async def test_a_dead_process_is_noticed_while_waiting() -> None:
    async def count() -> int:
        return 0

    def dead() -> None:
        raise Misconfigured("the biller stopped by itself")

    with pytest.raises(Misconfigured, match="stopped by itself"):
        await follow(count, total=1, check=dead, timeout_s=10)
