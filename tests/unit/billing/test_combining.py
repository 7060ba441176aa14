"""Work that is done together: each its own outcome, nobody fails or waits for another's sake."""

import asyncio
from collections.abc import Sequence

import pytest

from billing.combining import Combiner
from wire.errors import Rejected, Retryable


class Bench:
    """Doubles numbers; refuses odd ones; each batch waits for the gate."""

    def __init__(self, *, batch_size_max: int = 10, waiting_max: int = 100) -> None:
        self.batches: list[list[int]] = []
        self.fault: BaseException | None = None
        self.gate = asyncio.Event()
        self.combiner = Combiner(
            self._work, batch_size_max=batch_size_max, waiting_max=waiting_max, what="numbers"
        )

    async def _work(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        await self.gate.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return [Rejected(f"{n} is odd") if n % 2 else 2 * n for n in numbers]

    async def ask(self, *numbers: int) -> list["asyncio.Task[int]"]:
        """Ask for each, one after another, and let them get in line."""
        tasks = [asyncio.create_task(self.combiner.do(number)) for number in numbers]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return tasks


async def test_what_comes_during_a_batch_is_done_in_the_next_in_its_order() -> None:
    bench = Bench(batch_size_max=3)
    tasks = await bench.ask(0) + await bench.ask(2, 4, 6, 8)
    bench.gate.set()
    assert await asyncio.gather(*tasks) == [0, 4, 8, 12, 16]
    assert bench.batches == [[0], [2, 4, 6], [8]]
    assert await bench.combiner.do(10) == 20, "it wakes up again"


async def test_one_that_is_refused_does_not_touch_its_neighbours() -> None:
    bench = Bench()
    bench.gate.set()
    tasks = await bench.ask(0, 1, 2)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], Rejected)
    assert (results[0], results[2]) == (0, 4)


async def test_a_failure_of_the_whole_is_told_to_each_and_the_next_batch_is_done() -> None:
    bench = Bench()
    bench.fault = Retryable("away")
    tasks = await bench.ask(0, 2) + await bench.ask(4)
    bench.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, Retryable) for result in results[:2])
    assert results[0] is not results[1], "each raises its own"
    assert results[2] == 8


async def test_a_caller_that_gives_up_takes_nobody_along_and_is_not_done_if_it_still_waits() -> (
    None
):
    bench = Bench()
    tasks = await bench.ask(0) + await bench.ask(2, 4)
    for given_up in tasks[:2]:
        given_up.cancel()
    bench.gate.set()
    assert await tasks[2] == 8
    assert bench.batches == [[0], [4]]


async def test_work_that_is_cancelled_leaves_nobody_waiting() -> None:
    bench = Bench()
    bench.fault = asyncio.CancelledError()
    tasks = await bench.ask(0, 2)
    bench.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)


async def test_a_full_queue_says_so_at_once() -> None:
    bench = Bench(waiting_max=2)
    tasks = await bench.ask(0) + await bench.ask(2, 4)
    with pytest.raises(Retryable, match="too many numbers"):
        await bench.combiner.do(6)
    bench.gate.set()
    assert await asyncio.gather(*tasks) == [0, 4, 8]
