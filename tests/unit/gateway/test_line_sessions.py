"""A close is told until it is known, and only then forgotten."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.line_sessions import LineSessions
from pipeline.sessions_memory import MemorySessions
from tests.unit.gateway.house import OwnedSessions
from wire.clock import ManualClock
from wire.errors import Retryable, UnknownAccount
from wire.frames import Tier
from wire.sessions import CloseSession, OpenSession

CLOSE = CloseSession(last_seq=1, captured=2, reason="idle")


async def opened() -> tuple[MemorySessions, LineSessions]:
    """Return sessions in memory with one that is open, and the port on them."""
    memory = MemorySessions(ManualClock(datetime(2026, 11, 24, tzinfo=UTC)))
    memory.top_up("a", 10_000)
    subject = LineSessions(OwnedSessions(memory), again_s=0.01)
    await subject.open(
        OpenSession(
            account="a",
            stream="api.a.r1.0",
            model="m",
            height=32,
            width=32,
            tier=Tier.STANDARD,
            frames=10,
        )
    )
    return memory, subject


async def test_a_close_that_was_not_heard_is_told_again_by_itself() -> None:
    memory, subject = await opened()
    await subject.start()
    memory.away = True
    with pytest.raises(Retryable):
        await subject.close("api.a.r1.0", 1, CLOSE)
    await asyncio.sleep(0.05)
    assert memory.available["a"] == 0
    memory.away = False
    await asyncio.sleep(0.05)
    assert memory.available["a"] == 8_000
    assert subject.untold == {}
    await subject.stop()


async def test_what_is_untold_is_told_at_the_end() -> None:
    memory, subject = await opened()
    memory.away = True
    with pytest.raises(Retryable):
        await subject.close("api.a.r1.0", 1, CLOSE)
    memory.away = False
    await subject.stop()
    assert memory.available["a"] == 8_000


async def test_a_close_that_is_refused_is_not_told_again() -> None:
    _, subject = await opened()
    with pytest.raises(UnknownAccount):
        await subject.close("api.a.r1.0", 9, CLOSE)
    assert subject.untold == {}
