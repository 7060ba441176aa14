"""An answer finds its request, whichever comes first."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.replies import Mailbox
from tests.unit.gateway.detector_memory import answer
from wire.frames import Frame, Tier
from wire.usage import Status


def frame(seq: int) -> Frame:
    return Frame(
        account="a",
        stream="api.a.r1.0",
        epoch=1,
        seq=seq,
        model="m",
        height=32,
        width=32,
        captured_at=datetime(2026, 11, 24, tzinfo=UTC),
        tier=Tier.STANDARD,
        max_age_ms=1_000,
        source_height=32,
        source_width=32,
        picture=b"x",
    )


async def test_an_answer_that_comes_first_is_kept() -> None:
    mailbox = Mailbox()
    mailbox.put(answer(frame(0), Status.DETECTED))
    assert (await mailbox.take(frame(0).id, timeout_s=0.01)).seq == 0


async def test_an_answer_that_comes_later_is_waited_for() -> None:
    mailbox = Mailbox()
    waiting = asyncio.create_task(mailbox.take(frame(1).id, timeout_s=1.0))
    await asyncio.sleep(0)
    mailbox.put(answer(frame(0), Status.DETECTED))
    mailbox.put(answer(frame(1), Status.FAILED))
    mailbox.put(answer(frame(1), Status.FAILED))
    assert (await waiting).status is Status.FAILED
    assert mailbox.waiting == 0


async def test_nobody_waits_for_ever_and_a_late_answer_is_still_kept() -> None:
    mailbox = Mailbox()
    with pytest.raises(TimeoutError):
        await mailbox.take(frame(0).id, timeout_s=0.01)
    assert mailbox.waiting == 0
    mailbox.put(answer(frame(0), Status.DETECTED))
    assert await mailbox.take(frame(0).id, timeout_s=0.01)


async def test_answers_that_nobody_wants_are_bounded() -> None:
    mailbox = Mailbox(unclaimed_max=2)
    for seq in range(3):
        mailbox.put(answer(frame(seq), Status.DETECTED))
    with pytest.raises(TimeoutError):
        await mailbox.take(frame(0).id, timeout_s=0.01)
    assert await mailbox.take(frame(2).id, timeout_s=0.01)
