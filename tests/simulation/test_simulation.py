"""The simulator itself: no promise breaks, every kind of fault occurs, planted bugs are found."""

from collections import Counter

import pytest

from tests.simulation.campaign import bugs, needed, run
from tests.simulation.chance import FAULTS
from tests.simulation.chaos import EVENTS
from tests.simulation.schedule import simulate, simulated

SCHEDULES = 3_000
OFTEN = 20
"""How often each fault occurs in 1,000 schedules, at least."""
SELDOM = {
    "write lost": 10,
    "write answer lost": 10,
    "write late": 10,
    "markers forgotten": 10,
    "markers partly forgotten": 5,
    "commits told again": 10,
}


def test_no_promise_breaks_and_every_kind_of_fault_occurs() -> None:
    outcome = run(0, SCHEDULES)
    assert outcome.failures == []
    counts, thousands = outcome.counts, SCHEDULES / 1_000
    kinds = (*FAULTS, *EVENTS, *SELDOM, "lane fenced", "biller fenced", "transaction timed out")
    seldom = {
        kind: counts[kind] / thousands
        for kind in kinds
        if counts[kind] < SELDOM.get(kind, OFTEN) * thousands
    }
    assert not seldom, "the space of faults is not covered"
    for kind in ("frames", "charges", "sessions", "sessions expired", "frames expired"):
        assert counts[kind] >= OFTEN * thousands, kind


@pytest.mark.parametrize(
    "name",
    [
        "lane commits an offset one too far",
        "lane does not mend a torn commit",
        "biller reads on after a failed write",
        "close releases frames in doubt",
    ],
)
def test_a_planted_bug_is_found(name: str) -> None:
    (bug,) = bugs(name)
    assert needed(bug, 0, 2_000) is not None
    assert needed(bug, 0, 1) is None or run(0, 1).failures == [], "the bug is gone afterwards"


def test_a_seed_gives_the_same_schedule_again() -> None:
    traces: list[list[str]] = [[], []]
    with simulated():
        for trace in traces:
            simulate(7, Counter(), lambda step, trace=trace: trace.append(step.split(" at 0x")[0]))  # type: ignore[misc]
    assert len(traces[0]) > 20
    assert traces[0] == traces[1]
