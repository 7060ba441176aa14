"""The life of a process: run until told to stop, stop in order, exit with a clear word.

SIGTERM and SIGINT set one event; a second SIGINT is Python's usual KeyboardInterrupt. A
`Misconfigured` error ends the process with its message and no traceback.
"""

import asyncio
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from wire.errors import Misconfigured, Retryable

T = TypeVar("T")
RETRY_WAIT_S_MAX = 5.0
log = structlog.stdlib.get_logger("wire.process")


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main(stop)` on a new event loop; `stop` is set by SIGTERM or SIGINT."""
    try:
        asyncio.run(_until_signal(main))
    except Misconfigured as error:
        sys.exit(f"framemeter: {error}")


async def _until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask_to_stop, stop, loop)
    await main(stop)


def _ask_to_stop(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    stop.set()
    loop.remove_signal_handler(signal.SIGINT)


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for `seconds` or until `stop` is set; say whether it is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def retry_until_stop(
    attempt: Callable[[], Awaitable[T]], *, stop: asyncio.Event, what: str
) -> T | None:
    """Call `attempt` until it does not raise `Retryable`; None when `stop` came first.

    Waits between 0.2 s and 5 s, doubling and jittered, and says at each failure what is away.
    """
    wait_s = 0.2
    while not stop.is_set():
        try:
            return await attempt()
        except Retryable as error:
            log.warning("waiting for something that is away", what=what, reason=str(error))
        await wait_or_stop(stop, wait_s * random.uniform(0.7, 1.3))  # noqa: S311
        wait_s = min(wait_s * 2, RETRY_WAIT_S_MAX)
    return None
