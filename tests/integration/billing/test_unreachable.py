"""A database that goes away under two lines: one account is to stop, the other to finish."""

import asyncio
from datetime import UTC, datetime

import pytest

from billing import sealer
from billing.audit import audit
from billing.sessions import Sessions
from gateway.line_sessions import LineSessions
from pipeline.line import Contract, Line
from tests.integration.billing.house import ACCOUNT, MODEL, House, event
from tests.integration.billing.test_sessions import write
from tests.stack.running import RunningStack
from tests.unit.pipeline.frames_memory import MemoryFrames
from wire.clock import ManualClock
from wire.errors import Retryable
from wire.frames import FrameIdentity, Tier
from wire.sessions import WhenUnreachable

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
GRANT = 20
SIGN_OF_LIFE_S = 21.0


class Cameras:
    """A line of each account; the topic and the clock are in memory."""

    def __init__(self, house: House) -> None:
        self.clock = ManualClock(datetime.now(UTC))
        self.sessions = LineSessions(Sessions(house.pool, self.clock, 60.0))
        self.frames = MemoryFrames()
        self.stop, self.finish = self.line("careful"), self.line(ACCOUNT)

    def line(self, account: str) -> Line:
        contract = Contract(
            account=account,
            stream=f"gate-of-{account}",
            model=MODEL.model,
            height=640,
            width=640,
            tier=Tier.STANDARD,
            max_age_ms=1_000,
            frames_per_second=1.0,
        )
        return Line(
            contract=contract, sessions=self.sessions, publisher=self.frames, clock=self.clock
        )

    async def publish(self, line: Line) -> FrameIdentity:
        return await line.publish(
            b"jpeg", captured_at=self.clock.now(), source_height=1, source_width=1
        )

    async def publish_until_it_fails(self, line: Line) -> int:
        """Return how many frames were published before the gateway was missed."""
        count = 0
        while True:
            try:
                await self.publish(line)
            except Retryable:
                return count
            count += 1

    async def publish_once_it_answers(self, line: Line) -> FrameIdentity:
        while True:
            self.clock.advance(2.0)
            try:
                return await self.publish(line)
            except Retryable:
                await asyncio.sleep(0.1)


async def test_a_line_stops_or_finishes_as_its_account_chose(
    house: House, stack: RunningStack
) -> None:
    await house.accounts.create("careful")
    await house.accounts.top_up("careful", 100_000, "first")
    await house.accounts.set_policy("careful", WhenUnreachable.STOP)
    cameras = Cameras(house)
    for line in (cameras.stop, cameras.finish):
        await cameras.publish(line)
        assert line.granted == GRANT
    stack.kill("postgres")
    try:
        # Not one thing is asked before the sign of life is due: both go on.
        await asyncio.gather(*(cameras.publish(line) for line in (cameras.stop, cameras.finish)))
        cameras.clock.advance(SIGN_OF_LIFE_S)
        stopped = await cameras.publish_until_it_fails(cameras.stop)
        finished = await cameras.publish_until_it_fails(cameras.finish)
    finally:
        await asyncio.to_thread(stack.restart, "postgres")
    assert stopped < GRANT - 2, "it stopped with frames that were paid for"
    assert finished == GRANT - 2, "it published all that was paid for, and no more"
    for line in (cameras.stop, cameras.finish):
        frame = await cameras.publish_once_it_answers(line)
        assert frame.epoch == 1, "in the same session"
        await line.close("done")
    for frame in cameras.frames.written:
        await write(
            house,
            event(frame.seq, frame.seq, stream=frame.stream, account=frame.account),
        )
    assert await house.amounts() == (100 - GRANT - 1, 0, 0)
    assert await house.amounts("careful") == (100 - stopped - 3, 0, 0)
    await sealer.seal(house.pool)
    report = await audit(house.pool, redis=None, kafka=None, topics=None)
    assert [check for check in report.checks if not check.ok] == []
