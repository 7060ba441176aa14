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
from pydantic import ValidationError

from wire.errors import Misconfigured, Retryable
from wire.settings import WireSettings

T = TypeVar("T")
S = TypeVar("S", bound=WireSettings)
RETRY_WAIT_S_MAX = 5.0
log = structlog.stdlib.get_logger("wire.process")


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main(stop)` on a new event loop; `stop` is set by SIGTERM or SIGINT."""
    try:
        asyncio.run(_until_signal(main))
    except (Misconfigured, BaseExceptionGroup) as error:
        message = _misconfiguration(error)
        if message is None:
            raise
        sys.exit(f"framemeter: {message}")


def read_settings(kind: type[S]) -> S:
    """Return the settings from the environment; exit with the names of the variables at fault."""
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        faults = "; ".join(
            f"{prefix}{'_'.join(map(str, fault['loc']))}".upper() + f": {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        sys.exit(f"framemeter: cannot use the environment as it is: {faults}")


def _misconfiguration(error: BaseException) -> str | None:
    """Return what to mend, or None when anything else went wrong as well."""
    if not isinstance(error, BaseExceptionGroup):
        return str(error)
    found, rest = error.split(Misconfigured)
    if found is None or rest is not None:
        return None
    return "; ".join(filter(None, map(_misconfiguration, found.exceptions)))


async def _until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask_to_stop, stop, loop)
    await main(stop)


def _ask_to_stop(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    stop.set()
    loop.remove_signal_handler(signal.SIGINT)


async def event_or_timeout(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for `seconds` (None: for ever) or until `event` is set; say whether it is set."""
    try:
        # Not `wait_for`: up to Python 3.11 it forgets a cancellation that comes with the event.
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for `seconds` or until `stop` is set; say whether it is set."""
    return await event_or_timeout(stop, seconds)


async def or_stop_all(work: Awaitable[None], *, stop: asyncio.Event) -> None:
    """Run `work`, one of several that live and die together: if it fails, `stop` them all.

    A task group also cancels the others; but a cancellation can get lost in somebody's clean-up,
    and a process of which a part is dead must not go on.
    """
    try:
        await work
    except BaseException:
        stop.set()
        raise


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
