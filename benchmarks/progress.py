"""How fast a count grew between its first and its last step: start-up is left out.

The first step may bring many at once; what it brought is not counted, only what came after it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from wire.errors import Misconfigured

LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A moment (monotonic seconds) at which the count had grown, and to how much."""

    at_s: float
    count: int


async def follow(
    count: Callable[[], Awaitable[int]], *, total: int, check: Callable[[], None], timeout_s: float
) -> list[Step]:
    """Look at a count until it reaches `total`; return its steps.

    Raises `Misconfigured` when it has not grown for `timeout_s`, and whatever `check` raises
    meanwhile.
    """
    steps: list[Step] = []
    deadline = time.monotonic() + timeout_s
    while not steps or steps[-1].count < total:
        check()
        seen, now = await count(), time.monotonic()
        if seen > (steps[-1].count if steps else 0):
            steps.append(Step(at_s=now, count=seen))
            deadline = now + timeout_s
        if now > deadline:
            raise Misconfigured(f"only {seen} of {total} were done, none for {timeout_s:.0f} s")
        await asyncio.sleep(LOOK_EVERY_S)
    return steps


def growth_per_second(steps: Sequence[Step]) -> float:
    """Return the mean speed from the first step to the last; `Misconfigured` for too few."""
    if len(steps) < 2:
        raise Misconfigured("the run was too short to measure a speed: give more --seconds")
    first, last = steps[0], steps[-1]
    return (last.count - first.count) / (last.at_s - first.at_s)
