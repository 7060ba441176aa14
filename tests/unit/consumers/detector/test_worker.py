"""How many messages a lane may hold: its own share always, what others leave within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.detector.worker import POLL_RECORDS, SHARE_MIN, capacity, room_of

IN_FLIGHT_MAX = 512


def test_a_lane_has_its_share_whatever_others_hold_and_half_of_all_when_they_hold_little() -> None:
    assert room_of(in_flight=0, of_all=10_000, in_flight_max=IN_FLIGHT_MAX) == SHARE_MIN
    assert room_of(in_flight=0, of_all=0, in_flight_max=IN_FLIGHT_MAX) == IN_FLIGHT_MAX // 2
    assert room_of(in_flight=200, of_all=200, in_flight_max=IN_FLIGHT_MAX) == 56
    assert room_of(in_flight=200, of_all=IN_FLIGHT_MAX, in_flight_max=IN_FLIGHT_MAX) < 0
    assert room_of(in_flight=0, of_all=0, in_flight_max=SHARE_MIN) == SHARE_MIN


@given(st.integers(64, 2_000), st.lists(st.integers(0, 7), max_size=300))
def test_all_lanes_together_hold_no_more_than_the_capacity(
    in_flight_max: int, greedy: list[int]
) -> None:
    held = [0] * 8
    for lane in greedy:
        room = room_of(in_flight=held[lane], of_all=sum(held), in_flight_max=in_flight_max)
        if room >= POLL_RECORDS:
            held[lane] += POLL_RECORDS
    assert sum(held) <= capacity(in_flight_max=in_flight_max, partitions=4)
    assert max(held) <= max(SHARE_MIN, in_flight_max // 2)
