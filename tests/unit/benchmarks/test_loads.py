"""What is offered to a detector beyond its capacity, and what is made of what became of it."""

from collections import Counter
from datetime import timedelta

import msgspec
import pytest

from benchmarks import fairness, overload, priority, stall
from benchmarks.generator import Offered
from benchmarks.play import MAX_AGE_MS, Heard
from benchmarks.schedule import cameras, schedule, stalled
from benchmarks.sight import Seen
from tests.unit.benchmarks.scenery import CAPTURED_AT, detection
from wire.usage import Status


def heard(**streams: tuple[int, int]) -> Heard:
    """Return a load of which each stream had so many frames detected, and so many expired.

    A detected frame was 100 ms old when it was seen, an expired one 1 200 ms.
    """
    seen, offered = Seen(), Offered()
    for name, counts in streams.items():
        statuses = [Status.DETECTED] * counts[0] + [Status.EXPIRED] * counts[1]
        for seq, status in enumerate(statuses):
            offered.add(lag_s=0.0)
            one = msgspec.structs.replace(detection(seq, status), stream=name.replace("_", "-"))
            age_ms = 100 if status is Status.DETECTED else 1_200
            seen.add(one, CAPTURED_AT + timedelta(milliseconds=age_ms))
    return Heard(offered=offered, seen=seen)


def test_a_load_is_exact_when_each_frame_ended_once() -> None:
    assert heard(camera_0=(3, 2)).is_exact


def test_a_lost_frame_or_a_copy_makes_a_load_inexact() -> None:
    lost, copied = heard(camera_0=(3, 0)), heard(camera_0=(3, 0))
    lost.offered.add(lag_s=0.0)
    assert not lost.is_exact
    copied.seen.add(msgspec.structs.replace(detection(0), stream="camera-0"), CAPTURED_AT)
    assert not copied.is_exact


def test_a_frame_that_failed_makes_a_load_inexact() -> None:
    failed = heard(camera_0=(3, 0))
    failed.offered.add(lag_s=0.0)
    failed.seen.add(detection(9, Status.FAILED), CAPTURED_AT)
    assert not failed.is_exact


def test_cameras_have_rates_of_their_own() -> None:
    counts = Counter(due.stream for due in cameras({"slow": 2.0, "fast": 40.0}, seconds=10))
    assert counts == {"slow": 20, "fast": 400}


def test_a_stall_holds_one_camera_back_until_it_is_over_and_loses_nothing() -> None:
    even = list(schedule(("a", "b"), rate=20, seconds=6))
    torn = stalled(even, "a", every_s=2.0, for_s=0.5)
    assert [due.at_s for due in torn] == sorted(due.at_s for due in torn)
    assert Counter(due.stream for due in torn) == Counter(due.stream for due in even)
    assert [due for due in torn if due.stream == "b"] == [due for due in even if due.stream == "b"]
    held = [due.at_s for due in torn if due.stream == "a"]
    assert not [at_s for at_s in held if at_s % 2.0 > 1.5]
    assert held.count(2.0) == held.count(4.0) == 5


def test_the_modest_fit_into_their_share_and_all_exceed_the_capacity() -> None:
    rates = fairness.rates_for(80.0)
    assert all(rates[name] < 80.0 / 8 for name in fairness.MODEST)
    assert rates[fairness.FLOOD] == pytest.approx(20 * rates[fairness.MODEST[0]])
    assert sum(rates.values()) == pytest.approx(fairness.TIMES * 80.0)
    assert fairness.TIMES > 2


def test_the_flood_lies_in_the_partition_of_some_of_the_seven_but_not_of_all() -> None:
    assert 1 <= len(fairness.neighbours(partitions=8)) < len(fairness.MODEST)


def test_the_share_that_cameras_keep_is_of_what_they_published() -> None:
    modest = dict.fromkeys((f"camera_{number}" for number in range(6)), (10, 0))
    load = heard(**modest, camera_6=(8, 2), flood_11=(50, 150))
    published = dict.fromkeys(fairness.MODEST, 10) | {fairness.FLOOD: 200}
    found = fairness.figures(load, published)
    assert found["modest_kept"] == round(68 / 70, 4)
    assert found["modest_kept_worst"] == 0.8
    assert found["flood_kept"] == 0.25


def test_ages_of_an_overload_are_told_against_the_greatest_age() -> None:
    found = overload.figures(heard(camera_0=(4, 6)), seconds=2.0)
    assert (found["p99_ms"], found["expired_p99_ms"]) == (100.0, 1_200.0)
    assert found["p99_minus_max_age_ms"] == 100.0 - MAX_AGE_MS
    assert found["published"] == 10
    assert (found["frames"]["detected"], found["frames"]["expired"]) == (4, 6)
    assert found["detected_per_second"] == 2.0


def test_the_priority_tier_is_compared_with_itself_alone() -> None:
    alone = heard(first_0=(4, 0), first_1=(4, 0))
    found = priority.compare(alone, heard(first_0=(4, 0), first_1=(3, 1), camera_0=(2, 8)))
    assert found["loaded_to_idle"] == 1.0
    assert found["priority_kept"] == 7 / 8
    assert found["standard_detected"] == 2


def test_the_change_of_the_others_is_in_percent_of_the_steady_run() -> None:
    steady = heard(camera_0=(10, 0), camera_1=(100, 0))
    torn = heard(camera_0=(5, 5), camera_1=(98, 2))
    found = stall.compare(steady, torn, seconds=10.0)
    assert found["others_change_percent"] == -2.0
    assert (found["others_steady_per_second"], found["others_stalled_per_second"]) == (10.0, 9.8)
