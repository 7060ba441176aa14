"""What would hold the loop up, in threads that nobody waits for when the process ends."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_daemon(call: Callable[[], T], *, name: str) -> T:
    """Return what `call` returns, or raise what it raises, from a daemon thread of its own."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # one of the two is given

    def work() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as caught:  # noqa: BLE001  (passed on to whoever awaits)
            error = caught
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:  # the loop is closed: nobody awaits
            return

    threading.Thread(target=work, name=name, daemon=True).start()
    return await future


def let_go(thing: object, *, after_s: float) -> None:
    """Drop a reference in a thread, later: where it is the last one, its memory is freed there."""
    held = [thing]
    free = threading.Thread(target=held.clear, name="free", daemon=True)
    asyncio.get_running_loop().call_later(after_s, free.start)
