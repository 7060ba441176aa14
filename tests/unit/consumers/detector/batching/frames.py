"""Frames and batchers that the batcher's tests share."""

from consumers.detector.batching import Batch, Batcher, Group, Queued
from wire.frames import Tier

SIZE_MAX = 4
WAIT_S = 0.005
GROUPS = (
    Group(model="a", height=64, width=64),
    Group(model="a", height=96, width=64),
    Group(model="b", height=64, width=64),
)
Item = tuple[str, int]


def queued(
    stream: str,
    number: int,
    *,
    group: Group = GROUPS[0],
    tier: Tier = Tier.STANDARD,
    at: float = 0.0,
    expires_at: float = 1e9,
    cost: float = 1.0,
) -> Queued[Item]:
    return Queued(
        group=group,
        tier=tier,
        stream=stream,
        queued_at=at,
        expires_at=expires_at,
        cost=cost,
        item=(stream, number),
    )


def batcher(*frames: Queued[Item]) -> Batcher[Item]:
    made: Batcher[Item] = Batcher(size_max=SIZE_MAX, wait_s=WAIT_S, capacity=10_000)
    for frame in frames:
        made.put(frame)
    return made


def take(made: Batcher[Item], now: float = 1.0) -> Batch[Item] | None:
    return made.take(now, ready=lambda _: True)


def drain(made: Batcher[Item], now: float = 1.0) -> list[Batch[Item]]:
    batches = []
    while (batch := take(made, now)) is not None:
        batches.append(batch)
    return batches
