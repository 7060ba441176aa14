"""Who gets how much of the engine: streams by work, the priority tier first, nobody starved."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.detector.batching import PRIORITY_RUN_MAX, Group
from consumers.detector.batching.batcher import PRIORITY_ACTIVE_S
from tests.unit.consumers.detector.batching.frames import (
    GROUPS,
    SIZE_MAX,
    batcher,
    drain,
    queued,
    take,
)
from wire.frames import Tier


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


@given(
    st.lists(
        st.tuples(st.sampled_from([0.25, 0.5, 1.0, 2.25]), st.sampled_from(GROUPS[:2])),
        min_size=2,
        max_size=5,
    ),
    st.integers(1, 20),
)
def test_streams_that_wait_are_given_equal_work(
    streams: list[tuple[float, Group]], batches: int
) -> None:
    made = batcher(
        *(
            queued(f"s{index}", number, group=group, cost=cost)
            for number in range(100)
            for index, (cost, group) in enumerate(streams)
        )
    )
    given_work = dict.fromkeys(range(len(streams)), 0.0)
    dearest = {
        group: max((cost for cost, of in streams if of == group), default=0) for group in GROUPS[:2]
    }
    for _ in range(batches):
        batch = take(made)
        assert batch is not None
        for stream, _number in batch.items:
            given_work[int(stream[1:])] += streams[int(stream[1:])][0]
        for one, (cost, group) in enumerate(streams):
            for two, (other_cost, other_group) in enumerate(streams):
                apart = cost + other_cost
                if group != other_group:
                    apart += SIZE_MAX * (dearest[group] + dearest[other_group])
                assert abs(given_work[one] - given_work[two]) <= apart


def test_a_stream_that_sends_one_frame_at_a_time_gets_no_more_than_one_that_waits() -> None:
    made = batcher(*(queued("waits", number) for number in range(100)))
    given_turns: Counter[str] = Counter()
    for number in range(15):
        made.put(queued("quick", number))
        made.put(queued("other", number))
        batch = take(made)
        assert batch is not None
        given_turns.update(stream for stream, _ in batch.items)
    assert given_turns["quick"] <= given_turns["waits"] + 1


@settings(max_examples=40)
@given(
    st.sampled_from([0.25, 1.0, 2.25]),
    st.sampled_from([0.25, 1.0, 2.25]),
    st.sampled_from(GROUPS[:2]),
    st.integers(0, 30),
)
def test_standard_gets_its_eighth_of_the_work_while_both_tiers_wait(
    urgent_cost: float, usual_cost: float, usual_group: Group, before: int
) -> None:
    made = batcher(
        *(queued("s", number, group=usual_group, cost=usual_cost) for number in range(240))
    )
    for _ in range(before):
        take(made)
    for number in range(300):
        made.put(queued("u", number, tier=Tier.PRIORITY, cost=urgent_cost))
    work = dict.fromkeys("us", 0.0)
    while work["u"] < 290 * urgent_cost and work["s"] < 110 * usual_cost:
        batch = take(made)
        assert batch is not None
        for stream, _ in batch.items:
            work[stream] += urgent_cost if stream == "u" else usual_cost
        least = work["u"] - SIZE_MAX * urgent_cost - PRIORITY_RUN_MAX * SIZE_MAX * usual_cost
        most = work["u"] + PRIORITY_RUN_MAX * SIZE_MAX * usual_cost
        assert least <= PRIORITY_RUN_MAX * work["s"] <= most


def test_priority_work_that_nobody_waited_for_is_owed_to_nobody() -> None:
    made = batcher(*(queued("u", number, tier=Tier.PRIORITY) for number in range(40)))
    drain(made)
    made.put(queued("s", 0))
    made.put(queued("u", 40, tier=Tier.PRIORITY))
    batch = take(made)
    assert batch is not None
    assert [stream for stream, _ in batch.items] == ["u", "s"]


def test_the_last_engine_is_kept_while_the_priority_tier_is_active() -> None:
    made = batcher(*(queued("s", number) for number in range(40)))
    first = made.take(1.0, ready=lambda _: True, last=True)
    assert first is not None, "nobody has used the tier yet"
    made.put(queued("u", 0, tier=Tier.PRIORITY, at=2.0))
    urgent = made.take(2.0, ready=lambda _: True, last=True)
    assert urgent is not None
    assert made.take(2.0, ready=lambda _: True, last=True) is None
    assert made.due_at(ready=lambda _: True, last=True) is None
    assert made.due_at(ready=lambda _: True) is not None
    assert take(made, 2.0) is not None, "another engine may have it"
    later = 2.1 + PRIORITY_ACTIVE_S
    assert made.take(later, ready=lambda _: True, last=True) is not None
