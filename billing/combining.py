"""Work that many ask for at once, done together: while one batch is under way the next ones queue.

Promises: each caller gets the outcome of its own item, or the error that the whole batch met; a
caller that is cancelled takes nobody else along; batches and the queue are bounded. Knows nothing
of what the work is.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from wire.errors import Retryable

Item = TypeVar("Item")
Result = TypeVar("Result")

Work = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
"""Does all items; returns an outcome for each, in their order. An exception is raised for it."""


class Combiner(Generic[Item, Result]):
    """One batch at a time: idle it starts at once with one item, busy it grows with the load."""

    def __init__(
        self, work: Work[Item, Result], *, batch_size_max: int, waiting_max: int, what: str
    ) -> None:
        self._work = work
        self._batch_size_max = batch_size_max
        self._waiting_max = waiting_max
        self._what = what
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Have the item done and return its outcome; raises what the work says.

        Raises `Retryable` when too many wait already: the item was not and will not be done.
        """
        if len(self._waiting) >= self._waiting_max:
            raise Retryable(f"too many {self._what} wait: try again")
        outcome: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name=self._what)
        return await outcome

    async def _run(self) -> None:
        try:
            while batch := self._next():
                work = self._work([item for item, _ in batch])
                (done,) = await asyncio.gather(work, return_exceptions=True)
                _answer([outcome for _, outcome in batch], done)
        finally:
            self._running = None

    def _next(self) -> list[tuple[Item, "asyncio.Future[Result]"]]:
        """Take the next batch; who gave up waiting is left out."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._batch_size_max:
            item, outcome = self._waiting.popleft()
            if not outcome.done():
                batch.append((item, outcome))
        return batch


def _answer(
    outcomes: Sequence["asyncio.Future[Result]"],
    done: Sequence[Result | Exception] | BaseException,
) -> None:
    """Tell each caller its outcome; none that still waits is forgotten, whatever happened."""
    results: Sequence[Result | BaseException] = (
        [done] * len(outcomes) if isinstance(done, BaseException) else done
    )
    for outcome, result in zip(outcomes, results, strict=True):
        if outcome.done():
            continue
        if isinstance(result, asyncio.CancelledError):
            outcome.cancel()
        elif isinstance(result, BaseException):
            outcome.set_exception(_own(result))
        else:
            outcome.set_result(result)


def _own(error: BaseException) -> BaseException:
    """Return an error that one caller may raise without adding to another's traceback."""
    return Retryable(*error.args) if isinstance(error, Retryable) else error
