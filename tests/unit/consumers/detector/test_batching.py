"""The batcher: full or due, fair over streams, priority first without starving anyone."""

from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.detector.batching import PRIORITY_RUN_MAX, Batch, Batcher, Group, Queued
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
) -> Queued[Item]:
    return Queued(
        group=group,
        tier=tier,
        stream=stream,
        queued_at=at,
        expires_at=expires_at,
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


@given(st.lists(st.integers(1, 12), min_size=2, max_size=6))
def test_while_a_stream_waits_no_other_gets_two_turns(counts: list[int]) -> None:
    made = batcher(
        *(
            queued(f"s{index}", number)
            for index, count in enumerate(counts)
            for number in range(count)
        )
    )
    order = [stream for batch in drain(made) for stream, _ in batch.items]
    left = Counter(order)
    for turn, stream in enumerate(order):
        waiting = {name for name, count in left.items() if count} - {stream}
        left[stream] -= 1
        for other in waiting:
            following = order[turn + 1 :]
            until_other = following[: following.index(other)]
            assert stream not in until_other


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_priority_goes_first_and_standard_gets_its_share(urgent: int, usual: int) -> None:
    made = batcher(
        *(queued("u", number, tier=Tier.PRIORITY) for number in range(urgent)),
        *(queued("s", number) for number in range(usual)),
    )
    order = [stream for batch in drain(made) for stream, _ in batch.items]
    both = order[: min(len(order) - order[::-1].index("u"), len(order) - order[::-1].index("s"))]
    runs = "".join(both).split("s")
    assert max(map(len, runs)) <= PRIORITY_RUN_MAX
    assert order[0] == "u"
    assert "ss" not in "".join(both)[:-1].rstrip("s")


def test_a_group_of_standard_frames_is_not_starved_by_another_of_priority() -> None:
    made = batcher(
        *(queued("u", number, tier=Tier.PRIORITY) for number in range(100)),
        *(queued("s", number, group=GROUPS[1]) for number in range(8)),
    )
    groups = [batch.group for batch in drain(made)][: PRIORITY_RUN_MAX + 1]
    assert groups[0] == GROUPS[0]
    assert GROUPS[1] in groups


def test_groups_take_turns() -> None:
    made = batcher(
        *(queued("s", number) for number in range(8)),
        *(queued("t", number, group=GROUPS[1]) for number in range(8)),
    )
    assert [batch.group for batch in drain(made)] == [*GROUPS[:2], *GROUPS[:2]]


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
