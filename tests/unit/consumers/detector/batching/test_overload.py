"""Overload on a virtual clock: who keeps how much, how old it gets, and what is given up."""

import pytest

from consumers.detector.batching import Batcher, Group, Queued
from tests.unit.consumers.detector.batching.world import (
    DECODE_S,
    GROUP,
    Camera,
    Picture,
    World,
    percentile,
)
from wire.frames import Tier

CAPACITY = 42.0
"""Frames that the engine does in a second, in batches of any size."""


def batcher() -> Batcher[Picture]:
    return Batcher(size_max=8, wait_s=0.005, capacity=4096)


def sized(side: int) -> Group:
    return Group(model="n", height=side, width=side)


def run(cameras: list[Camera], *, until_s: float = 40, counted_from_s: float = 10) -> World:
    world = World(batcher(), cameras, each_s=1 / CAPACITY)
    world.run(until_s=until_s, counted_from_s=counted_from_s)
    for numbers in world.numbers.values():
        assert numbers == sorted(numbers)
    return world


@pytest.mark.parametrize("max_age_s", [1.0, 5.0])
@pytest.mark.parametrize("partitions", [2, 8])
def test_seven_slow_cameras_keep_their_frames_beside_one_that_floods(
    partitions: int, max_age_s: float
) -> None:
    slow = [
        Camera(
            name=f"slow{index}",
            fps=5,
            partition=index % partitions,
            phase_s=index * 0.027,
            max_age_s=max_age_s,
        )
        for index in range(7)
    ]
    world = run([*slow, Camera(name="flood", fps=100, max_age_s=max_age_s)])
    for camera in slow:
        assert world.kept(camera.name) >= 0.98
        assert percentile(world.ages_s[camera.name], 0.99) < 0.4
    assert sum(map(len, world.ages_s.values())) >= 0.98 * 30 * CAPACITY
    assert percentile(world.ages_s["flood"], 0.99) < 0.4


@pytest.mark.parametrize(("count", "fps"), [(4, 21.0), (16, 5.25), (40, 2.1)])
def test_under_twice_the_load_equal_cameras_get_equal_shares_of_fresh_frames(
    count: int, fps: float
) -> None:
    cameras = [
        Camera(name=f"s{index}", fps=fps, partition=index % 8, phase_s=index * 0.027)
        for index in range(count)
    ]
    world = run(cameras)
    detected = [len(ages_s) for ages_s in world.ages_s.values()]
    assert sum(detected) >= 0.96 * 30 * CAPACITY
    assert max(detected) - min(detected) <= 2
    ages_s = [age_s for of_one in world.ages_s.values() for age_s in of_one]
    assert percentile(ages_s, 0.99) < 1.0


def test_where_large_batches_are_cheap_overload_costs_neither_throughput_nor_freshness() -> None:
    cameras = [
        Camera(name=f"s{index}", fps=60, partition=index % 8, phase_s=index * 0.0037, max_age_s=1.0)
        for index in range(32)
    ]
    made: Batcher[Picture] = Batcher(size_max=16, wait_s=0.005, capacity=4096)
    world = World(made, cameras, each_s=0.0005, fixed_s=0.008)
    world.run(until_s=6, counted_from_s=4.5)
    assert sum(map(len, world.numbers.values())) >= 0.95 * 6 * 16 / (0.008 + 16 * 0.0005)
    ages_s = [age_s for of_one in world.ages_s.values() for age_s in of_one]
    assert percentile(ages_s, 0.99) < 0.2


def test_nothing_is_given_up_while_the_engine_keeps_up() -> None:
    cameras = [
        Camera(name=f"s{index}", fps=4.5, partition=index % 4, phase_s=index * 0.001)
        for index in range(9)
    ]
    world = run(cameras)
    assert not world.given_up


def test_a_burst_that_can_be_served_in_time_is_served_whole_beside_cameras_that_flood() -> None:
    flooding = [Camera(name=f"f{index}", fps=30, partition=index, max_age_s=2) for index in (0, 1)]
    bursts = [
        Camera(name="bursts", fps=0.5, partition=2, phase_s=number * 0.001) for number in range(12)
    ]
    world = run([*flooding, *bursts])
    assert world.kept("bursts") == pytest.approx(1, abs=0.01)


def test_a_stream_of_large_pictures_gets_no_more_engine_time_than_one_of_small_ones() -> None:
    small = Camera(name="small", fps=120, partition=0, cost=0.25, group=sized(320))
    large = Camera(name="large", fps=60, partition=1, cost=2.25, group=sized(960))
    world = run([small, large])
    work = {camera.name: camera.cost * len(world.numbers[camera.name]) for camera in (small, large)}
    assert work["large"] == pytest.approx(work["small"], rel=0.05)
    assert sum(work.values()) >= 0.97 * 40 * CAPACITY


def test_a_priority_frame_waits_for_no_more_than_one_short_batch() -> None:
    urgent = Camera(name="urgent", fps=4, tier=Tier.PRIORITY, phase_s=0.011)
    usual = [
        Camera(name=f"s{index}", fps=10.5, partition=1 + index, phase_s=index * 0.027)
        for index in range(8)
    ]
    idle = percentile(run([urgent]).ages_s["urgent"], 0.99)
    loaded = run([urgent, *usual])
    assert loaded.kept("urgent") == 1
    assert percentile(loaded.ages_s["urgent"], 0.99) <= idle + 1 / CAPACITY + 0.001
    # Standard frames are not decoded ahead meanwhile, so the engine is idle that long.
    one_by_one = 1 / (1 / CAPACITY + DECODE_S)
    assert sum(map(len, loaded.ages_s.values())) >= 0.98 * 30 * one_by_one


def queued(number: int, *, at: float, expires_at: float, whole: int | None = None) -> Queued[int]:
    return Queued(
        group=GROUP,
        tier=Tier.STANDARD,
        stream="s",
        queued_at=at,
        expires_at=expires_at,
        whole=whole,
        item=number,
    )


def under_load(life_s: float, *, tiles: int = 1) -> Batcher[int]:
    """Return a batcher whose one stream was served 10 frames/s for a second and has 60 waiting."""
    made: Batcher[int] = Batcher(size_max=1, wait_s=0.005, capacity=4096)
    for number in range(70):
        whole = number // tiles if tiles > 1 else None
        made.put(queued(number, at=0.0, expires_at=life_s, whole=whole))
    for tenth in range(10):
        batch = made.take(tenth / 10, ready=lambda _: True)
        assert batch is not None
        assert batch.items == (tenth,)
    return made


def test_what_the_share_cannot_serve_leaves_oldest_first() -> None:
    made = under_load(life_s=4.0)
    made.observe(GROUP, size=1, seconds=0.1)
    given_up = made.shed(1.0)
    assert given_up == tuple(range(10, 10 + len(given_up)))
    assert 60 - len(given_up) == pytest.approx(3 * 10 + 1, abs=4)
    assert made.shed(1.0) == ()


def test_what_can_be_served_in_time_is_not_given_up() -> None:
    made = under_load(life_s=7.5)
    made.observe(GROUP, size=1, seconds=0.1)
    assert made.shed(1.0) == ()


def test_a_share_of_times_of_load_does_not_outlive_them() -> None:
    made = under_load(life_s=7.5)
    made.observe(GROUP, size=1, seconds=0.1)
    while made.take(2.0, ready=lambda _: True) is not None:
        pass
    assert made.take(4.0, ready=lambda _: True) is None
    for number in range(60):
        made.put(queued(number, at=4.0, expires_at=6.0))
    assert made.shed(4.0) == ()


def test_nothing_is_given_up_before_the_engine_was_measured() -> None:
    assert under_load(life_s=1.5).shed(1.0) == ()


def test_tiles_leave_with_their_whole_frame_and_one_that_was_begun_stays() -> None:
    made = under_load(life_s=4.0, tiles=4)
    made.observe(GROUP, size=1, seconds=0.1)
    given_up = made.shed(1.0)
    assert given_up == tuple(range(12, 12 + len(given_up)))
    assert len(given_up) % 4 == 0
    assert given_up
