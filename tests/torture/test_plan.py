"""A seed is a plan: the same one each time, valid for the product, rich in faults."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torture.plan import ACCOUNTS, PROCESSES, STREAMS, draw
from tests.torture.run import schedule_of
from tests.torture.schedule import DECK, LASTS_S, Fault, Kind
from wire import streams

SEEDS = st.integers(min_value=0, max_value=10**9)


@settings(max_examples=20)
@given(SEEDS)
def test_the_same_seed_gives_the_same_plan(seed: int) -> None:
    assert draw(seed, 60) == draw(seed, 60)
    assert schedule_of(draw(seed, 60)) != schedule_of(draw(seed + 1, 60))


@settings(max_examples=20)
@given(SEEDS)
def test_every_camera_is_one_that_the_product_takes(seed: int) -> None:
    plan = draw(seed, 60)
    moved = [fault.spec for fault in plan.faults if fault.spec is not None]
    for spec in (*plan.cameras, *moved):
        assert streams.check(spec) == spec
    assert len(plan.cameras) == STREAMS
    assert {opening.account for opening in plan.openings} == set(ACCOUNTS)


@settings(max_examples=20)
@given(SEEDS, st.floats(min_value=5, max_value=120))
def test_faults_come_in_order_and_within_the_time(seed: int, seconds: float) -> None:
    faults = draw(seed, seconds).faults
    times = [fault.at_s for fault in faults]
    assert times == sorted(times)
    assert all(0 <= at_s <= seconds + 0.1 for at_s in times)


def holds(fault: Fault, thing: str, at_s: float) -> bool:
    """Say whether a fault still holds a thing at that time."""
    return thing in fault.touches and fault.at_s <= at_s < fault.at_s + fault.seconds


@settings(max_examples=20)
@given(SEEDS)
def test_no_fault_begins_on_what_another_one_holds(seed: int) -> None:
    faults = draw(seed, 120).faults
    for number, fault in enumerate(faults):
        for thing in fault.touches:
            before = [it for it in faults[:number] if holds(it, thing, fault.at_s)]
            assert not before, (fault, before)


@settings(max_examples=20)
@given(SEEDS)
def test_a_move_changes_the_price_contract_that_the_stream_has_by_then(seed: int) -> None:
    plan = draw(seed, 120)
    now = {camera.stream: camera for camera in plan.cameras}
    for fault in plan.faults:
        if fault.spec is not None:
            before = now[fault.target]
            assert (fault.spec.model, fault.spec.tier) != (before.model, before.tier)
            assert (fault.spec.account, fault.spec.fps) == (before.account, before.fps)
            now[fault.target] = fault.spec


def test_ten_seeds_meet_every_kind_of_fault_and_every_process() -> None:
    faults = [fault for seed in range(10) for fault in draw(seed, 60).faults]
    assert set(Counter(fault.kind for fault in faults)) == set(Kind) == set(DECK)
    assert set(LASTS_S) < set(Kind)
    hurt = {it.target for it in faults if it.kind in (Kind.KILL, Kind.FREEZE, Kind.ROLL)}
    assert len(hurt) == sum(PROCESSES.values())
    assert len(faults) > 150
