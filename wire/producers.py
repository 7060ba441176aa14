"""The end of a Kafka producer that may be in any state, broker or no broker, within a bound.

aiokafka's own `stop` waits for the broker. What it keeps to itself is touched here and in no other
place: its sender is cancelled with all that it has begun, and the connections are closed.
"""

import asyncio
from typing import Any

import structlog

from wire.kafka import AIOKafkaProducer

CANCEL_ROUNDS_MAX = 20
CLOSE_WAIT_S_MAX = 1.5
log = structlog.stdlib.get_logger("wire.producers")


async def end_producer(producer: AIOKafkaProducer, *, stop_wait_s: float) -> None:
    """Stop the producer, and force it when that takes longer; 0: do not even try to stop it.

    Afterwards nothing more is sent. What it held unsent may never be answered.
    """
    if stop_wait_s > 0 and await _ended(producer.stop(), stop_wait_s):
        return
    producer._closed = True
    for _ in range(CANCEL_ROUNDS_MAX):
        tasks = _tasks_of(producer._sender)
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
    await _ended(producer.client.close(), CLOSE_WAIT_S_MAX)


def _tasks_of(sender: object) -> "list[asyncio.Task[Any]]":
    """Return the sender's loop and its requests under way, which only the loop itself knows."""
    return [task for task in asyncio.all_tasks() if _self_of(task.get_coro()) is sender]


def _self_of(coroutine: object) -> object:
    """Return the object whose method a suspended coroutine runs; None where there is none."""
    frame = getattr(coroutine, "cr_frame", None)
    return None if frame is None else frame.f_locals.get("self")


async def _ended(ending: "asyncio.Future[None] | object", wait_s: float) -> bool:
    """Wait a bounded time for `ending`; say whether it went well."""
    try:
        await asyncio.wait_for(ending, wait_s)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001  (whatever it is, it is being thrown away)
        log.debug("a producer was torn down by force", reason=repr(error))
        return False
    return True
