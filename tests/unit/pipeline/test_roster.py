"""The roster knows the newest good specs, and the plan changes no more than it must."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pipeline.roster import Roster, plan
from pipeline.watch import contract_of
from wire import streams
from wire.slicing import Slices
from wire.streams import StreamSpec

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def spec(stream: str = "gate", **changes: Any) -> StreamSpec:
    first = StreamSpec(
        stream=stream,
        account="acme",
        source="gate.mp4",
        model="park-n",
        height=384,
        width=512,
        fps=5,
    )
    return msgspec.structs.replace(first, **changes)


def heard(roster: Roster, wanted: StreamSpec, partition: int = 0) -> str | None:
    return roster.hear(partition, wanted.stream.encode(), streams.encode(wanted, at=NOW))


def roster(*partitions: int) -> Roster:
    new = Roster()
    new.assign(frozenset(partitions))
    return new


def test_the_newest_spec_counts_and_a_tombstone_removes_it() -> None:
    ours = roster(0)
    heard(ours, spec(fps=1))
    heard(ours, spec(fps=2))
    heard(ours, spec("road"))
    assert ours.wanted() == {"gate": spec(fps=2), "road": spec("road")}
    assert ours.hear(0, b"gate", None) is None
    assert ours.wanted() == {"road": spec("road")}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"gate", b"{}"),
        (b"gate", b"\xff"),
        (None, b"{}"),
        (b"other", streams.encode(spec(), at=NOW)),
        (b"gate", streams.encode(spec(fps=-1), at=NOW)),
        (b"\xff\xfe", b"x"),
    ],
)
def test_a_bad_spec_is_reported_and_changes_nothing(key: bytes | None, value: bytes) -> None:
    ours = roster(0)
    heard(ours, spec())
    assert ours.hear(0, key, value)
    assert ours.wanted() == {"gate": spec()}


def test_partitions_that_left_take_their_streams_with_them() -> None:
    ours = roster(0, 1)
    heard(ours, spec(), 0)
    ours.assign(frozenset({1}))
    assert heard(ours, spec(), 0) is None
    assert ours.wanted() == {}


@pytest.mark.parametrize(
    "change",
    [
        {"account": "b"},
        {"model": "b"},
        {"height": 64},
        {"width": 64},
        {"tier": "priority"},
        {"slices": Slices(rows=2, columns=2)},
    ],
)
def test_a_change_of_what_fixes_the_price_restarts_the_stream(change: dict[str, Any]) -> None:
    steps = plan({"gate": spec(**change)}, {"gate": spec()})
    assert (steps.restart, steps.amend, steps.start, steps.stop) == ([spec(**change)], [], [], [])


@pytest.mark.parametrize(
    "change",
    [
        {"fps": 1},
        {"source": "b.mp4"},
        {"quality": 5},
        {"max_age_ms": 9},
        {"loop": False},
        {"motion": 0.01},
    ],
)
def test_any_other_change_keeps_the_session(change: dict[str, Any]) -> None:
    steps = plan({"gate": spec(**change)}, {"gate": spec()})
    assert (steps.restart, steps.amend, steps.start, steps.stop) == ([], [spec(**change)], [], [])


def test_what_is_new_starts_what_is_gone_stops_and_what_is_the_same_is_left_alone() -> None:
    steps = plan({"gate": spec(), "new": spec("new")}, {"gate": spec(), "old": spec("old")})
    assert (steps.start, steps.stop) == ([spec("new")], ["old"])
    assert (steps.restart, steps.amend) == ([], [])


def test_what_fixes_the_price_is_what_a_contract_says_does() -> None:
    for change in ({"slices": Slices(rows=2, columns=2)}, {"tier": "priority"}, {"motion": 0.01}):
        before, after = contract_of(spec()), contract_of(spec(**change))
        is_repriced = before.price_terms != after.price_terms
        assert is_repriced == bool(plan({"gate": spec(**change)}, {"gate": spec()}).restart)
