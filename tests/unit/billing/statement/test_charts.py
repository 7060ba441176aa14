"""Charts show every token once: columns as high as their values, the rest drawn together."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.statement.amounts import share, short_tokens, tokens
from billing.statement.charts import COLORS, TICKS_MAX, over_time, steps, ticks
from billing.statement.drawing import (
    GRID_LINES,
    PLOT_HEIGHT,
    PLOT_WIDTH,
    Columns,
    Series,
    columns,
    scale_top,
)
from tests.unit.billing.statement.made import HOUR, START, made, used


@given(st.integers(0, 10**18))
def test_the_axis_is_round_and_not_much_higher_than_the_largest(largest: int) -> None:
    top = scale_top(largest)
    assert top >= largest
    assert top % GRID_LINES == 0
    assert top <= max(100, largest * 4 // 3 + 1)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_columns_are_as_high_as_what_they_show(values: list[tuple[int, int]]) -> None:
    chart = Columns(
        title="t",
        description="d",
        names=tuple(str(number) for number in range(len(values))),
        ticks=(),
        series=tuple(
            Series(
                name=f"s{number}", color=f"s{number}", values=tuple(pair[number] for pair in values)
            )
            for number in range(2)
        ),
    )
    drawing = columns(chart, axis=short_tokens, exact=tokens)
    rects = drawing.findall("rect")
    assert len(rects) == sum(value > 0 for pair in values for value in pair)
    top = scale_top(max(sum(pair) for pair in values))
    drawn = sum(float(rect.get("height", "")) for rect in rects)
    assert drawn == pytest.approx(PLOT_HEIGHT * sum(map(sum, values)) / top, abs=0.01 * len(rects))
    assert sum(float(rect.get("width", "")) for rect in rects) <= 2 * PLOT_WIDTH


def test_many_streams_are_drawn_as_the_largest_and_the_rest() -> None:
    uses = tuple(used(f"s{number}", number, number * 1_000) for number in range(1, 10))
    series = over_time(made(steps=uses)).series
    assert [one.name for one in series] == ["s9", "s8", "s7", "s6", "s5", "4 other streams"]
    assert [one.color for one in series] == [*COLORS[:5], "rest"]
    assert sum(sum(one.values) for one in series) == 45_000


def test_few_streams_have_a_colour_each() -> None:
    uses = tuple(used(f"s{number}", number, 1_000) for number in range(6))
    assert {one.color for one in over_time(made(steps=uses)).series} == set(COLORS)


def test_every_step_that_a_period_touches_has_its_place() -> None:
    half = timedelta(minutes=30)
    assert steps(START + half, START + HOUR + half, "hour") == [START, START + HOUR]
    assert steps(START + half, START + HOUR, "hour") == [START]
    assert len(steps(START - half, START + half, "day")) == 2


@pytest.mark.parametrize("hours", [1, 8, 9, 24, 25, 48, 72, 73])
def test_the_axis_names_a_few_hours(hours: int) -> None:
    starts = steps(START + HOUR, START + (hours + 1) * HOUR, "hour")
    assert 0 < len(ticks(starts, "hour")) <= TICKS_MAX


@pytest.mark.parametrize("days", [1, 8, 9, 31, 366, 400])
def test_the_axis_names_a_few_days(days: int) -> None:
    assert 0 < len(ticks(steps(START, START + timedelta(days=days), "day"), "day")) <= TICKS_MAX


def test_the_smallest_share_is_not_nothing() -> None:
    assert share(1, 10**9) == "<\u202f0.1\u202f%"
    assert share(10**9, 10**9) == "100.0\u202f%"
