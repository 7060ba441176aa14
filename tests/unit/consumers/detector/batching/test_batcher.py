"""The batcher: one group a batch, full or due, in order, and nothing lost."""

import gc
import weakref
from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.batching import Batcher, Queued
from consumers.detector.batching.waiting import Place
from tests.unit.consumers.detector.batching.frames import (
    GROUPS,
    SIZE_MAX,
    WAIT_S,
    Item,
    batcher,
    drain,
    queued,
    take,
)
from wire.frames import Tier

FRAMES = st.lists(
    st.tuples(
        st.sampled_from(["s0", "s1", "s2", "s3"]),
        st.sampled_from(GROUPS),
        st.sampled_from(list(Tier)),
        st.sampled_from([0.5, 10.0]),
    ),
    max_size=80,
)


@given(FRAMES)
def test_every_frame_leaves_once_in_batches_of_one_group_and_bounded_size(frames: list) -> None:  # type: ignore[type-arg]
    made = batcher(
        *(
            queued(stream, number, group=group, tier=tier, expires_at=expires_at)
            for number, (stream, group, tier, expires_at) in enumerate(frames)
        )
    )
    seen: list[Item] = []
    for batch in drain(made):
        assert len(batch.items) <= SIZE_MAX
        for stream, number in (*batch.items, *batch.expired):
            assert frames[number][1] == batch.group
            seen.append((stream, number))
        assert all(frames[number][3] == 10.0 for _, number in batch.items)
        assert all(frames[number][3] == 0.5 for _, number in batch.expired)
    assert Counter(seen) == Counter((frame[0], number) for number, frame in enumerate(frames))
    assert len(made) == 0


@given(FRAMES)
def test_a_streams_frames_keep_their_order(frames: list) -> None:  # type: ignore[type-arg]
    made = batcher(
        *(
            queued(stream, number, group=group, tier=tier)
            for number, (stream, group, tier, _) in enumerate(frames)
        )
    )
    last: dict[object, int] = defaultdict(lambda: -1)
    for batch in drain(made):
        for stream, number in batch.items:
            line = (stream, frames[number][1], frames[number][2])
            assert number > last[line]
            last[line] = number


def test_a_batch_that_is_not_full_waits_until_it_is_due() -> None:
    made = batcher(queued("s", 0, at=1.0))
    assert made.due_at(ready=lambda _: True) == 1.0 + WAIT_S
    assert take(made, 1.0) is None
    assert take(made, 1.0 + WAIT_S) is not None


def test_a_full_batch_does_not_wait() -> None:
    made = batcher(*(queued("s", number, at=1.0) for number in range(SIZE_MAX)))
    due = made.due_at(ready=lambda _: True)
    assert due is not None
    assert due < 1.0
    assert take(made, 1.0) is not None


def test_a_group_whose_model_is_not_ready_stays_and_the_others_go_on() -> None:
    made = batcher(queued("s", 0), queued("t", 1, group=GROUPS[1]))
    batch = made.take(1.0, ready=lambda group: group != GROUPS[0])
    assert batch is not None
    assert batch.group == GROUPS[1]
    assert made.take(1.0, ready=lambda group: group != GROUPS[0]) is None
    assert made.due_at(ready=lambda _: False) is None
    assert made.groups() == (GROUPS[0],)


def test_what_is_too_old_takes_nobodys_place() -> None:
    old = [queued("s", number, expires_at=0.5) for number in range(10)]
    made = batcher(*old, *(queued("s", number) for number in range(10, 14)))
    batch = take(made)
    assert batch is not None
    assert [number for _, number in batch.expired] == list(range(10))
    assert [number for _, number in batch.items] == [10, 11, 12, 13]


def test_frames_that_wait_for_a_model_can_expire() -> None:
    made = batcher(queued("s", 0, expires_at=0.5), queued("s", 1))
    assert made.expire(1.0) == (("s", 0),)
    assert len(made) == 1


def test_frames_can_be_dropped_by_group_and_by_owner() -> None:
    made = batcher(queued("s", 0), queued("t", 1), queued("s", 2, group=GROUPS[1]))
    assert made.drop(lambda item: item[0] == "t") == (("t", 1),)
    assert made.drop_group(GROUPS[0]) == (("s", 0),)
    assert made.groups() == (GROUPS[1],)
    assert len(made) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sampled_from(["s0", "s1", "s2"]),
            st.sampled_from(GROUPS),
            st.sampled_from(list(Tier)),
            st.sampled_from([0.05, 1.0, 1e6]),
            st.sampled_from([0.25, 1.0, 2.25]),
        ),
        st.tuples(st.sampled_from(["take", "shed", "expire", "drop"])),
        st.tuples(st.just("observe"), st.sampled_from(GROUPS), st.integers(1, 4)),
    ),
    max_size=150,
)


@given(STEPS)
def test_whatever_happens_each_frame_leaves_once_in_order_and_for_a_reason(steps: list) -> None:  # type: ignore[type-arg]
    made, now = batcher(), 0.0
    frames: dict[Item, Queued[Item]] = {}
    left: list[Item] = []
    detected: list[Item] = []
    for number, step in enumerate(steps):
        now += 0.03
        match step:
            case ["put", stream, group, tier, life_s, cost]:
                frame = queued(
                    stream,
                    number,
                    group=group,
                    tier=tier,
                    at=now,
                    expires_at=now + life_s,
                    cost=cost,
                )
                frames[frame.item] = frame
                made.put(frame)
            case ["observe", group, size]:
                made.observe(group, size=size, seconds=0.02 * size)
            case ["shed"]:
                left += made.shed(now)
            case ["expire"]:
                gone = made.expire(now)
                assert all(frames[item].expires_at <= now for item in gone)
                left += gone
            case ["drop"]:
                left += made.drop(lambda item: item[0] == "s2")
            case ["take"] if (batch := take(made, now)) is not None:
                assert len(batch.items) <= SIZE_MAX
                assert {frames[item].group for item in batch.items + batch.expired} == {batch.group}
                assert all(frames[item].expires_at <= now for item in batch.expired)
                assert all(frames[item].expires_at > now for item in batch.items)
                detected += batch.items
                left += batch.items + batch.expired
        assert len(made) == len(frames) - len(left)
        assert set(made.groups()) == {
            frame.group for item, frame in frames.items() if item not in left
        }
    for batch in drain(made, 1e9):
        left += batch.items + batch.expired
    assert Counter(left) == Counter(list(frames))
    lines = defaultdict(list)
    for item in detected:
        lines[item[0], frames[item].group, frames[item].tier].append(item[1])
    assert all(numbers == sorted(numbers) for numbers in lines.values())


@given(
    st.lists(st.tuples(st.floats(0, 0.02), st.floats(0.001, 1)), min_size=1, max_size=20),
    st.floats(0, 0.05),
    st.floats(0.0001, 0.05),
)
def test_no_frame_waits_for_others_beyond_its_bounds(
    frames: list[tuple[float, float]], fixed_s: float, each_s: float
) -> None:
    made, now = batcher(), 0.0
    for size in (1, 2, 4):
        made.observe(GROUPS[0], size=size, seconds=fixed_s + each_s * size)
    for number, (gap_s, life_s) in enumerate(frames):
        now += gap_s
        due = made.due_at(ready=lambda _: True)
        while due is not None and due <= now:
            assert take(made, max(due, 0.0)) is not None
            due = made.due_at(ready=lambda _: True)
        made.put(queued("s", number, at=now, expires_at=now + life_s))
        due = made.due_at(ready=lambda _: True)
        assert due is not None
        assert due <= now + WAIT_S
        assert due <= now + max(life_s - fixed_s - each_s, 0.0) + 1e-9


def test_where_a_batch_costs_no_less_a_frame_nothing_waits() -> None:
    made = batcher()
    for size in (1, 2, 4):
        made.observe(GROUPS[0], size=size, seconds=0.024 * size)
    made.put(queued("s", 0, at=1.0))
    assert take(made, 1.0) is not None


def test_where_large_batches_are_nearly_free_frames_wait_while_others_come() -> None:
    made = batcher()
    for size in (1, 2, 4):
        made.observe(GROUPS[0], size=size, seconds=0.020 + 0.0001 * size)
    for number in range(1000):
        made.put(queued("s", number, at=number * 0.004))
    drain(made, 5.0)
    made.put(queued("s", 1000, at=4.0))
    assert take(made, 4.0) is None
    assert made.due_at(ready=lambda _: True) == 4.0 + WAIT_S
    made.put(queued("s", 1001, at=100.0))
    assert take(made, 100.0) is not None
    made.put(queued("s", 1002, at=200.0))
    assert take(made, 200.0) is not None


def test_a_batch_is_not_so_large_that_its_frames_expire_in_it() -> None:
    made = batcher(*(queued(f"s{number}", number, expires_at=1.025) for number in range(4)))
    made.observe(GROUPS[0], size=1, seconds=0.01)
    batch = take(made)
    assert batch is not None
    assert len(batch.items) == 2


def test_while_the_priority_tier_is_active_batches_are_short() -> None:
    made = batcher(*(queued("s", number) for number in range(40)))
    made.observe(GROUPS[0], size=4, seconds=0.040)
    sizes = []
    for now, urgent in ((1.0, False), (2.0, True), (3.0, False), (20.0, False)):
        if urgent:
            made.put(queued("u", 0, tier=Tier.PRIORITY, at=now))
        batch = take(made, now)
        assert batch is not None
        sizes.append(len(batch.items))
    assert sizes == [4, 1, 1, 4]


def test_a_frame_that_would_expire_sooner_does_not_wait_as_long() -> None:
    made = batcher(queued("s", 0, at=1.0, expires_at=1.002), queued("s", 1, at=1.0))
    assert made.due_at(ready=lambda _: True) == 1.002


class Picture:
    """Something that a weak reference can watch."""


def test_what_has_left_is_not_held_though_it_would_expire_much_later() -> None:
    made: Batcher[Picture] = Batcher(size_max=SIZE_MAX, wait_s=WAIT_S, capacity=10_000)
    watched = []
    gc.collect()
    for number in range(1000):
        item = Picture()
        watched.append(weakref.ref(item))
        made.put(
            Queued(
                group=GROUPS[0],
                tier=Tier.STANDARD,
                stream=f"s{number}",
                queued_at=float(number),
                expires_at=1e9,
                item=item,
            )
        )
        del item
        if number % SIZE_MAX == 0 and number > 10:
            assert made.shed(number + 0.5) == ()
            assert made.take(number + 0.5, ready=lambda _: True) is not None
    assert sum(picture() is not None for picture in watched) == len(made)
    assert sum(type(held) is Place for held in gc.get_objects()) < 2 * len(made) + 200
